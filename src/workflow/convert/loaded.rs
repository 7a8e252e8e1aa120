//! A graph as the editor holds it once loaded: every node with its sockets and widgets.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::workflow::graph::{Id, Link, Mode, Port, ProxyWidget};
use crate::workflow::json::Shared;

use super::definitions::Class;
use super::widgets::{Slot, Widget};

/// The root and every definition; the root is the last.
#[derive(Debug)]
pub struct Loaded<'d> {
    /// A level comes after every level that it has instances of.
    pub levels: Vec<Level<'d>>,
}

/// The root, or one definition, which all its instances share.
#[derive(Debug)]
pub struct Level<'d> {
    pub name: String,
    pub nodes: Vec<LoadedNode<'d>>,
    pub places: HashMap<Id, usize>,
    pub links: HashMap<Id, Link>,
    /// The socket that names each link.
    pub ends: HashMap<Id, Socket>,
    pub inputs: Vec<LevelInput>,
    pub outputs: Vec<Port>,
    /// The primitives that became inputs when an instance was migrated.
    pub migrated_primitives: HashMap<usize, usize>,
}

#[derive(Debug)]
pub struct LevelInput {
    pub name: String,
    pub type_name: String,
    /// The first widget that its links reach: where an instance's own value comes from.
    pub source: Option<Socket>,
}

/// An input of a node, both as places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    pub node: usize,
    pub slot: usize,
}

#[derive(Debug)]
pub struct LoadedNode<'d> {
    pub id: Id,
    pub mode: Mode,
    pub title: Option<String>,
    pub search_name: Option<String>,
    pub kind: NodeKind<'d>,
    pub slots: Vec<Slot<'d>>,
    pub outputs: Vec<OutputKind<'d>>,
    pub widgets: Vec<Widget<'d>>,
}

#[derive(Debug)]
pub enum NodeKind<'d> {
    Class(&'d Class),
    /// A class that nobody has.
    Unknown,
    Note,
    Reroute,
    Primitive {
        replaces_names: bool,
        /// Its links in the order in which they were made.
        links: Vec<Id>,
    },
    Instance(Instance),
}

#[derive(Debug)]
pub struct Instance {
    /// The place of its definition.
    pub level: usize,
    /// Values that differ from the inner widget's, by input. May be shorter than the inputs.
    pub own: Vec<Option<Shared>>,
    pub proxies: Vec<ProxyWidget>,
    /// The saved values as the proxies count them.
    pub saved: Vec<Shared>,
}

/// The value of an instance's input; as of a widget, `None` is `undefined`.
#[derive(Debug)]
pub struct Promoted(pub Option<Shared>);

#[derive(Debug)]
pub enum OutputKind<'d> {
    Plain(Cow<'d, str>),
    /// The common type of a template.
    Match(&'d str),
}

impl<'d> Loaded<'d> {
    /// The place of the root.
    pub fn root(&self) -> usize {
        self.levels.len() - 1
    }

    pub fn node(&self, level: usize, node: usize) -> &LoadedNode<'d> {
        &self.levels[level].nodes[node]
    }

    /// The widget, through nested instances, that gives input `k` of a definition its value.
    pub fn innermost(&self, mut level: usize, k: usize) -> Option<(usize, Socket)> {
        let mut source = self.levels[level].inputs.get(k)?.source?;
        while let NodeKind::Instance(instance) = &self.node(level, source.node).kind {
            level = instance.level;
            source = self.levels[level].inputs.get(source.slot)?.source?;
        }
        Some((level, source))
    }

    /// Whether input `k` of a definition's instances has a value of its own.
    pub fn has_value(&self, level: usize, k: usize) -> bool {
        self.levels[level]
            .inputs
            .get(k)
            .is_some_and(|input| input.source.is_some())
    }

    /// What input `k` of an instance holds.
    pub fn promoted(&self, instance: &Instance, k: usize) -> Option<Promoted> {
        let (mut instance, mut k) = (instance, k);
        loop {
            let source = self.levels[instance.level].inputs.get(k)?.source?;
            if let Some(Some(own)) = instance.own.get(k) {
                return Some(Promoted(Some(own.clone())));
            }
            let node = self.node(instance.level, source.node);
            match &node.kind {
                NodeKind::Instance(inner) => (instance, k) = (inner, source.slot),
                _ => return Some(Promoted(node.widget_of(source.slot)?.value.clone())),
            }
        }
    }
}

impl Instance {
    pub fn set(&mut self, k: usize, value: Shared) {
        if self.own.len() <= k {
            self.own.resize(k + 1, None);
        }
        self.own[k] = Some(value);
    }
}

impl<'d> LoadedNode<'d> {
    /// The widget behind a socket.
    pub fn widget_of(&self, slot: usize) -> Option<&Widget<'d>> {
        self.widgets.get(self.slots.get(slot)?.widget?)
    }

    pub fn instance(&self) -> Option<&Instance> {
        match &self.kind {
            NodeKind::Instance(instance) => Some(instance),
            _ => None,
        }
    }
}
