//! A contract as a page sees it: what to ask for and what comes out, not how the prompt is made.

use serde::Serialize;

use super::{Composition, Contract, Input, Kind, Label, Limits, MediaKind, Output, Part};

/// What `GET /api/templates` answers for one template.
#[derive(Debug, Serialize)]
pub struct Card<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub title: &'a Label,
    pub description: &'a Label,
    pub public: bool,
    pub inputs: Vec<CardInput<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub require_any: &'a [Vec<String>],
    /// How texts are composed, so that a page can show one before it is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compose: Vec<CardText<'a>>,
    pub outputs: Vec<CardOutput<'a>>,
    pub limits: &'a Limits,
}

#[derive(Debug, Serialize)]
pub struct CardInput<'a> {
    pub name: &'a str,
    pub label: &'a Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a Label>,
    pub required: bool,
    #[serde(flatten)]
    pub kind: &'a Kind,
}

#[derive(Debug, Serialize)]
pub struct CardText<'a> {
    pub name: &'a str,
    pub parts: &'a [Part],
    pub baseline: &'a [String],
}

#[derive(Debug, Serialize)]
pub struct CardOutput<'a> {
    pub kind: MediaKind,
    pub label: &'a Label,
}

impl Contract {
    pub fn card(&self) -> Card<'_> {
        Card {
            name: self.name.as_str(),
            version: &self.version,
            title: &self.title,
            description: &self.description,
            public: self.public,
            inputs: self.inputs.iter().map(card_input).collect(),
            require_any: &self.require_any,
            compose: self.compose.iter().map(card_text).collect(),
            outputs: self.outputs.iter().map(card_output).collect(),
            limits: &self.limits,
        }
    }
}

fn card_input(input: &Input) -> CardInput<'_> {
    CardInput {
        name: &input.name,
        label: &input.label,
        help: input.help.as_ref(),
        required: input.required,
        kind: &input.kind,
    }
}

fn card_text(composition: &Composition) -> CardText<'_> {
    CardText {
        name: &composition.name,
        parts: &composition.parts,
        baseline: &composition.baseline,
    }
}

fn card_output(output: &Output) -> CardOutput<'_> {
    CardOutput {
        kind: output.kind,
        label: &output.label,
    }
}
