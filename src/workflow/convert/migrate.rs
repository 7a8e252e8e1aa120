//! Legacy `proxyWidgets`: which inner widgets an instance shows, before definitions had inputs for
//! them.
//!
//! The editor gives the definition an input for every such widget when it loads the file. The input
//! belongs to the definition, so other instances get it too and find their own entry linked
//! already.

use std::collections::HashMap;

use crate::workflow::graph::{Id, Link, ProxyWidget, INPUTS_ID};
use crate::workflow::json::{Json, Shared};

use super::budget::Budget;
use super::error::ConvertError;
use super::loaded::{Instance, LevelInput, Loaded, LoadedNode, NodeKind, Socket};
use super::widgets::{Slot, SlotKind};

/// Ids in front of a widget's name, one for each level that it was shown through.
const PREFIXES_MAX: usize = 16;

/// Migrates every instance, those inside definitions first.
pub fn migrate(loaded: &mut Loaded, budget: &mut Budget) -> Result<(), ConvertError> {
    let mut instances: HashMap<usize, Vec<Place>> = HashMap::new();
    let mut order = Vec::new();
    for (level, nodes) in loaded.levels.iter().map(|level| &level.nodes).enumerate() {
        for (node, instance) in nodes.iter().enumerate() {
            if let Some(instance) = instance.instance() {
                let place = Place { level, node };
                instances.entry(instance.level).or_default().push(place);
                order.extend((!instance.proxies.is_empty()).then_some((place, instance.level)));
            }
        }
    }
    for (place, definition) in order {
        let mut migration = Migration {
            loaded: &mut *loaded,
            budget: &mut *budget,
            place,
            definition,
            siblings: instances.get(&definition).map_or(&[][..], Vec::as_slice),
        };
        migration.run()?;
    }
    Ok(())
}

/// A node by its places.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    node: usize,
}

/// What becomes of an entry.
enum Plan {
    Ignore,
    /// Sets the value of an input.
    Own(usize),
    /// Sets the value of the input with this name.
    Named(String),
    /// Links a widget to a new input.
    Link(Socket),
    /// Links everything that a primitive feeds to one new input.
    Primitive(usize),
}

struct Migration<'l, 'd, 'b> {
    loaded: &'l mut Loaded<'d>,
    budget: &'b mut Budget,
    place: Place,
    /// The place of the instance's definition, and all instances of it.
    definition: usize,
    siblings: &'l [Place],
}

impl Migration<'_, '_, '_> {
    /// Every entry is judged before the first is applied.
    fn run(&mut self) -> Result<(), ConvertError> {
        let Some(instance) = self.instance() else {
            return Ok(());
        };
        let proxies = std::mem::take(&mut instance.proxies);
        let saved = instance.saved.clone();
        let mut plans = Vec::with_capacity(proxies.len());
        for (i, proxy) in proxies.iter().enumerate() {
            let value = proxy.value.as_ref().or_else(|| saved.get(i));
            let value = value.filter(|value| ***value != Json::Null).cloned();
            plans.push((self.plan(proxy)?, value));
        }
        for (plan, value) in &plans {
            match plan {
                Plan::Own(k) => self.set(*k, value.clone()),
                Plan::Link(socket) => self.link(*socket, value.clone())?,
                Plan::Ignore | Plan::Named(_) | Plan::Primitive(_) => {}
            }
        }
        for (plan, value) in &plans {
            if let Plan::Named(name) = plan {
                let inputs = &self.loaded.levels[self.definition].inputs;
                self.budget.walk(inputs.len())?;
                let k = inputs
                    .iter()
                    .position(|i| i.source.is_some() && i.name == *name);
                if let Some(k) = k {
                    self.set(k, value.clone());
                }
            }
        }
        for (plan, value) in plans {
            if let Plan::Primitive(node) = plan {
                self.link_primitive(node, value)?;
            }
        }
        Ok(())
    }

    fn instance(&mut self) -> Option<&mut Instance> {
        let node = &mut self.loaded.levels[self.place.level].nodes[self.place.node];
        match &mut node.kind {
            NodeKind::Instance(instance) => Some(instance),
            _ => None,
        }
    }

    fn set(&mut self, k: usize, value: Option<Shared>) {
        if let (Some(instance), Some(value)) = (self.instance(), value) {
            instance.set(k, value);
        }
    }

    fn plan(&mut self, proxy: &ProxyWidget) -> Result<Plan, ConvertError> {
        if proxy.node.as_str() == "-1" {
            return Ok(Plan::Named(proxy.widget.clone()));
        }
        let level = &self.loaded.levels[self.definition];
        let Some(&place) = level.places.get(&proxy.node) else {
            return Ok(Plan::Ignore);
        };
        let node = &level.nodes[place];
        let looks = (node.slots.len() + node.widgets.len()) * PREFIXES_MAX;
        self.budget.walk(level.inputs.len() + looks)?;
        if let NodeKind::Primitive { .. } = node.kind {
            return Ok(Plan::Primitive(place));
        }
        let slot = match &node.kind {
            NodeKind::Instance(inner) => find_promoted(self.loaded, node, inner, &proxy.widget),
            _ => find_widget(node, &proxy.widget),
        };
        let Some(slot) = slot else {
            return Ok(Plan::Ignore);
        };
        let socket = Socket { node: place, slot };
        let linked = level
            .inputs
            .iter()
            .position(|input| input.source == Some(socket));
        Ok(linked.map_or(Plan::Link(socket), Plan::Own))
    }

    fn link(&mut self, socket: Socket, value: Option<Shared>) -> Result<(), ConvertError> {
        let inputs = &self.loaded.levels[self.definition].inputs;
        self.budget.walk(inputs.len())?;
        // An earlier entry may have named the same widget.
        let linked = inputs.iter().position(|input| input.source == Some(socket));
        let k = match linked {
            Some(k) => k,
            None => self.add_input(&[socket])?,
        };
        self.set(k, value);
        Ok(())
    }

    fn link_primitive(
        &mut self,
        primitive: usize,
        value: Option<Shared>,
    ) -> Result<(), ConvertError> {
        let level = &self.loaded.levels[self.definition];
        let own = level.nodes[primitive].widgets.first();
        let value = value.or_else(|| own.and_then(|widget| widget.value.clone()));
        let migrated = level.migrated_primitives.get(&primitive).copied();
        let targets = self.fed_by(primitive)?;
        let k = match migrated {
            Some(k) => k,
            None if targets.is_empty() => return Ok(()),
            None => self.add_input(&targets)?,
        };
        self.loaded.levels[self.definition]
            .migrated_primitives
            .insert(primitive, k);
        self.set(k, value);
        Ok(())
    }

    /// The sockets of widgets that a primitive is linked to.
    fn fed_by(&mut self, primitive: usize) -> Result<Vec<Socket>, ConvertError> {
        let level = &self.loaded.levels[self.definition];
        self.budget.walk(level.ends.len())?;
        let id = &level.nodes[primitive].id;
        let is_fed = |link: &Id, slot: &Slot| {
            let origin = level.links.get(link).map(|link| &link.origin);
            origin == Some(id) && slot.widget.is_some() && slot.link.as_ref() == Some(link)
        };
        let ends = level.ends.iter();
        let mut targets: Vec<Socket> = ends
            .filter(|(link, end)| is_fed(link, &level.nodes[end.node].slots[end.slot]))
            .map(|(_, end)| *end)
            .collect();
        targets.sort_by_key(|end| (end.node, end.slot));
        Ok(targets)
    }

    /// Gives the definition, and so every instance, an input that feeds `targets`; the first is its
    /// source.
    fn add_input(&mut self, targets: &[Socket]) -> Result<usize, ConvertError> {
        let level = &mut self.loaded.levels[self.definition];
        let k = level.inputs.len();
        let first = &level.nodes[targets[0].node].slots[targets[0].slot];
        let (name, kind) = (first.name.clone(), first.kind.clone());
        for (i, target) in targets.iter().enumerate() {
            let id = Id::new(format!("{INPUTS_ID}:{k}:{i}"));
            let node = &mut level.nodes[target.node];
            node.slots[target.slot].link = Some(id.clone());
            let link = Link {
                id: id.clone(),
                origin: Id::new(INPUTS_ID),
                origin_slot: i64::try_from(k).ok(),
                target: node.id.clone(),
                target_slot: Some(target.slot),
            };
            level.links.insert(id.clone(), link);
            level.ends.insert(id, *target);
        }
        level.inputs.push(LevelInput {
            name: name.clone(),
            type_name: match &kind {
                SlotKind::Plain(type_name) => type_name.clone().into_owned(),
                SlotKind::Match(_) => "*".to_owned(),
            },
            source: Some(targets[0]),
        });
        for sibling in self.siblings {
            self.budget.load(&name)?;
            self.loaded.levels[sibling.level].nodes[sibling.node]
                .slots
                .push(Slot {
                    name: name.clone(),
                    kind: kind.clone(),
                    link: None,
                    widget: Some(k),
                });
        }
        Ok(k)
    }
}

/// The socket of a widget, whose name may have ids in front, as in `12: text`.
fn find_widget(node: &LoadedNode, name: &str) -> Option<usize> {
    let mut name = name;
    for _ in 0..PREFIXES_MAX {
        if node.widgets.iter().any(|widget| widget.name == name) {
            return node
                .slots
                .iter()
                .position(|slot| slot.widget.is_some() && slot.name == name);
        }
        name = split_prefix(name)?.1;
    }
    None
}

/// The input of a nested instance that is called `name`, or that comes from a widget called so.
fn find_promoted(
    loaded: &Loaded,
    node: &LoadedNode,
    inner: &Instance,
    name: &str,
) -> Option<usize> {
    let (mut name, mut id) = (name, None);
    for _ in 0..PREFIXES_MAX {
        let mut shown = (0..node.slots.len()).filter(|&k| node.slots[k].widget.is_some());
        let found = shown.clone().find(|&k| {
            let from = id.is_some_and(|id| comes_from(loaded, inner.level, k, Some(id), name));
            from || (id.is_none() && node.slots[k].name == name)
        });
        let found = found
            .or_else(|| shown.clone().find(|&k| node.slots[k].name == name))
            .or_else(|| shown.find(|&k| comes_from(loaded, inner.level, k, None, name)));
        if found.is_some() {
            return found;
        }
        (id, name) = split_prefix(name).map(|(id, name)| (Some(id), name))?;
    }
    None
}

fn comes_from(loaded: &Loaded, level: usize, k: usize, id: Option<&str>, name: &str) -> bool {
    let Some((level, socket)) = loaded.innermost(level, k) else {
        return false;
    };
    let node = loaded.node(level, socket.node);
    id.is_none_or(|id| node.id.as_str() == id) && node.slots[socket.slot].name == name
}

fn split_prefix(name: &str) -> Option<(&str, &str)> {
    let (id, rest) = name.split_once(": ")?;
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then_some((id, rest))
}
