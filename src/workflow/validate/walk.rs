//! From an output through everything that it reaches, with a stack of its own: a chain of thousands
//! of nodes must not end the program.

use super::bind::Bound;
use super::custom::SelfCheck;
use super::cycle::Cycle;
use super::expand::{Expected, Inputs};
use super::problem::{At, Problem};
use super::quotes::Quotes;
use super::{link, value};
use crate::workflow::prompt::Prompt;
use crate::workflow::python::{Raised, Value};

/// Judges each node once, however often it is reached.
pub(super) struct Walk<'v> {
    prompt: &'v Prompt<'v>,
    nodes: &'v [Bound<'v>],
    judged: Vec<Option<Judgement>>,
    /// Nodes that have errors themselves, in the order of being judged.
    faulty: Vec<usize>,
    /// The way from the output to the node being judged, and each node's place on it.
    path: Vec<usize>,
    place_on_path: Vec<Option<usize>>,
    cycles: Vec<Cycle>,
    /// The last cycle that each node was found to be part of.
    cycle_of: Vec<Option<usize>>,
    quotes: Quotes,
}

/// A bad node without problems of its own depends on one that has some.
struct Judgement {
    is_valid: bool,
    problems: Vec<Problem>,
}

/// A node whose inputs are being looked at.
struct Frame<'v> {
    node: usize,
    inputs: Inputs<'v>,
    next: usize,
    self_check: Option<SelfCheck>,
    problems: Vec<Problem>,
    is_valid: bool,
}

enum Step {
    Fine,
    Bad(Problem),
    Follow(usize),
}

enum Advance {
    Descend(usize),
    Finished,
}

impl<'v> Walk<'v> {
    pub fn new(prompt: &'v Prompt<'v>, nodes: &'v [Bound<'v>], quotes: Quotes) -> Self {
        Self {
            prompt,
            nodes,
            judged: nodes.iter().map(|_| None).collect(),
            faulty: Vec::new(),
            path: Vec::new(),
            place_on_path: vec![None; nodes.len()],
            cycles: Vec::new(),
            cycle_of: vec![None; nodes.len()],
            quotes,
        }
    }

    pub fn quotes(&self) -> Quotes {
        self.quotes
    }

    /// Whether an output can run. Afterwards it and all that it reaches have been judged.
    pub fn judge(&mut self, output: usize) -> bool {
        if self.judged[output].is_none() {
            self.walk(output);
        }
        self.judged[output]
            .as_ref()
            .is_some_and(|judgement| judgement.is_valid)
    }

    pub fn problems(&self, node: usize) -> &[Problem] {
        self.judged[node]
            .as_ref()
            .map_or(&[], |judgement| &judgement.problems)
    }

    /// Nodes with errors of their own, so far.
    pub fn faulty(&self) -> &[usize] {
        &self.faulty
    }

    pub fn take_problems(&mut self, node: usize) -> Vec<Problem> {
        self.judged[node]
            .take()
            .map(|judgement| judgement.problems)
            .unwrap_or_default()
    }

    fn walk(&mut self, output: usize) {
        let mut frames = Vec::new();
        match self.enter(output) {
            Ok(frame) => frames.push(frame),
            Err(raised) => self.refuse(output, Problem::raised(&raised)),
        }
        while let Some(mut frame) = frames.pop() {
            match self.advance(&mut frame) {
                Ok(Advance::Descend(source)) => match self.enter(source) {
                    Ok(inner) => frames.extend([frame, inner]),
                    Err(raised) => {
                        self.refuse_source(&mut frame, source, &raised);
                        frames.push(frame);
                    }
                },
                Ok(Advance::Finished) => {
                    let is_valid = self.settle(frame);
                    if let (false, Some(outer)) = (is_valid, frames.last_mut()) {
                        outer.is_valid = false;
                    }
                }
                Err(raised) => {
                    self.leave(frame.node);
                    match frames.last_mut() {
                        Some(outer) => self.refuse_source(outer, frame.node, &raised),
                        None => self.refuse(frame.node, Problem::raised(&raised)),
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: usize) -> Result<Frame<'v>, Raised> {
        let bound = &self.nodes[node];
        let Some(given) = &bound.inputs else {
            return Err(Raised::new("KeyError", "'inputs'"));
        };
        self.place_on_path[node] = Some(self.path.len());
        self.path.push(node);
        Ok(Frame {
            node,
            inputs: match bound.class {
                Some(class) => Inputs::of_class(class, given),
                None => Inputs::as_given(given),
            },
            next: 0,
            self_check: bound.class.and_then(|_| SelfCheck::of(bound.class_name)),
            problems: Vec::new(),
            is_valid: true,
        })
    }

    fn leave(&mut self, node: usize) {
        self.path.pop();
        self.place_on_path[node] = None;
    }

    /// Looks at inputs until one leads to a node that was not judged, or all are done.
    fn advance(&mut self, frame: &mut Frame<'v>) -> Result<Advance, Raised> {
        while let Some(expected) = frame.inputs.expected.get(frame.next) {
            frame.next += 1;
            match self.look(frame, expected)? {
                Step::Fine => {}
                Step::Bad(problem) => frame.problems.push(problem.quoting(self.quotes)),
                Step::Follow(source) => {
                    if let Some(judgement) = &self.judged[source] {
                        frame.is_valid &= judgement.is_valid;
                    } else if let Some(place) = self.place_on_path[source] {
                        frame.is_valid = false;
                        self.note_cycle(place);
                    } else {
                        return Ok(Advance::Descend(source));
                    }
                }
            }
        }
        if let Some(check) = frame.self_check {
            let node = &self.nodes[frame.node];
            let received = |input: &str| self.received(node, input);
            frame
                .problems
                .extend(check.run(node, &frame.inputs, received)?);
        }
        Ok(Advance::Finished)
    }

    fn look(&self, frame: &Frame<'v>, expected: &Expected<'v>) -> Result<Step, Raised> {
        let node = &self.nodes[frame.node];
        let name = &*expected.name;
        let Some(given) = node.inputs.as_ref().and_then(|inputs| inputs.get(name)) else {
            if !expected.required {
                return Ok(Step::Fine);
            }
            let shown = expected.shown_when_missing(frame.inputs.is_dynamic);
            return Ok(Step::Bad(Problem::required_input_missing(name, shown)));
        };
        let at = At {
            name,
            spec: expected.spec,
        };
        let Some(parts) = given.as_list() else {
            let is_self_checked = frame.self_check.is_some_and(|check| check.covers(name));
            let problem = value::check(at, given, is_self_checked)?;
            return Ok(problem.map_or(Step::Fine, Step::Bad));
        };
        let [id, slot] = parts else {
            return Ok(Step::Bad(Problem::bad_link(at, given)));
        };
        let source = link::source(id, |id| self.prompt.place(id))?;
        let received = link::output(&self.nodes[source], slot)?;
        let is_compared = !frame.self_check.is_some_and(SelfCheck::compares_types);
        match expected.spec {
            Some(spec) if is_compared && !link::fits(received, &spec.kind) => {
                Ok(Step::Bad(Problem::type_mismatch(at, received, given)))
            }
            _ => Ok(Step::Follow(source)),
        }
    }

    /// The type of what a linked input of a node receives.
    fn received(&self, node: &Bound<'v>, input: &str) -> Option<&'v Value<'v>> {
        let [id, slot] = node.inputs.as_ref()?.get(input)?.as_list()? else {
            return None;
        };
        let source = link::source(id, |id| self.prompt.place(id)).ok()?;
        link::output(&self.nodes[source], slot).ok()
    }

    /// The way leads back to its own node at `place`: all from there on are part of a cycle. Those
    /// in an earlier cycle as well belong to the later, longer one.
    fn note_cycle(&mut self, place: usize) {
        let members = &self.path[place..];
        if self.cycle_of[members[0]].is_some() {
            return;
        }
        for &member in members {
            self.cycle_of[member] = Some(self.cycles.len());
        }
        self.cycles.push(Cycle::new(self.nodes, members));
    }

    fn settle(&mut self, frame: Frame<'v>) -> bool {
        let node = frame.node;
        self.leave(node);
        let cycle =
            self.cycle_of[node].map(|cycle| self.cycles[cycle].problem(self.nodes[node].id));
        let problems: Vec<_> = cycle.into_iter().chain(frame.problems).collect();
        let is_valid = frame.is_valid && problems.is_empty();
        self.record(node, Judgement { is_valid, problems });
        is_valid
    }

    fn refuse(&mut self, node: usize, problem: Problem) {
        self.record(
            node,
            Judgement {
                is_valid: false,
                problems: vec![problem],
            },
        );
    }

    /// An exception is the only error of the node that raised it, and describes the input from
    /// which it was reached.
    fn refuse_source(&mut self, outer: &mut Frame<'v>, source: usize, raised: &Raised) {
        outer.is_valid = false;
        // The input that led here is the last one looked at.
        let expected = &outer.inputs.expected[outer.next - 1];
        let at = At {
            name: &expected.name,
            spec: expected.spec,
        };
        let inputs = self.nodes[outer.node].inputs.as_ref();
        let link = inputs
            .and_then(|inputs| inputs.get(&expected.name))
            .unwrap_or(&Value::None);
        self.refuse(source, Problem::raised_inside(raised, at, link));
    }

    fn record(&mut self, node: usize, mut judgement: Judgement) {
        let problems = judgement.problems.into_iter();
        judgement.problems = problems.map(|it| it.quoting(self.quotes)).collect();
        if !judgement.problems.is_empty() {
            self.faulty.push(node);
        }
        self.judged[node] = Some(judgement);
    }
}
