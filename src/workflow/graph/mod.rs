//! What ComfyUI's editor saves: nodes, links, subgraph definitions and group nodes.
//!
//! Versions 0.4 (links are lists) and 1 (links are objects) are read alike. Reading is tolerant:
//! what is missing or of another kind counts as absent, because the editor opens such files too.
//! Only a text that is no JSON, a value that is no graph, and a graph beyond the limits are
//! refused.

use std::fmt;

use serde_json::Value;

use super::json::{self, Json, Shared};

mod read;

/// The largest graph that is read: seventeen times the largest official template (467 KB), and as
/// much as an isolate can hold several times over while converting.
pub const GRAPH_BYTES_MAX: usize = 8 << 20;

/// Nodes in all, definitions included: the largest official template has fewer than 500.
pub const NODES_MAX: usize = 20_000;

/// The id that stands for the inputs of a definition in its links.
pub const INPUTS_ID: &str = "-10";

/// The id that stands for the outputs of a definition in its links.
pub const OUTPUTS_ID: &str = "-20";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("the graph is not JSON: {0}")]
    InvalidJson(String),
    #[error("the graph is not what the editor saves: {0}")]
    NotAGraph(&'static str),
    #[error("the graph has more than {limit} {what}")]
    TooLarge { what: &'static str, limit: usize },
}

impl GraphError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson(_) => "invalid_json",
            Self::NotAGraph(_) => "not_a_graph",
            Self::TooLarge { .. } => "graph_too_large",
        }
    }
}

/// The name of a node, link or definition: a number or a text in the file, always a text here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

impl Id {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the whole number that the editor counts with.
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Active,
    Muted,
    Bypassed,
}

#[derive(Clone, Debug)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    pub subgraphs: Vec<Subgraph>,
    pub group_nodes: Vec<(String, GroupNode)>,
    pub last_node_id: u64,
}

#[derive(Clone, Debug)]
pub struct Node {
    /// Absent when the file has none, or -1: the editor then gives the next free number.
    pub id: Option<Id>,
    pub type_name: String,
    pub mode: Mode,
    pub title: Option<String>,
    pub inputs: Vec<Input>,
    /// The type of each output.
    pub outputs: Vec<String>,
    /// The links from the first output, in the order in which they were made.
    pub first_links: Vec<Id>,
    pub widgets_values: WidgetsValues,
    /// The property by which `%Node.widget%` finds the node.
    pub search_name: Option<String>,
    /// Whether a primitive replaces `%Node.widget%` in its own text.
    pub replaces_names: bool,
    pub proxy_widgets: Vec<ProxyWidget>,
}

#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    pub type_name: String,
    pub label: Option<String>,
    pub link: Option<Id>,
    /// The widget that the socket belongs to.
    pub widget: Option<String>,
}

#[derive(Clone, Debug)]
pub enum WidgetsValues {
    Absent,
    List(Vec<Shared>),
    /// By name instead of by place, as some extensions save them.
    Named(Shared),
}

/// An entry of the legacy `proxyWidgets`: which inner widget an instance shows.
#[derive(Clone, Debug)]
pub struct ProxyWidget {
    pub node: Id,
    pub widget: String,
    /// Where it is not the saved value at the entry's place.
    pub value: Option<Shared>,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub id: Id,
    pub origin: Id,
    /// As it is sent; only what is not below zero is a place.
    pub origin_slot: Option<i64>,
    pub target: Id,
    pub target_slot: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Subgraph {
    pub id: Id,
    pub name: String,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// An input or output of a definition, with the links behind it in order.
#[derive(Clone, Debug)]
pub struct Port {
    pub name: String,
    pub type_name: String,
    pub links: Vec<Id>,
}

/// What `extra.groupNodes` says of one group: the forerunner of subgraphs.
#[derive(Clone, Debug)]
pub struct GroupNode {
    pub nodes: Vec<Node>,
    pub links: Vec<GroupLink>,
    /// Node and slot of every output that had a link to the outside.
    pub external: Vec<(usize, usize)>,
}

/// Places are positions in [`GroupNode::nodes`].
#[derive(Clone, Copy, Debug)]
pub struct GroupLink {
    pub origin: usize,
    pub origin_slot: usize,
    pub target: usize,
    pub target_slot: usize,
}

impl Link {
    /// The place of its origin among the outputs, or among a definition's inputs.
    pub fn origin_place(&self) -> Option<usize> {
        usize::try_from(self.origin_slot?).ok()
    }
}

impl Graph {
    pub fn parse(text: &[u8]) -> Result<Self, GraphError> {
        if text.len() > GRAPH_BYTES_MAX {
            return Err(GraphError::TooLarge {
                what: "bytes",
                limit: GRAPH_BYTES_MAX,
            });
        }
        let value = json::parse(text).map_err(|e| GraphError::InvalidJson(e.to_string()))?;
        Self::read(&value)
    }

    /// For a graph that is parsed already. Its keys are sorted, which only shows in texts made of
    /// objects.
    pub fn from_value(value: &Value) -> Result<Self, GraphError> {
        let value =
            Json::from_value(value).ok_or(GraphError::NotAGraph("it is nested too deeply"))?;
        Self::read(&value)
    }
}
