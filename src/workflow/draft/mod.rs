//! A first contract, guessed from a prompt: what a caller would want to change, and what comes out.
//!
//! Pure and deterministic: the same prompt and schema give the same draft. What always holds: a
//! draft of a sound prompt has no flaw by `lint`, so an author starts from something that works and
//! takes away. Deliberately absent: rules and composed texts, which nobody can guess. Without a
//! schema (an empty one) ranges are only ours.

mod files;
mod inventory;
mod labels;
mod nodes;
mod numbers;
mod sizes;
mod sketch;
mod texts;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub use inventory::{cut, Cut};

use super::contract::{
    Contract, Limits, MediaKind, Output, Protocol, Requires, EXECUTION_LIMIT_MS_DEFAULT,
    LANGUAGE_VERSION,
};
use super::prompt::NODES_MAX;
use super::schema::Schema;
use crate::id::TemplateName;
use nodes::Nodes;
use sketch::Sketch;

/// How long a warm worker usually takes, knowing nothing but what comes out.
const PICTURE_MS: u64 = 20_000;
const VIDEO_MS: u64 = 120_000;

#[derive(Clone, Debug)]
pub struct Draft {
    pub contract: Contract,
    /// The prompt, with every file name prefix as a text.
    pub template: Map<String, Value>,
    /// What was guessed and may be wrong, in sentences for the author.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    #[error("there is no node in it that has a class_type and inputs")]
    NoNodes,
    #[error("it has more than {NODES_MAX} nodes")]
    TooManyNodes,
    #[error(
        "it saves nothing: no node has a filename_prefix. Add a node such as SaveImage or \
         SaveVideo; what a preview shows is not kept"
    )]
    NoOutputs,
}

/// Guesses the contract of a template of this name.
pub fn draft(
    name: &TemplateName,
    prompt: &Map<String, Value>,
    schema: &Schema,
) -> Result<Draft, DraftError> {
    if prompt.len() > NODES_MAX {
        return Err(DraftError::TooManyNodes);
    }
    let mut sketch = Sketch::default();
    let template = with_plain_prefixes(name, prompt, &mut sketch);
    let nodes = Nodes::of(&template, schema);
    if nodes.iter().next().is_none() {
        return Err(DraftError::NoNodes);
    }
    let outputs = files::outputs(&nodes);
    if outputs.is_empty() {
        return Err(DraftError::NoOutputs);
    }
    // In the order of a form: what a person gives first stands first.
    files::find(&nodes, &mut sketch);
    texts::find(&nodes, &mut sketch);
    sizes::find(&nodes, &mut sketch);
    numbers::find(&nodes, &mut sketch);
    let requires = requires(&nodes, &mut sketch);
    sketch.finish();
    Ok(Draft {
        notes: std::mem::take(&mut sketch.notes),
        contract: contract(name, sketch, outputs, requires),
        template: template.clone(),
    })
}

fn contract(
    name: &TemplateName,
    sketch: Sketch,
    outputs: Vec<Output>,
    requires: Requires,
) -> Contract {
    let title = title(name);
    let is_video = outputs.iter().any(|output| output.kind == MediaKind::Video);
    Contract {
        schema: None,
        contract: LANGUAGE_VERSION,
        name: name.clone(),
        version: "0.1.0".to_owned(),
        title: labels::same(&title),
        description: labels::same(&title),
        public: false,
        protocol: Protocol::Comfyui,
        inputs: sketch.inputs,
        require_any: Vec::new(),
        aliases: std::collections::BTreeMap::new(),
        derived: sketch.derived,
        compose: Vec::new(),
        rules: Vec::new(),
        outputs,
        requires,
        limits: Limits {
            usual_duration_ms: if is_video { VIDEO_MS } else { PICTURE_MS },
            execution_limit_ms: EXECUTION_LIMIT_MS_DEFAULT,
            vram_gb_min: None,
            usual_cost_microusd: None,
            credits: None,
        },
        echo: Vec::new(),
    }
}

/// A computed prefix could not be made ours, and what is saved under it would be lost.
fn with_plain_prefixes(
    name: &TemplateName,
    prompt: &Map<String, Value>,
    sketch: &mut Sketch,
) -> Map<String, Value> {
    let mut template = prompt.clone();
    for (id, node) in &mut template {
        let prefix = node.pointer_mut("/inputs/filename_prefix");
        if let Some(prefix) = prefix.filter(|prefix| !prefix.is_string()) {
            *prefix = name.as_str().into();
            sketch.note(format!(
                "the filename_prefix of node {id} is now a plain text"
            ));
        }
    }
    template
}

fn requires(nodes: &Nodes, sketch: &mut Sketch) -> Requires {
    let classes: BTreeSet<&str> = nodes.iter().map(|node| node.class).collect();
    Requires {
        node_classes: classes.into_iter().map(str::to_owned).collect(),
        models: files::models(nodes, sketch),
    }
}

/// `street-portrait` is called `Street portrait`.
fn title(name: &TemplateName) -> String {
    let words = name.as_str().replace('-', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
