//! Primitives: nodes that write their value into the widgets they are linked to, before anything is
//! sent.

use std::collections::HashMap;
use std::sync::Arc;

use crate::workflow::graph::Id;
use crate::workflow::json::{Json, Shared};

use super::budget::Budget;
use super::error::ConvertError;
use super::inputs::WidgetKind;
use super::loaded::{Level, Loaded, NodeKind, Socket};
use super::names::Names;
use super::range::Range;
use super::widgets::Role;
use super::Options;

/// Writes the value of every primitive, at every level, whatever the modes.
pub fn apply(
    loaded: &mut Loaded,
    options: &Options,
    budget: &mut Budget,
) -> Result<(), ConvertError> {
    for (level, writes) in find_writes(loaded, options, budget)?
        .into_iter()
        .enumerate()
    {
        let nodes = &mut loaded.levels[level].nodes;
        for (target, value) in writes {
            let node = &mut nodes[target.node];
            match (&mut node.kind, node.slots[target.slot].widget) {
                (NodeKind::Instance(instance), Some(k)) => instance.set(k, value),
                (_, Some(place)) => {
                    if let Some(widget) = node.widgets.get_mut(place) {
                        widget.value = passed(&widget.role, value);
                    }
                }
                (_, None) => {}
            }
        }
    }
    Ok(())
}

type Writes = Vec<(Socket, Shared)>;

/// Of each level, the sockets of widgets that a primitive is linked to, and its value.
fn find_writes(
    loaded: &Loaded,
    options: &Options,
    budget: &mut Budget,
) -> Result<Vec<Writes>, ConvertError> {
    let mut names = Names::new(loaded, options);
    let mut all = Vec::with_capacity(loaded.levels.len());
    for (place, level) in loaded.levels.iter().enumerate() {
        let mut writes = Writes::new();
        for (node, targets) in targets_of_primitives(level) {
            let NodeKind::Primitive { replaces_names, .. } = level.nodes[node].kind else {
                continue;
            };
            let Some(value) = value_of(loaded, place, node, &targets) else {
                continue;
            };
            let value = match &*value {
                Json::Text(text) if replaces_names => {
                    Arc::new(Json::Text(names.replace(text, budget)?))
                }
                other if replaces_names && other.is_truthy() => {
                    let node = level.nodes[node].id.to_string();
                    return Err(ConvertError::PrimitiveNotText { node });
                }
                _ => value,
            };
            writes.extend(targets.into_iter().map(|target| (target, value.clone())));
        }
        all.push(writes);
    }
    Ok(all)
}

/// The primitives of a level by place, each with its targets in the order of its links. Links that
/// it does not list come after those that it does.
fn targets_of_primitives(level: &Level) -> Vec<(usize, Vec<Socket>)> {
    let mut ranked: Vec<(usize, usize, Socket)> = Vec::new();
    let mut ranks: HashMap<usize, HashMap<&Id, usize>> = HashMap::new();
    for (link, &target) in &level.ends {
        let origin = level.links.get(link);
        let origin = origin.and_then(|link| level.places.get(&link.origin).copied());
        let Some(origin) = origin else { continue };
        let NodeKind::Primitive { links, .. } = &level.nodes[origin].kind else {
            continue;
        };
        let slot = &level.nodes[target.node].slots[target.slot];
        // A link that a migration replaced counts no more.
        if slot.link.as_ref() != Some(link) {
            continue;
        }
        let places = ranks.entry(origin).or_insert_with(|| {
            let links = links.iter().enumerate();
            links.map(|(place, link)| (link, place)).collect()
        });
        let rank = places.get(link).copied().unwrap_or(usize::MAX);
        ranked.push((origin, rank, target));
    }
    ranked.sort_by_key(|(origin, rank, target)| (*origin, *rank, target.node, target.slot));
    let of_each = ranked.chunk_by(|(one, ..), (other, ..)| one == other);
    let in_order = of_each.map(|of_one| {
        let targets = of_one.iter().map(|(.., target)| *target);
        (of_one[0].0, targets.collect())
    });
    in_order.collect()
}

/// What a primitive shows: its saved value, or that of its first target, after it has passed what
/// its targets have in common.
fn value_of(loaded: &Loaded, level: usize, node: usize, targets: &[Socket]) -> Option<Shared> {
    let nodes = &loaded.levels[level].nodes;
    let saved = nodes[node].widgets.first().and_then(|w| w.value.clone());
    let first = *targets.first()?;
    let value = saved.or_else(|| match &nodes[first.node].kind {
        NodeKind::Instance(instance) => loaded.promoted(instance, first.slot)?.0,
        _ => nodes[first.node].widget_of(first.slot)?.value.clone(),
    })?;
    let ranges = targets.iter().map(|target| {
        let node = &nodes[target.node];
        let has_own_range = node.instance().is_none();
        range_of(&node.widget_of(target.slot).filter(|_| has_own_range)?.role)
    });
    Some(shown(value, ranges))
}

/// The number after the primitive's own widget has taken it, once for each target. The type is that
/// of the first; targets that have nothing in common with those before them change nothing.
fn shown<'r>(value: Shared, mut ranges: impl Iterator<Item = Option<&'r Range>>) -> Shared {
    let Some(Some(first)) = ranges.next() else {
        return value;
    };
    let mut common = first.clone();
    let mut value = Arc::unwrap_or_clone(value);
    for range in std::iter::once(first).chain(ranges.flatten()) {
        if let Some(narrower) = common.common(range) {
            value = narrower.pass(narrower.clamp(value));
            common = narrower;
        }
    }
    Arc::new(value)
}

/// A number passes the target's own range; everything else is taken as the target takes what was
/// saved.
fn passed(role: &Role, value: Shared) -> Option<Shared> {
    match (range_of(role), role) {
        (Some(range), _) => Some(Arc::new(range.pass(Arc::unwrap_or_clone(value)))),
        (None, Role::Input { spec, .. }) => spec.mended(Some(value)),
        (None, _) => Some(value),
    }
}

fn range_of<'d>(role: &Role<'d>) -> Option<&'d Range> {
    match role {
        Role::Input { spec, .. } => match &spec.kind {
            WidgetKind::Number(range) => Some(range),
            _ => None,
        },
        _ => None,
    }
}
