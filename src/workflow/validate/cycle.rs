//! Nodes that need each other in a circle.

use super::bind::Bound;
use super::problem::{Kind, Problem};
use crate::workflow::python::Value;

/// Every node of a cycle repeats the whole cycle; beyond this length only its beginning, because
/// the answer would grow with the square of the length.
const NODES_SHOWN_MAX: usize = 128;

pub(super) struct Cycle {
    text: String,
    ids: Vec<String>,
}

impl Cycle {
    /// `members` are places of nodes, in the order in which they lead back to the first.
    pub fn new(nodes: &[Bound<'_>], members: &[usize]) -> Self {
        let shown = &members[..members.len().min(NODES_SHOWN_MAX)];
        let label = |&member: &usize| {
            let node = &nodes[member];
            format!("{} ({})", node.id, node.class_name)
        };
        let mut labels: Vec<_> = shown.iter().map(label).collect();
        if shown.len() < members.len() {
            labels.push(format!("{} more", members.len() - shown.len()));
        }
        labels.extend(members.first().map(label));
        Self {
            text: labels.join(" -> "),
            ids: shown
                .iter()
                .map(|&member| nodes[member].id.to_owned())
                .collect(),
        }
    }

    /// The error that a member gets.
    pub fn problem(&self, id: &str) -> Problem {
        let ids = self.ids.iter().map(|id| Value::from(id.clone())).collect();
        let extra = vec![("node_id", id.into()), ("cycle_nodes", Value::List(ids))];
        let message = "Dependency cycle detected";
        Problem::new(Kind::DependencyCycle, message, self.text.clone(), extra)
    }
}
