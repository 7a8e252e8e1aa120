//! A template and checked inputs make a prompt: the same ones the same bytes, on every platform.
//!
//! In order: inputs, derived values and composed texts go to their places; rules switch branches;
//! the outputs that remain get file name prefixes of ours (see [`outputs`]). Nothing here can
//! fail: `lint` proves that every place exists, `check` that every value fits.

mod changes;
mod outputs;

use serde::Serialize;
use serde_json::{Map, Value};

use super::check::Checked;
use super::contract::{Contract, MediaKind, Protocol};
use super::template::Template;
use crate::media;

pub use changes::{Changes, MemberTexts};
pub use outputs::{
    mark_outputs, node_of, rename_outputs, restore_outputs, shown_name, ExpectedOutput,
};

/// What is sent to the provider and stored with the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compiled {
    /// Compact JSON, keys in order: an API-format prompt, or a `{task, payload}` object.
    pub prompt: String,
    /// blake3 of `prompt`, in hexadecimal.
    pub hash: String,
    pub protocol: Protocol,
    /// The uploads that travel with it.
    pub files: Vec<CompiledFile>,
    /// What must come back.
    pub outputs: Vec<ExpectedOutput>,
}

/// An upload that the prompt refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompiledFile {
    pub input: String,
    /// The caller's reference, as recorded in the inputs.
    pub reference: String,
    /// What the prompt calls it: the `name` in `images[{name, image}]`.
    pub name: String,
    pub kind: MediaKind,
    pub content_type: String,
    pub size_bytes: u64,
    /// Where `name` stands in the prompt. Under the `task` protocol whoever submits puts a URL
    /// there, because such a worker fetches its files.
    pub places: Vec<String>,
}

pub fn compile(template: &Template, checked: &Checked) -> Compiled {
    let contract = &template.contract;
    let mut changes = Changes::of(&template.prompt);
    let files = bind(contract, checked, &mut changes);
    switch(contract, &checked.inputs, &mut changes);
    let outputs = match contract.protocol {
        Protocol::Comfyui => outputs::prefix_outputs(&contract.outputs, &mut changes),
        Protocol::Task => {
            drop_nulls(&mut changes);
            outputs::unnamed_outputs(&contract.outputs)
        }
    };
    let prompt = changes.text(template.texts());
    Compiled {
        hash: blake3::hash(prompt.as_bytes()).to_hex().to_string(),
        protocol: contract.protocol,
        files: files
            .into_iter()
            .filter(|file| !file.places.is_empty())
            .collect(),
        outputs,
        prompt,
    }
}

/// Applies the rules whose conditions hold; `lint` tries out every combination.
pub fn switch(contract: &Contract, inputs: &Map<String, Value>, changes: &mut Changes) {
    for rule in &contract.rules {
        if rule.when.holds(inputs.get(rule.when.input())) {
            changes.apply(rule);
        }
    }
}

/// Puts every value in its places and says which uploads are among them.
fn bind(contract: &Contract, checked: &Checked, changes: &mut Changes) -> Vec<CompiledFile> {
    let mut files = Vec::new();
    for input in &contract.inputs {
        let Some(value) = checked.inputs.get(&input.name) else {
            continue;
        };
        let Some(fact) = checked.files.get(&input.name) else {
            changes.put_all(&input.to, value);
            continue;
        };
        let reference = value.as_str().unwrap_or_default();
        let name = file_name(&input.name, reference, &fact.content_type);
        changes.put_all(&input.to, &name.clone().into());
        files.push(CompiledFile {
            input: input.name.clone(),
            reference: reference.to_owned(),
            name,
            kind: fact.kind,
            content_type: fact.content_type.clone(),
            size_bytes: fact.size_bytes,
            places: input.to.clone(),
        });
    }
    for derived in &contract.derived {
        if let Some(value) = checked.derived.get(&derived.name) {
            changes.put_all(&derived.to, value);
        }
    }
    for composition in &contract.compose {
        if let Some(text) = checked.composed.get(&composition.name) {
            changes.put_all(&composition.to, &text.as_str().into());
        }
    }
    files
}

/// Takes the fields out of a task's payload that no input filled: its worker knows the defaults.
fn drop_nulls(changes: &mut Changes) {
    if let Some(Value::Object(payload)) = changes.member("payload") {
        payload.retain(|_, value| !value.is_null());
    }
}

/// Unique in the job by the input's name, and among jobs by the reference: on a shared ComfyUI
/// server a second job's upload must not replace a file that a waiting job still needs.
fn file_name(input: &str, reference: &str, content_type: &str) -> String {
    let hash = blake3::hash(reference.as_bytes()).to_hex();
    format!("{input}-{}.{}", &hash[..16], media::extension(content_type))
}
