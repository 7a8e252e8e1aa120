//! The inputs that a class expects of a node, after what the node itself gives has been looked at:
//! a dynamic combo brings the inputs of the chosen branch, an autogrow one input for each name.

use std::borrow::Cow;

use crate::workflow::python::{Dict, Value};
use crate::workflow::schema::{Class, Input, Shape, Spec};

/// One input to check.
#[derive(Debug)]
pub(super) struct Expected<'v> {
    pub name: Cow<'v, str>,
    pub required: bool,
    /// Nothing where there is no inventory: then anything may be given.
    pub spec: Option<&'v Spec>,
}

/// All inputs to check, and whether dynamic ones are in play: then ComfyUI shortens the names of
/// missing inputs.
#[derive(Debug, Default)]
pub(super) struct Inputs<'v> {
    pub expected: Vec<Expected<'v>>,
    pub is_dynamic: bool,
}

impl<'v> Inputs<'v> {
    /// What a class asks for, given what a node gives.
    pub fn of_class(class: &'v Class, given: &Dict<'_>) -> Self {
        let mut inputs = Self {
            expected: Vec::with_capacity(class.inputs.len()),
            is_dynamic: false,
        };
        for input in &class.inputs {
            if class.is_v3 {
                inputs.add(
                    Cow::Borrowed(&input.name),
                    input.required,
                    &input.spec,
                    given,
                );
            } else {
                inputs.push(Cow::Borrowed(&input.name), input.required, &input.spec);
            }
        }
        inputs
    }

    /// What a node gives, when nobody knows what its class asks for.
    pub fn as_given(given: &'v Dict<'_>) -> Self {
        let expected = given.iter().map(|(name, _)| Expected {
            name: Cow::Borrowed(name.as_ref()),
            required: false,
            spec: None,
        });
        Self {
            expected: expected.collect(),
            is_dynamic: false,
        }
    }

    /// Recursion is as deep as the inventory is nested, which its reader limits.
    fn add(&mut self, name: Cow<'v, str>, required: bool, spec: &'v Spec, given: &Dict<'_>) {
        match &spec.shape {
            Shape::Plain => self.push(name, required, spec),
            Shape::DynamicCombo(branches) => {
                let key = given.get(&name);
                let Some(branch) = branches.iter().find(|branch| Some(&branch.key) == key) else {
                    return;
                };
                self.is_dynamic = true;
                self.add_branch(&name, &branch.inputs, given);
                self.push(name, required, spec);
            }
            Shape::Autogrow(autogrow) => {
                self.is_dynamic = true;
                for (at, suffix) in autogrow.names.iter().enumerate() {
                    let item = &autogrow.item;
                    let item_name = Cow::Owned(format!("{name}.{suffix}"));
                    let item_required = at < autogrow.required_count;
                    if given.get(&item_name).is_some() {
                        self.add(item_name, item_required, item, given);
                    } else if item_required {
                        self.push(item_name, true, item);
                    }
                }
            }
        }
    }

    fn add_branch(&mut self, name: &str, inputs: &'v [Input], given: &Dict<'_>) {
        for input in inputs {
            let full_name = Cow::Owned(format!("{name}.{}", input.name));
            self.add(full_name, input.required, &input.spec, given);
        }
    }

    fn push(&mut self, name: Cow<'v, str>, required: bool, spec: &'v Spec) {
        self.expected.push(Expected {
            name,
            required,
            spec: Some(spec),
        });
    }
}

impl Expected<'_> {
    /// How ComfyUI names this input when it is missing.
    pub fn shown_when_missing(&self, is_dynamic: bool) -> &str {
        match self.name.rsplit_once('.') {
            Some((_, last)) if is_dynamic => last,
            _ => &self.name,
        }
    }
}

/// Whether ComfyUI takes a value for a link when it collects what to give to a class: an id as text
/// and a number.
pub(super) fn is_link(value: &Value<'_>) -> bool {
    let Some([Value::Text(_), slot]) = value.as_list() else {
        return false;
    };
    matches!(
        slot,
        Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Float(_)
    )
}
