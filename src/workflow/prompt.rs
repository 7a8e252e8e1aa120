//! A prompt in ComfyUI's API format: node id → class and inputs, as the caller wrote it.
//!
//! Reading is tolerant: what a node holds is judged by `validate`, with ComfyUI's own errors. Only
//! what is no prompt at all, or larger than anything real, is refused here.

use std::borrow::Cow;
use std::collections::HashMap;

use super::python::{Dict, Reader, Unreadable, Value};

/// Most nodes of a prompt. The largest official template has about 300; with this limit the worst
/// prompt is still judged in bounded time.
pub const NODES_MAX: usize = 10_000;

/// Longest node id. The editor writes `12:3:4`, a number for each level of subgraphs.
pub const NODE_ID_SIZE_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the prompt is not an object of nodes but of the type {0}")]
    NotAnObject(&'static str),
    #[error(
        "this is a graph as the editor saves it, not a prompt; convert it or use Export (API)"
    )]
    EditorGraph,
    #[error("the prompt has more than {NODES_MAX} nodes")]
    TooManyNodes,
    #[error("a node id is longer than {NODE_ID_SIZE_BYTES_MAX} bytes")]
    NodeIdTooLong,
}

/// Nodes in document order.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    elements: Vec<Element<'a>>,
    places: HashMap<Cow<'a, str>, usize>,
}

/// One member of a prompt.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    pub id: Cow<'a, str>,
    /// The node, or Python's name for the type of what stands in its place.
    pub node: Result<Node<'a>, &'static str>,
}

/// A node's fields as they are, present or not.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub class_type: Option<Value<'a>>,
    pub inputs: Option<Value<'a>>,
    pub meta: Option<Value<'a>>,
}

/// Whether this is what the editor saves, with the lists `nodes` and `links`, and not a prompt.
pub fn is_editor_graph(json: &serde_json::Value) -> bool {
    ["nodes", "links"]
        .iter()
        .all(|key| json.get(key).is_some_and(serde_json::Value::is_array))
}

impl<'a> Prompt<'a> {
    /// Reads a prompt from its JSON text.
    pub fn read(json: &'a [u8]) -> Result<Self, PromptError> {
        Self::from_value(Reader::new(json)?.document()?)
    }

    /// Takes a prompt that was read as JSON already. Whole numbers beyond 64 bits and the order of
    /// the nodes are as exact as that reader was.
    pub fn from_json(json: &'a serde_json::Value) -> Result<Self, PromptError> {
        Self::from_value(Value::from_json(json)?)
    }

    pub fn from_value(value: Value<'a>) -> Result<Self, PromptError> {
        let nodes = match value {
            Value::Dict(nodes) => nodes,
            other => return Err(PromptError::NotAnObject(other.type_name())),
        };
        if holds_lists(&nodes) {
            return Err(PromptError::EditorGraph);
        }
        if nodes.len() > NODES_MAX {
            return Err(PromptError::TooManyNodes);
        }
        if nodes
            .iter()
            .any(|(id, _)| id.len() > NODE_ID_SIZE_BYTES_MAX)
        {
            return Err(PromptError::NodeIdTooLong);
        }
        let elements: Vec<_> = nodes.into_entries().into_iter().map(read_element).collect();
        let places = elements
            .iter()
            .enumerate()
            .map(|(at, element)| (element.id.clone(), at));
        Ok(Self {
            places: places.collect(),
            elements,
        })
    }

    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    /// Where the node with this id stands in document order.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }
}

fn holds_lists(value: &Dict<'_>) -> bool {
    ["nodes", "links"]
        .iter()
        .all(|key| value.get(key).is_some_and(|v| v.as_list().is_some()))
}

fn read_element<'a>((id, value): (Cow<'a, str>, Value<'a>)) -> Element<'a> {
    let node = match value {
        Value::Dict(mut fields) => Ok(Node {
            class_type: fields.take("class_type"),
            inputs: fields.take("inputs"),
            meta: fields.take("_meta"),
        }),
        other => Err(other.type_name()),
    };
    Element { id, node }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<usize, PromptError>) {
        let read = Prompt::read(json.as_bytes()).map(|prompt| prompt.elements().len());
        assert_eq!(read, expected, "{json}");
    }

    #[test]
    fn a_prompt_is_an_object_of_nodes() {
        check(r#"{"1": {"class_type": "A", "inputs": {}}, "x": 5}"#, Ok(2));
        check("{}", Ok(0));
        check("[]", Err(PromptError::NotAnObject("list")));
        check("null", Err(PromptError::NotAnObject("NoneType")));
        check(
            "{",
            Err(PromptError::Unreadable(Unreadable::NotJson { at_bytes: 1 })),
        );
    }

    #[test]
    fn an_editor_graph_is_recognised() {
        let graph = r#"{"nodes": [], "links": [], "version": 0.4}"#;
        check(graph, Err(PromptError::EditorGraph));
        assert!(is_editor_graph(&serde_json::from_str(graph).unwrap()));
        let prompt = r#"{"nodes": {"class_type": "A", "inputs": {}}, "links": []}"#;
        check(prompt, Ok(2));
        assert!(!is_editor_graph(&serde_json::from_str(prompt).unwrap()));
        assert!(!is_editor_graph(&serde_json::Value::Null));
    }

    #[test]
    fn a_prompt_has_limits() {
        let many: Vec<_> = (0..=NODES_MAX).map(|id| format!("\"{id}\":{{}}")).collect();
        check(
            &format!("{{{}}}", many.join(",")),
            Err(PromptError::TooManyNodes),
        );
        let id = "1".repeat(NODE_ID_SIZE_BYTES_MAX + 1);
        check(
            &format!("{{\"{id}\":{{}}}}"),
            Err(PromptError::NodeIdTooLong),
        );
    }
}
