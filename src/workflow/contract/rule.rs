//! What a contract makes of its inputs: derived values, composed texts, switches in the prompt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value that follows from an input: looked up in the chosen choice, or scaled from an integer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    pub name: String,
    /// A choice input whose choices have `values.<name>`, or with `linear` an integer input.
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<Linear>,
    pub to: Vec<String>,
}

/// `input * times + plus`: seconds of video to frames, for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    pub times: i64,
    #[serde(default)]
    pub plus: i64,
}

/// A text made of the caller's choices and words, and of a baseline that is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composition {
    pub name: String,
    pub parts: Vec<Part>,
    /// Sentences that end the text whatever was chosen.
    pub baseline: Vec<String>,
    pub to: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Part {
    Literal(Literal),
    Input(FromInput),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Literal {
    pub text: String,
}

/// The phrase of a choice, or the text of a string; nothing when it is not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromInput {
    pub input: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
}

/// A change of the prompt that depends on an input: an unused branch is taken out, another linked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub when: Condition,
    /// JSON Pointers to nodes or to inputs of nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// JSON Pointers to inputs, each with its new value or link.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
}

/// When a rule applies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    Given(Given),
    Equals(Equals),
    Not(Not),
}

/// Whether the input has a value, the caller's or its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub input: String,
    pub given: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equals {
    pub input: String,
    pub equals: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Not {
    pub input: String,
    pub not: Value,
}

impl Condition {
    pub fn input(&self) -> &str {
        match self {
            Self::Given(given) => &given.input,
            Self::Equals(equals) => &equals.input,
            Self::Not(not) => &not.input,
        }
    }

    /// Whether it holds for the value that its input ended up with, if any.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Given(given) => value.is_some() == given.given,
            Self::Equals(equals) => value == Some(&equals.equals),
            Self::Not(not) => value != Some(&not.not),
        }
    }
}
