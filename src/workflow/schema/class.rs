//! One node class: its inputs, their types, ranges and choices, and its outputs.

use std::borrow::Cow;

use crate::workflow::python::{Dict, Value};

/// Most names an autogrow input may have. Servers list at most 50; a broken inventory could ask
/// for any number.
const AUTOGROW_NAMES_MAX: usize = 1_000;

/// The option of ours that marks a choice whose list was too long to be kept: any value goes.
pub const LEFT_OUT: &str = "options_left_out";

#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Whether a prompt may end here.
    pub output_node: bool,
    /// Written against the newer interface, which alone has dynamic inputs and words its
    /// exceptions differently. Its entry has the key `api_node`, whatever the value.
    pub is_v3: bool,
    /// Required before optional; hidden ones are never checked and not here.
    pub inputs: Vec<Input>,
    /// The type of each output, a name or a list of choices.
    pub outputs: Vec<Value<'static>>,
}

#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    pub required: bool,
    pub spec: Spec,
}

/// What may be given to an input.
#[derive(Clone, Debug)]
pub struct Spec {
    /// A name, or a list of choices.
    pub kind: Value<'static>,
    pub options: Dict<'static>,
    pub min: Option<Value<'static>>,
    pub max: Option<Value<'static>>,
    pub conversion: Option<Conversion>,
    pub shape: Shape,
}

/// The types whose values ComfyUI converts before it looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    Int,
    Float,
    Text,
    Bool,
}

/// Whether an input is one input, or stands for several that depend on the prompt.
#[derive(Clone, Debug)]
pub enum Shape {
    Plain,
    /// The inputs of the branch whose key is given.
    DynamicCombo(Vec<Branch>),
    Autogrow(Box<Autogrow>),
}

#[derive(Clone, Debug)]
pub struct Branch {
    pub key: Value<'static>,
    pub inputs: Vec<Input>,
}

/// Inputs of one kind under consecutive names, of which the first few may be required.
#[derive(Clone, Debug)]
pub struct Autogrow {
    pub names: Vec<String>,
    pub required_count: usize,
    pub item: Spec,
}

impl Class {
    /// Reads an entry of an `object_info`; what is missing or of another kind counts as empty.
    pub fn read(entry: &Dict<'_>) -> Self {
        let outputs = entry
            .get("output")
            .and_then(Value::as_list)
            .unwrap_or_default();
        let inputs = entry.get("input").and_then(Value::as_dict);
        Self {
            output_node: matches!(entry.get("output_node"), Some(Value::Bool(true))),
            is_v3: entry.get("api_node").is_some(),
            inputs: inputs.map(read_inputs).unwrap_or_default(),
            outputs: outputs
                .iter()
                .map(|kind| kind.clone().into_owned())
                .collect(),
        }
    }
}

impl Spec {
    /// The values to choose from, if this is a choice and they are known.
    pub fn choices(&self) -> Option<&[Value<'static>]> {
        if self.is_left_out() {
            return None;
        }
        match &self.kind {
            Value::List(choices) => Some(choices),
            Value::Text(kind) if kind == "COMBO" => {
                let options = self.options.get("options").and_then(Value::as_list);
                Some(options.unwrap_or_default())
            }
            _ => None,
        }
    }

    /// Whether this is a choice whose list is not known.
    pub fn is_left_out(&self) -> bool {
        self.options.get(LEFT_OUT).is_some_and(Value::is_truthy)
    }

    /// Whether the editor offers to upload a file for it: `image_upload` and its like.
    pub fn is_upload(&self) -> bool {
        let mut options = self.options.iter();
        options.any(|(name, value)| name.ends_with("_upload") && value.is_truthy())
    }

    /// Whether a value may be several of the choices at once.
    pub fn is_multiselect(&self) -> bool {
        self.options
            .get("multiselect")
            .is_some_and(Value::is_truthy)
    }

    pub(super) fn add_choices(&mut self, names: &[String]) {
        let more = names.iter().map(|name| Value::from(name.clone()));
        match &mut self.kind {
            Value::List(choices) => choices.extend(more),
            Value::Text(kind) if kind == "COMBO" => {
                let mut choices = match self.options.take("options") {
                    Some(Value::List(choices)) => choices,
                    _ => Vec::new(),
                };
                choices.extend(more);
                self.options.push("options", Value::List(choices));
            }
            _ => {}
        }
    }

    /// Reads `[type]` or `[type, options]`.
    fn read(entry: &Value<'_>) -> Option<Self> {
        let entry = entry.as_list()?;
        let kind = entry.first()?.clone().into_owned();
        let options = match entry.get(1) {
            Some(Value::Dict(options)) => options.clone().into_owned(),
            _ => Dict::default(),
        };
        Some(Self {
            min: options.get("min").cloned(),
            max: options.get("max").cloned(),
            conversion: conversion(&kind),
            shape: shape(&kind, &options).unwrap_or(Shape::Plain),
            kind,
            options,
        })
    }
}

fn conversion(kind: &Value<'_>) -> Option<Conversion> {
    match kind.as_text()? {
        "INT" => Some(Conversion::Int),
        "FLOAT" => Some(Conversion::Float),
        "STRING" => Some(Conversion::Text),
        "BOOLEAN" => Some(Conversion::Bool),
        _ => None,
    }
}

fn shape(kind: &Value<'_>, options: &Dict<'_>) -> Option<Shape> {
    match kind.as_text()? {
        "COMFY_DYNAMICCOMBO_V3" => {
            let branches = options.get("options")?.as_list()?.iter();
            Some(Shape::DynamicCombo(
                branches.filter_map(read_branch).collect(),
            ))
        }
        "COMFY_AUTOGROW_V3" => {
            let autogrow = read_autogrow(options.get("template")?.as_dict()?)?;
            Some(Shape::Autogrow(Box::new(autogrow)))
        }
        _ => None,
    }
}

fn read_branch(entry: &Value<'_>) -> Option<Branch> {
    let entry = entry.as_dict()?;
    Some(Branch {
        key: entry.get("key")?.clone().into_owned(),
        inputs: read_inputs(entry.get("inputs")?.as_dict()?),
    })
}

/// Names are listed, or are a prefix and a number; only the template's first input counts.
fn read_autogrow(template: &Dict<'_>) -> Option<Autogrow> {
    let groups = template.get("input")?.as_dict()?.iter();
    let mut filled = groups.filter_map(|(group, inputs)| {
        inputs
            .as_dict()?
            .iter()
            .next()
            .map(|(_, item)| (group, item))
    });
    let (group, item) = filled.next()?;
    let names = read_names(template)?;
    let required_count = if group == "required" {
        count(template.get("min"))
    } else {
        0
    };
    Some(Autogrow {
        names,
        required_count,
        item: Spec::read(item)?,
    })
}

fn read_names(template: &Dict<'_>) -> Option<Vec<String>> {
    if let Some(names) = template.get("names").and_then(Value::as_list) {
        let names = names.iter().filter_map(Value::as_text);
        return Some(names.take(AUTOGROW_NAMES_MAX).map(str::to_owned).collect());
    }
    let prefix = template.get("prefix")?.as_text()?;
    let count = count(template.get("max"));
    Some(
        (0..count)
            .map(|number| format!("{prefix}{number}"))
            .collect(),
    )
}

fn count(value: Option<&Value<'_>>) -> usize {
    match value {
        Some(Value::Int(count)) => usize::try_from(*count).unwrap_or(0).min(AUTOGROW_NAMES_MAX),
        _ => 0,
    }
}

/// Required inputs, then those optional ones that are not required as well.
fn read_inputs(groups: &Dict<'_>) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for (group, required) in [("required", true), ("optional", false)] {
        let Some(entries) = groups.get(group).and_then(Value::as_dict) else {
            continue;
        };
        let required_count = if required { 0 } else { inputs.len() };
        for (name, entry) in entries.iter() {
            let known = inputs[..required_count]
                .iter()
                .any(|input| input.name == *name);
            if let (false, Some(spec)) = (known, Spec::read(entry)) {
                inputs.push(Input {
                    name: Cow::into_owned(name.clone()),
                    required,
                    spec,
                });
            }
        }
    }
    inputs
}
