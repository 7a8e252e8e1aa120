//! What ComfyUI would answer, ready to be sent.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::violation::{pointer_step, Violation, VIOLATIONS_MAX};
use super::problem::{Kind, Problem};

/// Serialises to exactly the body of ComfyUI's response.
///
/// Accepted does not mean faultless: ComfyUI runs the outputs that are sound and reports the others
/// in `node_errors`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Why everything was refused.
    pub error: Option<Problem>,
    pub node_errors: Vec<NodeErrors>,
    /// As given by the caller; the server would mint one otherwise.
    pub prompt_id: Option<String>,
    /// As given by the caller; the server would count otherwise.
    pub number: Option<f64>,
}

/// The errors of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeErrors {
    #[serde(skip)]
    pub node_id: String,
    pub errors: Vec<Problem>,
    /// The outputs that cannot run because of this node, as far as they were counted.
    pub dependent_outputs: Vec<String>,
    pub class_type: String,
}

impl Outcome {
    pub(super) fn refused(error: Problem) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// Whether ComfyUI would queue the prompt, perhaps without some of its outputs.
    pub fn is_accepted(&self) -> bool {
        self.error.is_none()
    }

    /// Whether there is nothing to complain about at all.
    pub fn is_faultless(&self) -> bool {
        self.is_accepted() && self.node_errors.is_empty()
    }

    /// Whether a node names a class that is not there, or none; then nothing else was looked at.
    pub fn is_missing_class(&self) -> bool {
        let kind = self.error.as_ref().map(|error| error.kind);
        kind == Some(Kind::MissingNodeType)
    }

    /// ComfyUI's `node_errors`: what is wrong with each node, by its id.
    pub fn by_node(&self) -> impl Serialize + '_ {
        ById(&self.node_errors)
    }

    /// Whether ComfyUI would have broken down instead of answering.
    pub fn is_breakdown(&self) -> bool {
        self.error
            .as_ref()
            .is_some_and(|error| error.kind == Kind::UnreadablePrompt)
    }
}

impl Outcome {
    /// Every fault with its place below `root`, a JSON pointer to the prompt.
    pub fn violations(&self, root: &str) -> Vec<Violation> {
        let of_node = |node: &NodeErrors| {
            let node_path = format!("{root}/{}", pointer_step(&node.node_id));
            let fault = |problem: &Problem| {
                let path = match problem.input_name() {
                    Some(input) => format!("{node_path}/inputs/{}", pointer_step(input)),
                    None => node_path.clone(),
                };
                violation(path, problem)
            };
            node.errors.iter().map(fault).collect::<Vec<_>>()
        };
        let mut found: Vec<Violation> = self.node_errors.iter().flat_map(of_node).collect();
        // With node errors the outer error only says that there are some.
        let outer = self.error.as_ref().filter(|_| found.is_empty());
        found.extend(outer.map(|problem| violation(root.to_owned(), problem)));
        found.truncate(VIOLATIONS_MAX);
        found
    }
}

fn violation(path: String, problem: &Problem) -> Violation {
    let message = if problem.details.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.message, problem.details)
    };
    Violation::new(path, problem.kind.as_str(), message)
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        } else {
            map.serialize_entry("prompt_id", &self.prompt_id)?;
            map.serialize_entry("number", &self.number)?;
        }
        map.serialize_entry("node_errors", &ById(&self.node_errors))?;
        map.end()
    }
}

struct ById<'a>(&'a [NodeErrors]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|node| (&node.node_id, node)))
    }
}
