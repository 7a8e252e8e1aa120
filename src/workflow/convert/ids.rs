//! Ids of nodes: every node gets one, and inner ids differ from those of the root and of other
//! definitions.
//!
//! The editor renumbers when it loads a file, and what it sends has the new numbers.

use std::collections::{HashMap, HashSet};

use crate::workflow::graph::{Graph, Id, Link, Node};

/// Gives new numbers where needed; links and proxy widgets follow.
pub fn renumber(graph: &mut Graph) {
    let mut counter = Counter {
        last: graph.last_node_id,
        taken: HashSet::new(),
    };
    for node in &graph.nodes {
        counter.taken.extend(node.id.as_ref().and_then(Id::number));
    }
    let mut seen = HashSet::new();
    for node in &mut graph.nodes {
        let id = node.id.take().filter(|id| !seen.contains(id));
        let id = id.unwrap_or_else(|| counter.next());
        seen.insert(id.clone());
        node.id = Some(id);
    }
    let mut renamed = HashMap::new();
    for subgraph in &mut graph.subgraphs {
        let changes = renumber_nodes(&mut subgraph.nodes, &mut counter);
        for link in &mut subgraph.links {
            follow(link, &changes);
        }
        renamed.insert(subgraph.id.as_str().to_owned(), changes);
    }
    for node in &mut graph.nodes {
        follow_proxies(node, &renamed);
    }
    for node in graph.subgraphs.iter_mut().flat_map(|s| &mut s.nodes) {
        follow_proxies(node, &renamed);
    }
    graph.last_node_id = counter.last;
}

/// The editor's counter of node ids.
#[derive(Debug)]
struct Counter {
    last: u64,
    taken: HashSet<u64>,
}

impl Counter {
    fn next(&mut self) -> Id {
        loop {
            self.last = self.last.saturating_add(1);
            if self.taken.insert(self.last) || self.last == u64::MAX {
                return Id::new(self.last.to_string());
            }
        }
    }

    /// Whether `number` was free; a free one is taken from now on.
    fn take(&mut self, number: u64) -> bool {
        let was_free = self.taken.insert(number);
        if was_free {
            self.last = self.last.max(number);
        }
        was_free
    }
}

fn renumber_nodes(nodes: &mut [Node], counter: &mut Counter) -> HashMap<Id, Id> {
    let mut changes = HashMap::new();
    let mut texts = HashSet::new();
    for node in nodes {
        let is_free = match &node.id {
            None => false,
            Some(id) => match id.number() {
                Some(number) => counter.take(number),
                None => texts.insert(id.clone()),
            },
        };
        if !is_free {
            let new = counter.next();
            if let Some(old) = node.id.replace(new.clone()) {
                changes.insert(old, new);
            }
        }
    }
    changes
}

/// Both ends of a link speak of the new ids.
pub fn follow(link: &mut Link, changes: &HashMap<Id, Id>) {
    for end in [&mut link.origin, &mut link.target] {
        if let Some(new) = changes.get(end) {
            *end = new.clone();
        }
    }
}

fn follow_proxies(node: &mut Node, renamed: &HashMap<String, HashMap<Id, Id>>) {
    let Some(changes) = renamed.get(&node.type_name) else {
        return;
    };
    for proxy in &mut node.proxy_widgets {
        if let Some(new) = changes.get(&proxy.node) {
            proxy.node = new.clone();
        }
    }
}

/// The next free number of a graph that is numbered already.
pub fn next_free(graph: &mut Graph, taken: &mut HashSet<u64>) -> Id {
    let mut counter = Counter {
        last: graph.last_node_id,
        taken: std::mem::take(taken),
    };
    let id = counter.next();
    graph.last_node_id = counter.last;
    *taken = counter.taken;
    id
}
