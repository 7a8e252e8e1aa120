//! Prompt × schema → the errors that ComfyUI itself would give, before a GPU starts.
//!
//! Pure: no I/O, no clock, no recursion along links. Types of errors, names of inputs, messages and
//! details are ComfyUI 0.33.0's, as recorded from a running server. Its walk over sets is in no
//! particular order; ours is the order of the document and of the class. Where ComfyUI breaks down
//! with a 500 the outcome is a refusal with an error of our own, `unreadable_prompt`.
//!
//! Deliberately absent: what custom nodes check in their own code, and a look at files.

mod bind;
mod custom;
mod cycle;
mod expand;
mod link;
mod outcome;
mod post;
mod problem;
mod quotes;
mod replace;
#[cfg(test)]
mod tests;
mod uploads;
mod value;
mod walk;

use std::collections::BTreeSet;

pub use outcome::{NodeErrors, Outcome};
pub use post::post;
pub use problem::{Extra, Kind, Problem};
pub use uploads::expect_uploads;

use super::prompt::Prompt;
use super::python::Value;
use super::schema::Schema;
use bind::Bound;
use quotes::Quotes;
use walk::Walk;

/// Most nodes whose errors are told. Whoever has to mend more has other troubles, and the answer
/// stays small.
pub const NODES_REPORTED_MAX: usize = 1_000;

/// Most entries of all `dependent_outputs` together: else their number could be the square of the
/// number of nodes.
pub const DEPENDENT_OUTPUTS_MAX: usize = 20_000;

/// Which outputs are asked for.
#[derive(Clone, Copy, Debug)]
enum Targets<'v> {
    All,
    Named(&'v [Value<'v>]),
}

/// What ComfyUI with these classes would answer to this prompt, long values cut.
pub fn validate<'v>(prompt: &'v Prompt<'v>, schema: &'v Schema) -> Outcome {
    judge(prompt, Some(schema), Targets::All, Quotes::Cut)
}

/// What can be said without an inventory: every node names a class and has inputs, every link is
/// well formed and leads to a node, none leads in a circle. Any error refuses the prompt.
pub fn structure<'v>(prompt: &'v Prompt<'v>) -> Outcome {
    judge(prompt, None, Targets::All, Quotes::Cut)
}

/// The classes that must be loaded to judge this prompt.
pub fn classes(prompt: &Prompt<'_>) -> BTreeSet<String> {
    let nodes = prompt
        .elements()
        .iter()
        .filter_map(|element| element.node.as_ref().ok());
    let names = nodes.filter_map(|node| node.class_type.as_ref()?.as_text());
    with_successors(names.map(str::to_owned).collect())
}

/// The same classes, and those that ComfyUI puts in their place where it gave them up.
pub fn with_successors(mut names: BTreeSet<String>) -> BTreeSet<String> {
    let successors = names.iter().filter_map(|name| replace::of(name));
    let successors: Vec<_> = successors.map(|it| it.class.to_owned()).collect();
    names.extend(successors);
    names
}

/// Every node whose class is not there, and has no successor that is; the class beside it.
pub fn unknown_classes<'v>(prompt: &'v Prompt<'_>, schema: &Schema) -> Vec<(&'v str, &'v str)> {
    let elements = prompt.elements().iter();
    let named = elements.filter_map(|element| {
        let node = element.node.as_ref().ok()?;
        let name = node.class_type.as_ref()?.as_text()?;
        let is_replaced = node.inputs.is_some() && replace::find(name, Some(schema)).is_some();
        (schema.class(name).is_none() && !is_replaced).then_some((&*element.id, name))
    });
    named.collect()
}

fn judge<'v>(
    prompt: &'v Prompt<'v>,
    schema: Option<&'v Schema>,
    targets: Targets<'_>,
    quotes: Quotes,
) -> Outcome {
    let nodes = match bind::bind(prompt, schema) {
        Ok(nodes) => nodes,
        Err(problem) => return Outcome::refused(problem.quoting(quotes)),
    };
    let is_wanted = |node: &Bound<'_>| match targets {
        Targets::All => true,
        Targets::Named(names) => names.iter().any(|name| name.as_text() == Some(node.id)),
    };
    let outputs = nodes.iter().enumerate();
    let outputs = outputs.filter(|(_, node)| node.is_output() && is_wanted(node));
    let outputs: Vec<usize> = outputs.map(|(place, _)| place).collect();
    if outputs.is_empty() {
        let kind = Kind::PromptNoOutputs;
        return Outcome::refused(Problem::new(kind, "Prompt has no outputs", "", Vec::new()));
    }
    let walk = Walk::new(prompt, &nodes, quotes);
    walk_all(walk, &nodes, &outputs, schema.is_some())
}

/// Walks every output and gathers what went wrong; one good output is enough, if `may_run_partly`.
fn walk_all(
    mut walk: Walk<'_>,
    nodes: &[Bound<'_>],
    outputs: &[usize],
    may_run_partly: bool,
) -> Outcome {
    let quotes = walk.quotes();
    let mut report = Report::default();
    let mut bad = Vec::new();
    for &output in outputs {
        if !walk.judge(output) {
            bad.push(output);
            report.note(walk.faulty(), output);
        }
    }
    let is_refused = bad.len() == outputs.len() || (!may_run_partly && !bad.is_empty());
    Outcome {
        error: is_refused.then(|| failed(&walk, &bad).quoting(quotes)),
        node_errors: report.finish(walk, nodes),
        ..Outcome::default()
    }
}

/// One line for each error of the output nodes themselves; none when the errors are upstream.
fn failed(walk: &Walk<'_>, outputs: &[usize]) -> Problem {
    let problems = outputs
        .iter()
        .take(NODES_REPORTED_MAX)
        .flat_map(|&output| walk.problems(output));
    let lines: Vec<_> = problems
        .map(|it| format!("{}: {}", it.message, it.details))
        .collect();
    let message = "Prompt outputs failed validation";
    Problem::new(
        Kind::PromptOutputsFailedValidation,
        message,
        lines.join("\n"),
        Vec::new(),
    )
}

/// The outputs that failed since each faulty node was found, in the order of finding.
#[derive(Default)]
struct Report {
    dependents: Vec<(usize, Vec<usize>)>,
    dependents_count: usize,
}

impl Report {
    /// `faulty` only ever grows at its end.
    fn note(&mut self, faulty: &[usize], output: usize) {
        let told = &faulty[..faulty.len().min(NODES_REPORTED_MAX)];
        let found = &told[self.dependents.len()..];
        self.dependents
            .extend(found.iter().map(|&node| (node, Vec::new())));
        let room = DEPENDENT_OUTPUTS_MAX - self.dependents_count;
        for (_, outputs) in self.dependents.iter_mut().take(room) {
            outputs.push(output);
            self.dependents_count += 1;
        }
    }

    fn finish(self, mut walk: Walk<'_>, nodes: &[Bound<'_>]) -> Vec<NodeErrors> {
        let quotes = walk.quotes();
        let name = |output: usize| quotes.cut(nodes[output].id.to_owned());
        let told = self
            .dependents
            .into_iter()
            .map(|(node, outputs)| NodeErrors {
                node_id: quotes.cut(nodes[node].id.to_owned()),
                errors: walk.take_problems(node),
                dependent_outputs: outputs.into_iter().map(name).collect(),
                class_type: quotes.cut(nodes[node].class_name.to_owned()),
            });
        told.collect()
    }
}
