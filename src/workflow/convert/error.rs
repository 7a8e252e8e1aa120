//! Why a graph gives no prompt.

use crate::workflow::graph::GraphError;

/// Besides broken files and limits, exactly what makes the editor itself throw.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(
        "input {input:?} of node {node} names link {link}, which does not exist; \
         connect the input again in the editor"
    )]
    MissingLink {
        node: String,
        input: String,
        link: String,
    },
    #[error(
        "link {link} comes from node {origin}, which does not exist; \
         connect again in the editor what it led to"
    )]
    MissingNode { link: String, origin: String },
    #[error(
        "the links through input {input:?} of node {node} run in a circle; take one of them away"
    )]
    LinkCircle { node: String, input: String },
    #[error(
        "one way leads twice through node {node} of subgraph {subgraph:?}, by two instances of it, \
         and the editor cannot send that; make the node active, or turn one instance into a \
         subgraph of its own"
    )]
    PassedTwice { node: String, subgraph: String },
    #[error("bypassed node {node} has no output {slot}; mute it or make it active again")]
    MissingOutput { node: String, slot: String },
    #[error("bypassed node {node} has no input to pass on; mute it or make it active again")]
    MissingInput { node: String },
    #[error("subgraph {subgraph:?} has no input {slot}; put the subgraph in anew")]
    MissingSubgraphInput { subgraph: String, slot: String },
    #[error("subgraph {subgraph:?} has no output {slot}; put the subgraph in anew")]
    MissingSubgraphOutput { subgraph: String, slot: String },
    #[error(
        "an output of subgraph {subgraph:?} is wired straight to one of its inputs; \
         put a node between them"
    )]
    StraightThrough { subgraph: String },
    #[error("the filename_prefix of node {node} is not text; write one")]
    PrefixNotText { node: String },
    #[error(
        "primitive {node} replaces names in its value, which is not text; \
         switch \"Run widget replace on values\" off in its properties"
    )]
    PrimitiveNotText { node: String },
    #[error("subgraph {subgraph:?} ({id}) contains itself; take the inner one out")]
    RecursiveSubgraph { subgraph: String, id: String },
    #[error("the graph is too large for this service: it needs more than {limit} {what}")]
    TooLarge { what: &'static str, limit: usize },
}

impl ConvertError {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Graph(error) => error.code(),
            Self::MissingLink { .. } => "missing_link",
            Self::MissingNode { .. } => "missing_node",
            Self::LinkCircle { .. } => "link_circle",
            Self::PassedTwice { .. } => "passed_twice",
            Self::MissingOutput { .. } => "missing_output",
            Self::MissingInput { .. } => "missing_input",
            Self::MissingSubgraphInput { .. } => "missing_subgraph_input",
            Self::MissingSubgraphOutput { .. } => "missing_subgraph_output",
            Self::StraightThrough { .. } => "straight_through",
            Self::PrefixNotText { .. } => "prefix_not_text",
            Self::PrimitiveNotText { .. } => "primitive_not_text",
            Self::RecursiveSubgraph { .. } => "recursive_subgraph",
            Self::TooLarge { .. } => "graph_too_large",
        }
    }
}
