//! The editor's graph as the prompt that ComfyUI runs, exactly as ComfyUI's own frontend makes it.
//!
//! Loading comes first: ids are made unique (`ids`), group nodes unpacked (`groups`), every node
//! gets the sockets and widgets of its class (`load`, `widgets`), old subgraphs are migrated
//! (`migrate`), primitives write their values (`primitive`). Then every active node is sent
//! (`emit`), its links followed through whatever is not (`resolve`).
//!
//! What always holds: the same graph, definitions and options give the same prompt; nothing here
//! reads a clock, rolls dice or does I/O; the work is bounded (`budget`), whatever the file says.
//! Where the frontend would throw, there is an error. Absent on purpose: any check of the values.
//! That is `validate`'s part.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use serde_json::{Map, Value};

use crate::time::UnixMillis;

use super::graph::{Graph, Mode, Node};

mod browser;
mod budget;
mod dates;
mod deal;
mod definitions;
mod emit;
mod error;
mod groups;
mod ids;
mod inputs;
mod load;
mod loaded;
mod migrate;
mod names;
mod nesting;
mod primitive;
mod range;
mod resolve;
mod sockets;
mod special;
mod text;
mod widgets;

#[cfg(test)]
mod tests;

pub use browser::is_browser_only;
pub use definitions::{Definitions, OBJECT_INFO_BYTES_MAX};
pub use error::ConvertError;

/// What the frontend takes from its surroundings.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    /// Which alternative of `{a|b}` is taken, given how many there are.
    pub choose: &'o (dyn Fn(usize) -> usize + Sync),
    /// The moment for `%date:…%`; without it such names stay as they are.
    pub now: Option<UnixMillis>,
    /// How many conversions the memory of this machine must be enough for: each may take so much
    /// less.
    pub share: NonZeroUsize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            choose: &|_| 0,
            now: None,
            share: NonZeroUsize::MIN,
        }
    }
}

/// The classes whose definitions conversion may need: the types of all nodes, wherever they are.
pub fn classes(graph: &Graph) -> BTreeSet<String> {
    let nodes = nodes(graph);
    nodes.map(|node| node.type_name.clone()).collect()
}

/// The types of the active nodes that are no classes, no subgraphs and none of the editor's own.
pub fn unknown_classes(graph: &Graph, is_class: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let subgraphs = graph.subgraphs.iter();
    let subgraphs: BTreeSet<&str> = subgraphs.map(|subgraph| subgraph.id.as_str()).collect();
    let is_group = |name: &str| {
        let mut groups = graph.group_nodes.iter();
        let own = ["workflow>", "workflow/"];
        let bare = own.iter().find_map(|prefix| name.strip_prefix(prefix));
        bare.is_some_and(|bare| groups.any(|(group, _)| group == bare))
    };
    let is_known = |name: &str| {
        is_class(name)
            || subgraphs.contains(name)
            || load::EDITORS_OWN.contains(&name)
            || is_group(name)
    };
    let active = nodes(graph).filter(|node| node.mode == Mode::Active);
    let names = active.map(|node| &node.type_name);
    names.filter(|name| !is_known(name)).cloned().collect()
}

fn nodes(graph: &Graph) -> impl Iterator<Item = &Node> {
    let inner = graph.subgraphs.iter().flat_map(|subgraph| &subgraph.nodes);
    let grouped = graph.group_nodes.iter().flat_map(|(_, group)| &group.nodes);
    graph.nodes.iter().chain(inner).chain(grouped)
}

/// The prompt: an object with one entry for every node that is sent.
pub fn convert(
    graph: &Graph,
    definitions: &Definitions,
    options: &Options,
) -> Result<Map<String, Value>, ConvertError> {
    let mut graph = graph.clone();
    let mut budget = budget::Budget::part(options.share);
    ids::renumber(&mut graph);
    groups::unpack(&mut graph, definitions, &mut budget)?;
    let mut loaded = load::load(&graph, definitions, &mut budget)?;
    migrate::migrate(&mut loaded, &mut budget)?;
    primitive::apply(&mut loaded, options, &mut budget)?;
    emit::emit(&loaded, options, &mut budget)
}
