//! What a template promises: its inputs, where each goes in the prompt, what comes out.
//!
//! A contract is data (`templates/<name>/contract.json`, documented in `docs/CONTRACT.md`). It is
//! read strictly: an unknown field is an error, because a misspelt limit is a limit that is not
//! there. [`lint`] finds everything that is wrong with one before it is published; `check` applies
//! it to every job. Deliberately absent: expressions. A contract can look up, scale and switch;
//! whatever needs more is a template of its own.

mod card;
mod input;
pub mod lint;
mod read;
mod rule;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::TemplateName;
use crate::parse;

pub use card::{Card, CardInput, CardOutput, CardText};
pub use input::{
    Choice, Decimal, File, Flag, Input, Kind, Options, SeedSpec, Text, Whole,
    TEXT_LENGTH_MAX_DEFAULT,
};
pub use rule::{Composition, Condition, Derived, FromInput, Linear, Literal, Part, Rule};

/// The largest contract we read. The largest of our own is a tenth of it.
pub const CONTRACT_SIZE_BYTES_MAX: usize = 256 * 1024;

/// The version of the contract language that this code reads.
pub const LANGUAGE_VERSION: u32 = 1;

/// Ten minutes: a job that takes longer than its limit ends with a clear error (mission G4).
pub const EXECUTION_LIMIT_MS_DEFAULT: u64 = 600_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Where an editor finds the JSON Schema of this file; we do not read it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the contract language: 1.
    pub contract: u32,
    pub name: TemplateName,
    /// `major.minor.patch`: major when a valid request may become invalid, minor when something is
    /// added, patch when only the prompt changes.
    pub version: String,
    pub title: Label,
    pub description: Label,
    /// Whether a browser's session token may use it.
    pub public: bool,
    pub protocol: Protocol,
    /// In the order in which a form shows them.
    pub inputs: Vec<Input>,
    /// Of each group, at least one must be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require_any: Vec<Vec<String>>,
    /// Other names that callers use, each for one input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Derived>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compose: Vec<Composition>,
    /// Applied in order, after everything is bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    pub outputs: Vec<Output>,
    pub requires: Requires,
    pub limits: Limits,
    /// Inputs that come back to the caller, under their own name, in every callback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub echo: Vec<String>,
}

impl Contract {
    /// Reads a contract's text; `lint` then says whether what it says makes sense.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        if text.len() > CONTRACT_SIZE_BYTES_MAX {
            return Err(ContractError::TooLarge(text.len()));
        }
        let contract: Self = parse::json(text)?;
        if contract.contract != LANGUAGE_VERSION {
            return Err(ContractError::Language(contract.contract));
        }
        Ok(contract)
    }

    pub fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// The input that a caller means: the one of that name, else what it is an alias of.
    pub fn resolve(&self, name: &str) -> Option<&Input> {
        self.input(name)
            .or_else(|| self.input(self.aliases.get(name)?))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("the contract has {0} bytes, more than {CONTRACT_SIZE_BYTES_MAX}")]
    TooLarge(usize),
    #[error("the contract cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the contract is written in language version {0}, this reads {LANGUAGE_VERSION}")]
    Language(u32),
}

/// A text for people, in the languages of our users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub en: String,
    pub th: String,
}

/// What a file is, going in or coming out.
pub use crate::media::Kind as MediaKind;

/// What the worker behind the endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// `{workflow, images[{name, image}]}`: the template is an API-format prompt.
    Comfyui,
    /// `{task, payload}`: the template is that object.
    Task,
}

impl Protocol {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comfyui => "comfyui",
            Self::Task => "task",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The id of the node that saves it; absent when the protocol is `task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub kind: MediaKind,
    pub label: Label,
}

/// What the worker must have, for the operator and for the image that is built for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requires {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The folder under ComfyUI's `models/`.
    pub folder: String,
    pub file: String,
}

/// For scheduling, deadlines and prices; hints except `execution_limit_ms` and `credits`, which are
/// enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long a warm worker usually takes.
    pub usual_duration_ms: u64,
    #[serde(default = "execution_limit_ms_default")]
    pub execution_limit_ms: u64,
    /// The least memory of a GPU that holds the models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vram_gb_min: Option<u32>,
    /// What one job usually costs us, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_cost_microusd: Option<u64>,
    /// What one job costs its caller in credits, where they are asked for; 1 if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<u32>,
}

const fn execution_limit_ms_default() -> u64 {
    EXECUTION_LIMIT_MS_DEFAULT
}
