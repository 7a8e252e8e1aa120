//! Types of sockets, and which of them fit each other.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::workflow::graph::INPUTS_ID;

use super::loaded::{Level, Loaded, LoadedNode, NodeKind, OutputKind, Socket};
use super::widgets::SlotKind;

/// What fits everything.
const ANYTHING: &str = "*";

/// Match types that depend on match types; beyond this the type is taken for anything.
const DEPTH_MAX: usize = 50;

/// Members of a type that is a list. The longest official type has fourteen.
const MEMBERS_MAX: usize = 64;

/// Answers what type a socket has. Types that follow connections are remembered.
pub struct Types<'l, 'd> {
    loaded: &'l Loaded<'d>,
    outputs: HashMap<(usize, Socket), String>,
}

impl<'l, 'd> Types<'l, 'd> {
    pub fn new(loaded: &'l Loaded<'d>) -> Self {
        Self {
            loaded,
            outputs: HashMap::new(),
        }
    }

    /// The type of an input.
    pub fn input(&mut self, level: usize, socket: Socket) -> Cow<'l, str> {
        self.input_within(level, socket, DEPTH_MAX)
    }

    /// The type of an output, which the node has.
    pub fn output(&mut self, level: usize, node: usize, slot: usize) -> Option<Cow<'l, str>> {
        let has_output = self.loaded.node(level, node).outputs.len() > slot;
        has_output.then(|| self.output_within(level, Socket { node, slot }, DEPTH_MAX))
    }

    fn input_within(&mut self, level: usize, at: Socket, depth: usize) -> Cow<'l, str> {
        let loaded = self.loaded;
        let node = loaded.node(level, at.node);
        match node.slots.get(at.slot).map(|slot| &slot.kind) {
            Some(SlotKind::Plain(name)) => Cow::Borrowed(name),
            Some(SlotKind::Match(template)) => {
                let others = template_slots(node, &template.id).filter(|slot| *slot != at.slot);
                let others: Vec<usize> = others.collect();
                Cow::Owned(self.common(level, at.node, &others, &template.allowed_types, depth))
            }
            None => Cow::Borrowed(ANYTHING),
        }
    }

    fn output_within(&mut self, level: usize, at: Socket, depth: usize) -> Cow<'l, str> {
        let loaded = self.loaded;
        let node = loaded.node(level, at.node);
        let template = match node.outputs.get(at.slot) {
            Some(OutputKind::Plain(name)) => return Cow::Borrowed(name),
            Some(OutputKind::Match(template)) => *template,
            None => return Cow::Borrowed(ANYTHING),
        };
        if let Some(known) = self.outputs.get(&(level, at)) {
            return Cow::Owned(known.clone());
        }
        // Asked again on the way, it is anything: so circles end.
        self.outputs.insert((level, at), ANYTHING.to_owned());
        let slots: Vec<usize> = template_slots(node, template).collect();
        let allowed = slots
            .first()
            .and_then(|&slot| match &node.slots[slot].kind {
                SlotKind::Match(template) => Some(template.allowed_types.as_str()),
                SlotKind::Plain(_) => None,
            });
        let common = self.common(level, at.node, &slots, allowed.unwrap_or(ANYTHING), depth);
        self.outputs.insert((level, at), common.clone());
        Cow::Owned(common)
    }

    /// What is common to everything connected to `slots`, and allowed.
    fn common(
        &mut self,
        level: usize,
        node: usize,
        slots: &[usize],
        allowed: &str,
        depth: usize,
    ) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return allowed.to_owned();
        };
        let mut common = allowed.to_owned();
        for &slot in slots {
            if let Some(connected) = self.connected(level, Socket { node, slot }, depth) {
                if let Some(shared) = intersection(&common, &connected) {
                    common = shared;
                }
            }
        }
        common
    }

    /// The type of what is connected to an input; reroutes pass it on.
    fn connected(&mut self, level: usize, mut at: Socket, depth: usize) -> Option<Cow<'l, str>> {
        let loaded = self.loaded;
        let nodes: &Level = &loaded.levels[level];
        // A chain of reroutes has no more links than the level; a circle of them ends here too.
        for _ in 0..=nodes.nodes.len() {
            let link = nodes.nodes[at.node].slots.get(at.slot)?.link.as_ref()?;
            let link = nodes.links.get(link)?;
            let slot = link.origin_place()?;
            if link.origin.as_str() == INPUTS_ID {
                return Some(Cow::Borrowed(nodes.inputs.get(slot)?.type_name.as_str()));
            }
            let node = *nodes.places.get(&link.origin)?;
            if !matches!(nodes.nodes[node].kind, NodeKind::Reroute) {
                return Some(self.output_within(level, Socket { node, slot }, depth));
            }
            at = Socket { node, slot: 0 };
        }
        None
    }
}

fn template_slots<'l>(node: &'l LoadedNode, id: &'l str) -> impl Iterator<Item = usize> + 'l {
    let slots = node.slots.iter().enumerate();
    slots.filter_map(move |(place, slot)| match &slot.kind {
        SlotKind::Match(template) if template.id == id => Some(place),
        _ => None,
    })
}

/// The members that two comma lists share; `None` when they share none.
fn intersection(a: &str, b: &str) -> Option<String> {
    if is_anything(a) {
        return Some(b.to_owned());
    }
    if is_anything(b) {
        return Some(a.to_owned());
    }
    let shared: Vec<&str> = members(a)
        .filter(|one| members(b).any(|two| one == &two))
        .collect();
    (!shared.is_empty()).then(|| shared.join(","))
}

fn members(name: &str) -> impl Iterator<Item = &str> {
    name.split(',').take(MEMBERS_MAX)
}

pub fn is_anything(name: &str) -> bool {
    matches!(name, "" | ANYTHING)
}

/// Whether two types fit: either is anything, or any members of their lists are equal, ignoring
/// case.
pub fn fit(a: &str, b: &str) -> bool {
    if is_anything(a) || is_anything(b) || a == "0" || b == "0" {
        return true;
    }
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    a == b || members(&a).any(|one| members(&b).any(|two| fit_single(one, two)))
}

fn fit_single(a: &str, b: &str) -> bool {
    is_anything(a) || is_anything(b) || a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fit_by_any_member_whatever_the_case() {
        for (a, b, expected) in [
            ("IMAGE", "image", true),
            ("IMAGE,MASK", "MASK", true),
            ("*", "MODEL", true),
            ("", "MODEL", true),
            ("IMAGE", "MASK", false),
        ] {
            assert_eq!(fit(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn what_two_lists_share_is_their_common_type() {
        assert_eq!(intersection("IMAGE,MASK", "MASK").as_deref(), Some("MASK"));
        assert_eq!(intersection("*", "MASK").as_deref(), Some("MASK"));
        assert_eq!(intersection("IMAGE", "MASK"), None);
    }
}
