//! Loading: what the editor makes of a file before anything is converted.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::workflow::graph::{Graph, Id, Input, Link, Node, Port, Subgraph, WidgetsValues};
use crate::workflow::graph::{INPUTS_ID, OUTPUTS_ID};

use super::budget::Budget;
use super::definitions::{Class, Definitions};
use super::error::ConvertError;
use super::loaded::{
    Instance, Level, LevelInput, Loaded, LoadedNode, NodeKind, OutputKind, Socket,
};
use super::nesting;
use super::special;
use super::widgets::{self, Slot, SlotKind};

/// Nodes that only the editor knows, and that are never sent.
pub const EDITORS_OWN: [&str; 4] = ["Note", "MarkdownNote", "Reroute", "PrimitiveNode"];

/// Loads the root and every definition. Ids are unique already, group nodes unpacked.
pub fn load<'d>(
    graph: &Graph,
    definitions: &'d Definitions,
    budget: &mut Budget,
) -> Result<Loaded<'d>, ConvertError> {
    let order = nesting::order(graph)?;
    let mut loader = Loader {
        definitions,
        budget,
        loaded: Loaded { levels: Vec::new() },
        level_of: HashMap::new(),
    };
    for subgraph in order.into_iter().map(|place| &graph.subgraphs[place]) {
        let level = loader.load_definition(subgraph)?;
        loader
            .level_of
            .insert(subgraph.id.as_str().to_owned(), loader.loaded.levels.len());
        loader.loaded.levels.push(level);
    }
    let root = loader.load_level(&graph.nodes, &graph.links)?;
    loader.loaded.levels.push(root);
    Ok(loader.loaded)
}

struct Loader<'d, 'b> {
    definitions: &'d Definitions,
    budget: &'b mut Budget,
    loaded: Loaded<'d>,
    level_of: HashMap<String, usize>,
}

impl<'d> Loader<'d, '_> {
    fn load_definition(&mut self, subgraph: &Subgraph) -> Result<Level<'d>, ConvertError> {
        let mut level = self.load_level(&subgraph.nodes, &subgraph.links)?;
        level.name.clone_from(&subgraph.name);
        let (entering, leaving) = unlisted_links(&subgraph.links);
        for (k, port) in subgraph.inputs.iter().enumerate() {
            let ends = port_links(port, entering.get(&k)).iter();
            let ends = ends.filter(|link| level.links.contains_key(link));
            let mut ends = ends.filter_map(|link| level.ends.get(link).copied());
            let source = ends.find(|end| self.has_widget(&level.nodes[end.node], end.slot));
            level.inputs.push(LevelInput {
                name: port.name.clone(),
                type_name: port.type_name.clone(),
                source,
            });
        }
        for (k, port) in subgraph.outputs.iter().enumerate() {
            let links = port_links(port, leaving.get(&k)).iter();
            let links = links.filter(|id| level.links.contains_key(id)).cloned();
            level.outputs.push(Port {
                links: links.collect(),
                ..port.clone()
            });
        }
        Ok(level)
    }

    fn has_widget(&self, node: &LoadedNode, slot: usize) -> bool {
        match &node.kind {
            NodeKind::Instance(instance) => self.loaded.has_value(instance.level, slot),
            _ => node.widget_of(slot).is_some(),
        }
    }

    fn load_level(&mut self, nodes: &[Node], links: &[Link]) -> Result<Level<'d>, ConvertError> {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|node| self.load_node(node))
            .collect::<Result<_, _>>()?;
        let mut places = HashMap::with_capacity(nodes.len());
        let mut ends = HashMap::with_capacity(links.len());
        for (place, node) in nodes.iter().enumerate() {
            places.entry(node.id.clone()).or_insert(place);
            for (slot, link) in node.slots.iter().enumerate() {
                if let Some(id) = &link.link {
                    ends.entry(id.clone())
                        .or_insert(Socket { node: place, slot });
                }
            }
        }
        Ok(Level {
            name: String::new(),
            nodes,
            places,
            links: links
                .iter()
                .map(|link| (link.id.clone(), link.clone()))
                .collect(),
            ends,
            inputs: Vec::new(),
            outputs: Vec::new(),
            migrated_primitives: HashMap::new(),
        })
    }

    fn load_node(&mut self, node: &Node) -> Result<LoadedNode<'d>, ConvertError> {
        let mut loaded = LoadedNode {
            id: node.id.clone().unwrap_or_else(|| Id::new("")),
            mode: node.mode,
            title: node.title.clone(),
            search_name: node.search_name.clone(),
            kind: NodeKind::Unknown,
            slots: Vec::new(),
            outputs: Vec::new(),
            widgets: Vec::new(),
        };
        let type_name = node.type_name.as_str();
        if let Some(&level) = self.level_of.get(type_name) {
            self.load_instance(&mut loaded, node, level)?;
        } else if let Some(class) = self.definitions.class(type_name) {
            self.load_class(&mut loaded, node, class)?;
        } else {
            loaded.kind = match type_name {
                "Note" | "MarkdownNote" => NodeKind::Note,
                "Reroute" => NodeKind::Reroute,
                "PrimitiveNode" => NodeKind::Primitive {
                    replaces_names: node.replaces_names,
                    links: node.first_links.clone(),
                },
                _ => NodeKind::Unknown,
            };
            let built = widgets::build_unknown(node, self.budget)?;
            loaded.slots = built.slots;
            loaded.widgets = built.widgets;
            loaded.outputs = saved_outputs(node, 0).collect();
            match loaded.kind {
                NodeKind::Primitive { .. } => loaded.widgets = widgets::first(node, "value"),
                NodeKind::Note => loaded.widgets = widgets::first(node, "text"),
                _ => {}
            }
        }
        Ok(loaded)
    }

    fn load_class(
        &mut self,
        loaded: &mut LoadedNode<'d>,
        node: &Node,
        class: &'d Class,
    ) -> Result<(), ConvertError> {
        let built = widgets::build(class, &node.widgets_values, self.budget)?;
        loaded.slots = built.slots;
        loaded.widgets = built.widgets;
        let unknown = connect(&mut loaded.slots, &node.inputs);
        for input in unknown {
            if input.widget.is_none() {
                self.budget.load(&input.name)?;
                loaded.slots.push(extra_slot(class, input));
            }
        }
        let defined = class.outputs.iter().map(|output| match &output.template {
            Some(template) => OutputKind::Match(template),
            None => OutputKind::Plain(Cow::Borrowed(output.type_name.as_str())),
        });
        loaded.outputs = defined
            .chain(saved_outputs(node, class.outputs.len()))
            .collect();
        if loaded.search_name.is_none() && !special::is_saver(&class.name) {
            loaded.search_name = Some(class.name.clone());
        }
        loaded.kind = NodeKind::Class(class);
        Ok(())
    }

    fn load_instance(
        &mut self,
        loaded: &mut LoadedNode<'d>,
        node: &Node,
        level: usize,
    ) -> Result<(), ConvertError> {
        let definition = &self.loaded.levels[level];
        for (k, input) in definition.inputs.iter().enumerate() {
            self.budget.load(&input.name)?;
            loaded.slots.push(Slot {
                name: input.name.clone(),
                kind: SlotKind::Plain(Cow::Owned(input.type_name.clone())),
                link: None,
                widget: input.source.map(|_| k),
            });
        }
        connect(&mut loaded.slots, &node.inputs);
        for port in &definition.outputs {
            self.budget.load(&port.type_name)?;
            loaded
                .outputs
                .push(OutputKind::Plain(Cow::Owned(port.type_name.clone())));
        }
        if loaded.title.is_none() {
            loaded.title = Some(definition.name.clone());
        }
        let mut instance = Instance {
            level,
            own: Vec::new(),
            proxies: node.proxy_widgets.clone(),
            saved: match &node.widgets_values {
                WidgetsValues::List(values) => values.clone(),
                WidgetsValues::Absent | WidgetsValues::Named(_) => Vec::new(),
            },
        };
        let promoted = (0..definition.inputs.len()).filter(|&k| loaded.slots[k].widget.is_some());
        for (k, value) in promoted.zip(instance.saved.clone()) {
            instance.set(k, value);
        }
        loaded.kind = NodeKind::Instance(instance);
        Ok(())
    }
}

/// Saved inputs give their links to the sockets of the same name; those without such a socket come
/// back.
fn connect<'n>(slots: &mut [Slot], inputs: &'n [Input]) -> Vec<&'n Input> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(slots.len());
    for (place, slot) in slots.iter().enumerate() {
        places.entry(slot.name.clone()).or_insert(place);
    }
    let mut unknown = Vec::new();
    for input in inputs {
        match places.get(input.name.as_str()) {
            Some(&place) => slots[place].link.clone_from(&input.link),
            None => unknown.push(input),
        }
    }
    unknown
}

fn extra_slot<'d>(class: &'d Class, input: &Input) -> Slot<'d> {
    let grown = widgets::grown_kind(class, &input.name);
    Slot {
        name: input.name.clone(),
        kind: grown.unwrap_or_else(|| SlotKind::Plain(Cow::Owned(input.type_name.clone()))),
        link: input.link.clone(),
        widget: None,
    }
}

fn saved_outputs<'d>(node: &Node, from: usize) -> impl Iterator<Item = OutputKind<'d>> + '_ {
    let types = node.outputs.iter().skip(from);
    types.map(|type_name| OutputKind::Plain(Cow::Owned(type_name.clone())))
}

type LinksBySlot = HashMap<usize, Vec<Id>>;

/// The links from a definition's inputs, and those to its outputs, by slot.
fn unlisted_links(links: &[Link]) -> (LinksBySlot, LinksBySlot) {
    let (mut entering, mut leaving) = (LinksBySlot::new(), LinksBySlot::new());
    for link in links {
        if let (INPUTS_ID, Some(k)) = (link.origin.as_str(), link.origin_place()) {
            entering.entry(k).or_default().push(link.id.clone());
        }
        if let (OUTPUTS_ID, Some(k)) = (link.target.as_str(), link.target_slot) {
            leaving.entry(k).or_default().push(link.id.clone());
        }
    }
    (entering, leaving)
}

/// The links that an input or output lists; where it lists none, those that name its slot.
fn port_links<'l>(port: &'l Port, unlisted: Option<&'l Vec<Id>>) -> &'l [Id] {
    match unlisted {
        Some(links) if port.links.is_empty() => links,
        _ => &port.links,
    }
}
