//! The nodes of a prompt, in the order in which a person counts them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::workflow::check::SEED_MAX;
use crate::workflow::schema::{Schema, Spec};

/// What a node that only holds a number calls it.
const HELD: &str = "value";

pub struct Nodes<'p> {
    ordered: Vec<Node<'p>>,
    places: HashMap<&'p str, usize>,
    schema: &'p Schema,
}

/// A number that an input gets, and where it stands.
pub struct Held<T> {
    pub value: T,
    pub place: String,
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

    /// A whole number that JSON and JavaScript carry exactly.
    pub fn integer(&self, node: &Node<'p>, input: &str) -> Option<Held<i64>> {
        let Held { value, place } = self.held(node, input)?;
        let value = value.as_i64()?;
        (value.unsigned_abs() <= SEED_MAX).then_some(Held { value, place })
    }

    pub fn number(&self, node: &Node<'p>, input: &str) -> Option<Held<f64>> {
        let Held { value, place } = self.held(node, input)?;
        let value = value.as_f64()?;
        Some(Held { value, place })
    }

    /// In the node itself, or in one that does nothing but hold it, perhaps for several.
    pub fn held(&self, node: &Node<'p>, input: &str) -> Option<Held<&'p Value>> {
        let (node, input) = match node.link(input) {
            Some((source, _)) => (self.get(source).filter(Node::only_holds)?, HELD),
            None => (*node, input),
        };
        let value = node.inputs.get(input).filter(|it| it.is_number())?;
        let place = node.place(input);
        Some(Held { value, place })
    }

    /// The node that computes an input's number, so that nobody can give it.
    pub fn computed(&self, node: &Node<'p>, input: &str) -> Option<&'p str> {
        let (source, _) = node.link(input)?;
        self.held(node, input).is_none().then_some(source)
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

    fn only_holds(&self) -> bool {
        self.inputs.values().all(|input| !input.is_array())
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
