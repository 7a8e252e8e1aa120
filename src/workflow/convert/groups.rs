//! Group nodes, the forerunner of subgraphs: the editor turns each into a subgraph when it loads a
//! file.

use std::collections::{HashMap, HashSet};

use crate::workflow::graph::{
    Graph, GraphError, GroupNode, Id, Input, Link, Node, Port, Subgraph, WidgetsValues, INPUTS_ID,
    NODES_MAX, OUTPUTS_ID,
};

use super::budget::Budget;
use super::definitions::Definitions;
use super::error::ConvertError;
use super::ids;
use super::widgets::{self, Built, Slot, Widget};

/// Replaces every group node of the root by an instance of a definition made for it.
pub fn unpack(
    graph: &mut Graph,
    definitions: &Definitions,
    budget: &mut Budget,
) -> Result<(), ConvertError> {
    let groups = std::mem::take(&mut graph.group_nodes);
    let by_name: HashMap<&str, &GroupNode> = groups
        .iter()
        .map(|(name, group)| (name.as_str(), group))
        .collect();
    let mut nodes_left = NODES_MAX.saturating_sub(graph.nodes.len());
    let mut renamed = HashMap::new();
    let mut taken: HashSet<u64> = every_id(graph).filter_map(Id::number).collect();
    for node in std::mem::take(&mut graph.nodes) {
        let Some(group) = group_name(&node).and_then(|name| by_name.get(name)) else {
            graph.nodes.push(node);
            continue;
        };
        nodes_left = nodes_left
            .checked_sub(group.nodes.len())
            .ok_or(GraphError::TooLarge {
                what: "nodes",
                limit: NODES_MAX,
            })?;
        let inner: Vec<Id> = group
            .nodes
            .iter()
            .map(|_| ids::next_free(graph, &mut taken))
            .collect();
        let id = ids::next_free(graph, &mut taken);
        renamed.extend(node.id.clone().map(|old| (old, id.clone())));
        let (instance, subgraph) =
            Unpacked::new(group, inner, definitions, budget)?.finish(node, id)?;
        graph.nodes.push(instance);
        graph.subgraphs.push(subgraph);
    }
    for link in &mut graph.links {
        ids::follow(link, &renamed);
    }
    Ok(())
}

fn every_id(graph: &Graph) -> impl Iterator<Item = &Id> {
    let inner = graph.subgraphs.iter().flat_map(|s| &s.nodes);
    graph
        .nodes
        .iter()
        .chain(inner)
        .filter_map(|node| node.id.as_ref())
}

fn group_name(node: &Node) -> Option<&str> {
    let name = node.type_name.strip_prefix("workflow>");
    name.or_else(|| node.type_name.strip_prefix("workflow/"))
}

/// A group on its way to becoming a definition.
struct Unpacked<'d, 'g, 'b> {
    group: &'g GroupNode,
    nodes: Vec<Node>,
    links: Vec<Link>,
    /// Widgets and sockets of each node, as its class has them.
    slots: Vec<Vec<Slot<'d>>>,
    widgets: Vec<Vec<Widget<'d>>>,
    budget: &'b mut Budget,
}

impl<'d, 'g, 'b> Unpacked<'d, 'g, 'b> {
    fn new(
        group: &'g GroupNode,
        ids: Vec<Id>,
        definitions: &'d Definitions,
        budget: &'b mut Budget,
    ) -> Result<Self, ConvertError> {
        let mut nodes = group.nodes.clone();
        let (mut slots, mut widgets) = (Vec::new(), Vec::new());
        for (node, id) in nodes.iter_mut().zip(ids) {
            node.id = Some(id);
            node.inputs.iter_mut().for_each(|input| input.link = None);
            let mut built = Built::default();
            if let Some(class) = definitions.class(&node.type_name) {
                built = widgets::build(class, &node.widgets_values, budget)?;
                let saved = std::mem::take(&mut node.outputs).into_iter();
                let defined = class.outputs.iter().map(|output| output.type_name.clone());
                node.outputs = defined.chain(saved.skip(class.outputs.len())).collect();
            }
            slots.push(built.slots);
            widgets.push(built.widgets);
        }
        let mut unpacked = Self {
            group,
            nodes,
            links: Vec::new(),
            slots,
            widgets,
            budget,
        };
        for link in &group.links {
            let origin = unpacked
                .nodes
                .get(link.origin)
                .and_then(|node| node.id.clone());
            let name = unpacked.input_name(link.target, link.target_slot);
            if let (Some(name), Some(origin)) = (name, origin) {
                unpacked.connect((origin, link.origin_slot), link.target, &name)?;
            }
        }
        Ok(unpacked)
    }

    /// Which input is meant by a slot: the file's own list comes first, then the definition's.
    fn input_name(&self, node: usize, slot: usize) -> Option<String> {
        let saved = self
            .nodes
            .get(node)?
            .inputs
            .get(slot)
            .map(|input| input.name.clone());
        saved.or_else(|| Some(self.slots.get(node)?.get(slot)?.name.clone()))
    }

    /// Adds a link to the input `name` of the node at `target`.
    fn connect(
        &mut self,
        (origin, origin_slot): (Id, usize),
        target: usize,
        name: &str,
    ) -> Result<Id, ConvertError> {
        let id = Id::new((self.links.len() + 1).to_string());
        let node = &mut self.nodes[target];
        self.budget.walk(node.inputs.len())?;
        self.links.push(Link {
            id: id.clone(),
            origin,
            origin_slot: i64::try_from(origin_slot).ok(),
            target: node.id.clone().unwrap_or_else(|| Id::new("")),
            target_slot: None,
        });
        match node.inputs.iter_mut().find(|input| input.name == name) {
            Some(input) => input.link = Some(id.clone()),
            None => node.inputs.push(Input {
                name: name.to_owned(),
                type_name: "*".to_owned(),
                label: None,
                link: Some(id.clone()),
                widget: None,
            }),
        }
        Ok(id)
    }

    /// The instance in place of the group node, and its definition.
    fn finish(mut self, mut node: Node, id: Id) -> Result<(Node, Subgraph), ConvertError> {
        let name = node.type_name.clone();
        let inputs = self.add_inputs(&node)?;
        let outputs = self.add_outputs()?;
        self.deal(&node.widgets_values);
        let definition = Id::new(format!("{name}#{id}"));
        definition.as_str().clone_into(&mut node.type_name);
        node.id = Some(id);
        node.widgets_values = WidgetsValues::Absent;
        let subgraph = Subgraph {
            id: definition,
            name,
            nodes: self.nodes,
            links: self.links,
            inputs,
            outputs,
        };
        Ok((node, subgraph))
    }

    /// One input of the definition for every input of the group node.
    fn add_inputs(&mut self, node: &Node) -> Result<Vec<Port>, ConvertError> {
        let shown = self.shown_inputs();
        let mut by_name = HashMap::new();
        for (place, input) in shown.iter().enumerate() {
            by_name.entry(input.shown.as_str()).or_insert(place);
        }
        let mut ports = Vec::new();
        for (place, input) in node.inputs.iter().enumerate() {
            let found = *by_name.get(input.name.as_str()).unwrap_or(&place);
            let mut links = Vec::new();
            if let (Some(inner), true) = (shown.get(found), input.link.is_some()) {
                links.push(self.connect((Id::new(INPUTS_ID), place), inner.node, &inner.name)?);
            }
            ports.push(Port {
                name: input.name.clone(),
                type_name: input.type_name.clone(),
                links,
            });
        }
        Ok(ports)
    }

    /// A name that an earlier node shows already gets the node's title in front, then a number too.
    fn shown_inputs(&self) -> Vec<ShownInput> {
        let mut shown = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (place, (node, slots)) in self.nodes.iter().zip(&self.slots).enumerate() {
            let saved: HashMap<&str, &Input> = node
                .inputs
                .iter()
                .map(|input| (input.name.as_str(), input))
                .collect();
            let widgets = slots.iter().filter(|slot| slot.widget.is_some());
            let sockets = slots.iter().filter(|slot| slot.widget.is_none());
            for slot in widgets.chain(sockets) {
                let saved = saved.get(slot.name.as_str());
                if saved.is_some_and(|input| input.link.is_some()) {
                    continue;
                }
                let label = saved.and_then(|input| input.label.clone());
                let mut name = label.unwrap_or_else(|| slot.name.clone());
                let mut key = name.clone();
                if seen.contains_key(&name) {
                    let title = node.title.as_ref().unwrap_or(&node.type_name);
                    key = format!("{title} {}", slot.name);
                    name = seen.get(&key).map_or_else(
                        || key.clone(),
                        |count| format!("{title} {count} {}", slot.name),
                    );
                }
                *seen.entry(key).or_insert(1) += 1;
                shown.push(ShownInput {
                    shown: name,
                    node: place,
                    name: slot.name.clone(),
                });
            }
        }
        shown
    }

    /// The outputs that the group shows: those with links to the outside, and those without any
    /// link.
    fn add_outputs(&mut self) -> Result<Vec<Port>, ConvertError> {
        let external: HashSet<(usize, usize)> = self.group.external.iter().copied().collect();
        let inner: HashSet<(usize, usize)> = self
            .group
            .links
            .iter()
            .map(|link| (link.origin, link.origin_slot))
            .collect();
        let mut ports = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            for (slot, type_name) in node.outputs.iter().enumerate() {
                if inner.contains(&(place, slot)) && !external.contains(&(place, slot)) {
                    continue;
                }
                self.budget.load(type_name)?;
                let id = Id::new((self.links.len() + 1).to_string());
                self.links.push(Link {
                    id: id.clone(),
                    origin: node.id.clone().unwrap_or_else(|| Id::new("")),
                    origin_slot: i64::try_from(slot).ok(),
                    target: Id::new(OUTPUTS_ID),
                    target_slot: Some(ports.len()),
                });
                ports.push(Port {
                    name: format!("{place}.{slot}"),
                    type_name: type_name.clone(),
                    links: vec![id],
                });
            }
        }
        Ok(ports)
    }

    /// Deals the group node's values to the widgets of its nodes in order.
    fn deal(&mut self, values: &WidgetsValues) {
        let WidgetsValues::List(values) = values else {
            return;
        };
        let mut values = values.iter();
        for (node, widgets) in self.nodes.iter_mut().zip(&self.widgets) {
            let takers = widgets.iter().filter(|widget| widget.takes_value());
            let dealt =
                takers.map_while(|widget| values.next().cloned().or_else(|| widget.value.clone()));
            node.widgets_values = WidgetsValues::List(dealt.collect());
        }
    }
}

/// An input that a group shows.
struct ShownInput {
    shown: String,
    /// The place of the inner node that has it, and what that node calls it.
    node: usize,
    name: String,
}
