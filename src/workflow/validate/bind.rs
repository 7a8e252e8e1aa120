//! Every node of a prompt tied to its class, or the first node that has none.

use std::ops::Deref;

use super::problem::{Kind, Problem};
use super::replace;
use crate::workflow::prompt::{Element, Node, Prompt};
use crate::workflow::python::{text, Dict, Value};
use crate::workflow::schema::{Class, Schema};

/// A node whose class is known to exist.
#[derive(Debug)]
pub(super) struct Bound<'v> {
    pub id: &'v str,
    pub class_name: &'v str,
    /// Nothing where there is no inventory: then the node takes any input and has any output.
    pub class: Option<&'v Class>,
    /// Nothing where the node has no `inputs` at all.
    pub inputs: Option<Given<'v>>,
}

/// What a node gives: as the caller wrote it, or as its replacement has it.
#[derive(Debug)]
pub(super) enum Given<'v> {
    Written(&'v Dict<'v>),
    Replaced(Dict<'v>),
}

impl<'v> Deref for Given<'v> {
    type Target = Dict<'v>;

    fn deref(&self) -> &Dict<'v> {
        match self {
            Self::Written(inputs) => inputs,
            Self::Replaced(inputs) => inputs,
        }
    }
}

impl Bound<'_> {
    pub fn is_output(&self) -> bool {
        self.class.is_none_or(|class| class.output_node)
    }
}

/// Ties nodes in document order; without a schema every name is a class.
pub(super) fn bind<'v>(
    prompt: &'v Prompt<'v>,
    schema: Option<&'v Schema>,
) -> Result<Vec<Bound<'v>>, Problem> {
    // The server looks at all nodes for classes to replace before it looks for unknown ones.
    for element in prompt.elements() {
        check_readable(element, schema)?;
    }
    let bound = prompt
        .elements()
        .iter()
        .map(|element| bind_element(element, schema));
    bound.collect()
}

/// Refuses what the search for replaceable classes breaks on.
fn check_readable(element: &Element<'_>, schema: Option<&Schema>) -> Result<(), Problem> {
    let broken = |what: &str| Problem::unreadable(format!("Node ID '#{}': {what}", element.id));
    let Ok(node) = &element.node else {
        return Err(broken(
            "a node must be an object with class_type and inputs",
        ));
    };
    let (Some(class), Some(inputs)) = (&node.class_type, &node.inputs) else {
        return Ok(());
    };
    if matches!(class, Value::List(_) | Value::Dict(_)) {
        return Err(broken("class_type must be text"));
    }
    let Some(inputs) = inputs.as_dict() else {
        return Err(broken("inputs must be an object"));
    };
    let Some(replacement) = class.as_text().and_then(|name| replace::find(name, schema)) else {
        return Ok(());
    };
    if node.meta.as_ref().and_then(Value::as_dict).is_none() {
        return Err(broken("a class that was replaced needs _meta"));
    }
    match replacement.missing_input(inputs) {
        Some(name) => Err(broken(&format!(
            "a class that was replaced needs the input {name}"
        ))),
        None => Ok(()),
    }
}

fn bind_element<'v>(
    element: &'v Element<'v>,
    schema: Option<&'v Schema>,
) -> Result<Bound<'v>, Problem> {
    let Ok(node) = &element.node else {
        // `check_readable` refused it.
        return Err(Problem::unreadable("a node must be an object"));
    };
    let Some(class) = &node.class_type else {
        return Err(no_class_type(&element.id, node));
    };
    if matches!(class, Value::List(_) | Value::Dict(_)) {
        return Err(Problem::unreadable("class_type must be text"));
    }
    let Some(name) = class.as_text() else {
        return Err(unknown_class(&element.id, node, class));
    };
    let given = node.inputs.as_ref().and_then(Value::as_dict);
    if given.is_none() && node.inputs.is_some() {
        return Err(Problem::unreadable("inputs must be an object"));
    }
    // Without inputs the server leaves a class that was given up where it stands.
    let replacement = given.and_then(|_| replace::find(name, schema));
    let class_name = replacement.map_or(name, |replacement| replacement.class);
    let known = schema.map(|schema| schema.class(class_name));
    if matches!(known, Some(None)) {
        return Err(unknown_class(&element.id, node, class));
    }
    Ok(Bound {
        id: &element.id,
        class_name,
        class: known.flatten(),
        inputs: given.map(|given| match replacement {
            Some(replacement) => Given::Replaced(replacement.inputs(given)),
            None => Given::Written(given),
        }),
    })
}

/// The title, if `_meta` has one; a `_meta` that is no object breaks the server.
fn title<'v>(id: &str, node: &'v Node<'v>) -> Result<Option<&'v Value<'v>>, Problem> {
    match &node.meta {
        None => Ok(None),
        Some(Value::Dict(meta)) => Ok(meta.get("title")),
        Some(_) => Err(Problem::unreadable(format!(
            "Node ID '#{id}': _meta must be an object"
        ))),
    }
}

fn no_class_type(id: &str, node: &Node<'_>) -> Problem {
    let title = match title(id, node) {
        Ok(title) => title.unwrap_or(&Value::None),
        Err(problem) => return problem,
    };
    let shown = if title.is_truthy() {
        text(title)
    } else {
        format!("ID #{id}")
    };
    let message = format!(
        "Node '{shown}' has no class_type. \
         The workflow may be corrupted or a custom node is missing."
    );
    missing_node_type(message, id, &Value::None, title)
}

fn unknown_class(id: &str, node: &Node<'_>, class: &Value<'_>) -> Problem {
    let title = match title(id, node) {
        Ok(title) => title.unwrap_or(class),
        Err(problem) => return problem,
    };
    let shown = text(title);
    let message = format!("Node '{shown}' not found. The custom node may not be installed.");
    missing_node_type(message, id, class, title)
}

fn missing_node_type(message: String, id: &str, class: &Value<'_>, title: &Value<'_>) -> Problem {
    let extra = vec![
        ("node_id", id.into()),
        ("class_type", class.clone().into_owned()),
        ("node_title", title.clone().into_owned()),
    ];
    Problem::new(
        Kind::MissingNodeType,
        message,
        format!("Node ID '#{id}'"),
        extra,
    )
}
