//! Where an input's value comes from: the walk along links, through everything that is not sent.

use std::collections::HashMap;

use crate::workflow::graph::{Link, Mode, INPUTS_ID};
use crate::workflow::json::Shared;

use super::budget::Budget;
use super::error::ConvertError;
use super::loaded::{Level, Loaded, LoadedNode, NodeKind, Socket};
use super::sockets::{self, Types};

/// One appearance of a level: the root, or a definition seen through one chain of instances.
#[derive(Debug)]
pub struct Scope {
    pub level: usize,
    /// The scope around it, and the place of the instance there.
    pub parent: Option<(usize, usize)>,
    /// What stands in front of its nodes' ids, `12:3:` for instance.
    pub prefix: String,
    /// Scopes of its own instances, by place.
    pub children: HashMap<usize, usize>,
}

pub enum Resolved {
    /// Output of a node that is sent: its scope, its place, and the slot as the link has it.
    Output {
        scope: usize,
        node: usize,
        slot: Option<i64>,
    },
    /// The value of an instance's input.
    Value(Option<Shared>),
    Nothing,
}

pub struct Resolver<'l, 'd, 'b> {
    pub loaded: &'l Loaded<'d>,
    pub scopes: &'l [Scope],
    pub types: Types<'l, 'd>,
    pub budget: &'b mut Budget,
}

/// A socket in a scope; as an input, or as an output.
#[derive(Clone, Copy)]
struct At {
    scope: usize,
    socket: Socket,
}

/// Where a way has been. The editor knows a socket inside a subgraph by the definition alone, so
/// that two instances of one definition are the same place to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Passed {
    level: usize,
    socket: Socket,
    is_output: bool,
}

/// The places that a way has passed, each in which scope.
type Way = HashMap<Passed, usize>;

/// What a step along the way found.
enum Step {
    Through(At),
    Done(Resolved),
}

impl<'l, 'd> Resolver<'l, 'd, '_> {
    /// Resolves an input that has a link.
    pub fn resolve(&mut self, scope: usize, socket: Socket) -> Result<Resolved, ConvertError> {
        let mut at = At { scope, socket };
        // The input whose type the bypassed nodes on the way must fit.
        let mut wanted = at;
        let mut way = Way::new();
        loop {
            self.budget.walk(1)?;
            match self.enter(at, &mut wanted, &mut way)? {
                Step::Done(resolved) => return Ok(resolved),
                Step::Through(next) => at = next,
            }
            self.pass_by(&mut way, at, false)?;
        }
    }

    /// Notes a socket on the way; nobody may come by twice.
    fn pass_by(&self, way: &mut Way, at: At, is_output: bool) -> Result<(), ConvertError> {
        let passed = Passed {
            level: self.scopes[at.scope].level,
            socket: at.socket,
            is_output,
        };
        match way.insert(passed, at.scope) {
            None => Ok(()),
            Some(scope) if scope == at.scope => {
                let (node, input) = self.names(at);
                Err(ConvertError::LinkCircle { node, input })
            }
            Some(_) => Err(ConvertError::PassedTwice {
                node: self.name(at.scope, self.node(at.scope, at.socket.node)),
                subgraph: self.level(at.scope).name.clone(),
            }),
        }
    }

    fn level(&self, scope: usize) -> &'l Level<'d> {
        &self.loaded.levels[self.scopes[scope].level]
    }

    fn node(&self, scope: usize, node: usize) -> &'l LoadedNode<'d> {
        &self.level(scope).nodes[node]
    }

    fn names(&self, at: At) -> (String, String) {
        let node = self.node(at.scope, at.socket.node);
        let input = node.slots.get(at.socket.slot).map(|slot| slot.name.clone());
        (self.name(at.scope, node), input.unwrap_or_default())
    }

    fn name(&self, scope: usize, node: &LoadedNode) -> String {
        format!("{}{}", self.scopes[scope].prefix, node.id)
    }

    /// From an input along its link to an output, and on until something is found or another input
    /// reached.
    fn enter(&mut self, at: At, wanted: &mut At, way: &mut Way) -> Result<Step, ConvertError> {
        let level = self.level(at.scope);
        let slot = level.nodes[at.socket.node].slots.get(at.socket.slot);
        let Some(id) = slot.and_then(|slot| slot.link.as_ref()) else {
            return Ok(Step::Done(self.unlinked(at)));
        };
        let Some(link) = level.links.get(id) else {
            let (node, input) = self.names(at);
            let link = id.to_string();
            return Err(ConvertError::MissingLink { node, input, link });
        };
        if link.origin.as_str() == INPUTS_ID {
            if let Some(parent) = self.scopes[at.scope].parent {
                return self.leave_through_input(level, link, parent, wanted);
            }
        }
        self.follow(at.scope, link, wanted, way)
    }

    /// An instance's input without a link has the value that it shows, if any.
    fn unlinked(&self, at: At) -> Resolved {
        let instance = self.node(at.scope, at.socket.node).instance();
        let value = instance.and_then(|i| self.loaded.promoted(i, at.socket.slot));
        value.map_or(Resolved::Nothing, |value| Resolved::Value(value.0))
    }

    /// From inside a definition to the input of the instance around it.
    fn leave_through_input(
        &self,
        level: &Level,
        link: &Link,
        (scope, node): (usize, usize),
        wanted: &mut At,
    ) -> Result<Step, ConvertError> {
        let instance = self.node(scope, node);
        let slot = link.origin_place();
        let slot = slot.filter(|slot| *slot < instance.slots.len());
        let slot = slot.ok_or_else(|| ConvertError::MissingSubgraphInput {
            subgraph: level.name.clone(),
            slot: slot_name(link.origin_slot),
        })?;
        let socket = Socket { node, slot };
        *wanted = At { scope, socket };
        Ok(Step::Through(*wanted))
    }

    /// From a link's origin on: down into instances, through what is not sent.
    fn follow(
        &mut self,
        scope: usize,
        link: &'l Link,
        wanted: &mut At,
        way: &mut Way,
    ) -> Result<Step, ConvertError> {
        let (mut scope, mut link) = (scope, link);
        loop {
            self.budget.walk(1)?;
            let level = self.level(scope);
            let place = level.places.get(&link.origin).copied();
            let place = place.ok_or_else(|| ConvertError::MissingNode {
                link: link.id.to_string(),
                origin: format!("{}{}", self.scopes[scope].prefix, link.origin),
            })?;
            let node = &level.nodes[place];
            let input = |slot| At {
                scope,
                socket: Socket { node: place, slot },
            };
            if let Some(slot) = link.origin_place() {
                self.pass_by(way, input(slot), true)?;
            }
            match (&node.kind, node.mode) {
                (_, Mode::Muted) | (NodeKind::Note | NodeKind::Primitive { .. }, _) => {
                    return Ok(Step::Done(Resolved::Nothing));
                }
                (NodeKind::Reroute, mode) => {
                    // A bypassed one is passed like any node: what lies before it fits its socket.
                    if mode == Mode::Bypassed {
                        *wanted = input(0);
                    }
                    return Ok(Step::Through(input(0)));
                }
                (_, Mode::Bypassed) => {
                    let passed = self.pass(scope, place, link, *wanted)?;
                    let Some(slot) = passed else {
                        return Ok(Step::Done(Resolved::Nothing));
                    };
                    *wanted = input(slot);
                    return Ok(Step::Through(*wanted));
                }
                (NodeKind::Instance(instance), Mode::Active) => {
                    let child = self.scopes[scope].children.get(&place);
                    let inner = self.inner_link(instance.level, link)?;
                    let (Some(&child), Some(inner)) = (child, inner) else {
                        return Ok(Step::Done(Resolved::Nothing));
                    };
                    (scope, link) = (child, inner);
                }
                (NodeKind::Class(_) | NodeKind::Unknown, Mode::Active) => {
                    return Ok(Step::Done(Resolved::Output {
                        scope,
                        node: place,
                        slot: link.origin_slot,
                    }));
                }
            }
        }
    }

    /// The link behind an output of a definition.
    fn inner_link(&self, level: usize, outer: &Link) -> Result<Option<&'l Link>, ConvertError> {
        let level = &self.loaded.levels[level];
        let port = outer.origin_place();
        let port = port.and_then(|k| level.outputs.get(k));
        let port = port.ok_or_else(|| ConvertError::MissingSubgraphOutput {
            subgraph: level.name.clone(),
            slot: slot_name(outer.origin_slot),
        })?;
        let link = port.links.first().and_then(|id| level.links.get(id));
        if link.is_some_and(|link| link.origin.as_str() == INPUTS_ID) {
            return Err(ConvertError::StraightThrough {
                subgraph: level.name.clone(),
            });
        }
        Ok(link)
    }

    /// Which input a bypassed node passes on to its output. The choice stands even without a link
    /// there.
    fn pass(
        &mut self,
        scope: usize,
        node: usize,
        link: &Link,
        wanted: At,
    ) -> Result<Option<usize>, ConvertError> {
        let level = self.scopes[scope].level;
        let count = self.node(scope, node).slots.len();
        self.budget.walk(count)?;
        let output = link.origin_place();
        let output = output.and_then(|slot| Some((slot, self.types.output(level, node, slot)?)));
        let (slot, output) = output.ok_or_else(|| ConvertError::MissingOutput {
            node: self.name(scope, self.node(scope, node)),
            slot: slot_name(link.origin_slot),
        })?;
        let wanted = self
            .types
            .input(self.scopes[wanted.scope].level, wanted.socket);
        if sockets::is_anything(&wanted) {
            if count == 0 {
                let node = self.name(scope, self.node(scope, node));
                return Err(ConvertError::MissingInput { node });
            }
            return Ok(Some(if slot < count { slot } else { 0 }));
        }
        let inputs: Vec<_> = (0..count)
            .map(|slot| self.types.input(level, Socket { node, slot }))
            .collect();
        let fits = |name: &str| sockets::fit(name, &output) && sockets::fit(name, &wanted);
        if inputs.get(slot).is_some_and(|name| fits(name)) {
            return Ok(Some(slot));
        }
        let same = inputs.iter().position(|name| *name == wanted);
        Ok(same.or_else(|| inputs.iter().position(|name| fits(name))))
    }
}

fn slot_name(slot: Option<i64>) -> String {
    slot.map_or_else(|| "without a number".to_owned(), |slot| slot.to_string())
}
