//! A draft while it grows: inputs under names of their own, each place taken once.

use std::collections::HashSet;

use super::labels;
use super::nodes::{Node, Nodes};
use crate::workflow::contract::lint::ITEMS_MAX;
use crate::workflow::contract::{Derived, Input, Kind, Label};

#[derive(Default)]
pub struct Sketch {
    pub inputs: Vec<Input>,
    pub derived: Vec<Derived>,
    /// What the author should know of how it was guessed.
    pub notes: Vec<String>,
    taken: HashSet<String>,
    left_out: usize,
}

/// What an input takes, where, and whether somebody must give it.
pub struct Found {
    /// The name it gets, or with a number behind it.
    pub name: &'static str,
    /// What the editor calls its node; told where a name needs a number.
    pub title: Option<String>,
    pub required: bool,
    pub kind: Kind,
    pub to: Vec<String>,
}

impl Sketch {
    /// Adds an input. Places that another input has already are left to it.
    pub fn add(&mut self, found: Found) {
        let to = self.take(found.to);
        if to.is_empty() {
            return;
        }
        if self.inputs.len() == ITEMS_MAX {
            self.left_out += 1;
            return;
        }
        let name = self.free_name(found.name);
        let label = match found.title.filter(|_| name != found.name) {
            Some(title) if !title.trim().is_empty() => labels::same(title.trim()),
            _ => labels::of_input(&name),
        };
        self.inputs
            .push(input(name, label, found.required, found.kind, to));
    }

    /// Adds an input whose value goes nowhere itself.
    pub fn add_choice(&mut self, name: &'static str, kind: Kind) {
        let label = labels::of_input(name);
        self.inputs
            .push(input(name.to_owned(), label, false, kind, Vec::new()));
    }

    pub fn add_derived(&mut self, name: &str, from: &str, to: Vec<String>) {
        let to = self.take(to);
        self.derived.push(Derived {
            name: name.to_owned(),
            from: from.to_owned(),
            linear: None,
            to,
        });
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says of which of these numbers there is no input, because a node computes it.
    pub fn note_computed(&mut self, nodes: &Nodes, node: &Node, names: &[&str]) {
        for name in names {
            if let Some(source) = nodes.computed(node, name) {
                let id = node.id;
                self.note(format!(
                    "the {name} of node {id} comes from node {source}, so it is no input"
                ));
            }
        }
    }

    /// Says what was left out, once.
    pub fn finish(&mut self) {
        if self.left_out > 0 {
            let left_out = self.left_out;
            self.note(format!(
                "{left_out} more inputs were found; a contract has at most {ITEMS_MAX}"
            ));
        }
    }

    fn take(&mut self, mut places: Vec<String>) -> Vec<String> {
        places.retain(|place| self.taken.insert(place.clone()));
        places
    }

    fn free_name(&self, base: &str) -> String {
        let is_free = |name: &String| self.inputs.iter().all(|input| input.name != *name);
        let numbered = (2..=ITEMS_MAX + 1).map(|n| format!("{base}_{n}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        // There are more names than inputs.
        names.find(is_free).unwrap_or_else(|| base.to_owned())
    }
}

fn input(name: String, label: Label, required: bool, kind: Kind, to: Vec<String>) -> Input {
    Input {
        name,
        label,
        help: None,
        required,
        to,
        kind,
    }
}
