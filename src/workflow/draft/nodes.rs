//! The nodes of a prompt, in the order in which a person counts them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::workflow::check::SEED_MAX;
use crate::workflow::schema::{Schema, Spec};

pub struct Nodes<'p> {
    ordered: Vec<Node<'p>>,
    places: HashMap<&'p str, usize>,
    schema: &'p Schema,
}

/// A node that has a class and inputs; what is neither is left to `lint`.
#[derive(Clone, Copy)]
pub struct Node<'p> {
    pub id: &'p str,
    pub class: &'p str,
    pub title: Option<&'p str>,
    pub inputs: &'p Map<String, Value>,
}

impl<'p> Nodes<'p> {
    pub fn of(prompt: &'p Map<String, Value>, schema: &'p Schema) -> Self {
        let mut ordered: Vec<Node> = prompt.iter().filter_map(node).collect();
        ordered.sort_by_key(|node| natural(node.id));
        let places = ordered.iter().enumerate().map(|(at, node)| (node.id, at));
        Self {
            places: places.collect(),
            ordered,
            schema,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Node<'p>> + '_ {
        self.ordered.iter().copied()
    }

    pub fn get(&self, id: &str) -> Option<Node<'p>> {
        self.places.get(id).map(|at| self.ordered[*at])
    }

    /// What the server said about an input, if it was asked.
    pub fn spec(&self, node: &Node, input: &str) -> Option<&'p Spec> {
        let inputs = &self.schema.class(node.class)?.inputs;
        let found = inputs.iter().find(|known| known.name == input);
        found.map(|input| &input.spec)
    }

    /// Whether the class has an output of this type; without an inventory nobody knows.
    pub fn gives(&self, node: &Node, wanted: &str) -> bool {
        let outputs = self.schema.class(node.class).map(|class| &class.outputs);
        outputs.is_some_and(|outputs| outputs.iter().any(|it| it.as_text() == Some(wanted)))
    }
}

impl<'p> Node<'p> {
    /// Where an input stands, as a JSON Pointer into the template.
    pub fn place(&self, input: &str) -> String {
        let step = |name: &str| name.replace('~', "~0").replace('/', "~1");
        format!("/{}/inputs/{}", step(self.id), step(input))
    }

    /// The node and the slot that an input is linked to.
    pub fn link(&self, input: &str) -> Option<(&'p str, u64)> {
        let link = self.inputs.get(input)?.as_array()?;
        Some((link.first()?.as_str()?, link.get(1)?.as_u64()?))
    }

    pub fn text(&self, input: &str) -> Option<&'p str> {
        self.inputs.get(input)?.as_str()
    }

    /// A whole number that JSON and JavaScript carry exactly.
    pub fn integer(&self, input: &str) -> Option<i64> {
        let number = self.inputs.get(input)?.as_i64()?;
        (number.unsigned_abs() <= SEED_MAX).then_some(number)
    }

    pub fn number(&self, input: &str) -> Option<f64> {
        self.inputs.get(input)?.as_f64()
    }
}

fn node<'p>((id, node): (&'p String, &'p Value)) -> Option<Node<'p>> {
    Some(Node {
        id,
        class: node["class_type"].as_str()?,
        title: node["_meta"]["title"].as_str(),
        inputs: node["inputs"].as_object()?,
    })
}

/// Ids are numbers, or numbers with colons between them: 9 comes before 10, and both before `a`.
fn natural(id: &str) -> Vec<(u64, &str)> {
    let part = |part| match str::parse::<u64>(part) {
        Ok(number) => (number, ""),
        Err(_) => (u64::MAX, part),
    };
    id.split(':').map(part).collect()
}
