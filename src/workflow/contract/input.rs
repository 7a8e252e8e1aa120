//! The inputs of a template: what each may be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Label, MediaKind};

/// A prompt longer than this is almost always a paste by mistake; text encoders read far less.
pub const TEXT_LENGTH_MAX_DEFAULT: u32 = 4_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// Lower case, digits and underscores; unique in the contract.
    pub name: String,
    pub label: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<Label>,
    /// A required input has no default and must be given.
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
    /// The places in the template that take its value: JSON Pointers into `template.json`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The remaining fields.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Read by [`super::read`]: each refuses a field that it does not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    String(Text),
    Integer(Whole),
    Number(Decimal),
    Boolean(Flag),
    Choice(Options),
    Image(File),
    Video(File),
    Audio(File),
    Seed(SeedSpec),
}

impl Kind {
    /// The file's limits and what it must be, if this input is a file.
    pub const fn file(&self) -> Option<(MediaKind, &File)> {
        match self {
            Self::Image(file) => Some((MediaKind::Image, file)),
            Self::Video(file) => Some((MediaKind::Video, file)),
            Self::Audio(file) => Some((MediaKind::Audio, file)),
            Self::String(_)
            | Self::Integer(_)
            | Self::Number(_)
            | Self::Boolean(_)
            | Self::Choice(_)
            | Self::Seed(_) => None,
        }
    }

    /// The value of an input that is not given, when it does not depend on another.
    pub fn default_value(&self) -> Option<Value> {
        match self {
            Self::String(text) => text.default.clone().map(Value::from),
            Self::Integer(whole) => whole.default.map(Value::from),
            Self::Number(decimal) => decimal.default.map(Value::from),
            Self::Boolean(flag) => flag.default.map(Value::from),
            Self::Choice(options) => options.default.clone().map(Value::from),
            Self::Image(_) | Self::Video(_) | Self::Audio(_) | Self::Seed(_) => None,
        }
    }

    /// The choice input whose chosen value says this input's default.
    pub fn default_from(&self) -> Option<&str> {
        match self {
            Self::Integer(whole) => whole.default_from.as_deref(),
            Self::Number(decimal) => decimal.default_from.as_deref(),
            Self::String(_)
            | Self::Boolean(_)
            | Self::Choice(_)
            | Self::Image(_)
            | Self::Video(_)
            | Self::Audio(_)
            | Self::Seed(_) => None,
        }
    }
}

/// Text. Lengths count characters (Unicode scalar values) after trimming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    #[serde(default)]
    pub min_length: u32,
    #[serde(default = "text_length_max_default")]
    pub max_length: u32,
    /// Whether a form shows more than one line.
    #[serde(default, skip_serializing_if = "is_false")]
    pub multiline: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    pub min: i64,
    pub max: i64,
    /// Values are `min` plus a multiple of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<i64>,
    /// A choice input; the default is what its chosen value has under this input's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_from: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decimal {
    pub min: f64,
    pub max: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_from: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    pub choices: Vec<Choice>,
}

impl Options {
    pub fn get(&self, value: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.value == value)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub value: String,
    pub label: Label,
    /// The English sentence it adds to a composed text; a choice without one adds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<String>,
    /// Another input that must be given when this one is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// What derived values and dependent defaults are when it is chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
}

/// A file. Sides and pixels are checked when they are known, so for images only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub content_types: Vec<String>,
    pub size_bytes_max: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_min_px: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels_max: Option<u64>,
    /// How many times longer the long side may be than the short one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_max: Option<f64>,
    /// Whether the worker itself takes an https URL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub urls: bool,
}

/// An integer from 0 to 2^53 - 1, or a random one that is recorded with the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedSpec {}

const fn text_length_max_default() -> u32 {
    TEXT_LENGTH_MAX_DEFAULT
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
