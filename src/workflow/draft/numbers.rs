//! The numbers that a caller may turn: seed, steps, guidance, strength, frames.

use std::collections::BTreeSet;

use super::nodes::{Held, Node, Nodes};
use super::sketch::{Found, Sketch};
use crate::workflow::check::{rounded, SEED_MAX};
use crate::workflow::contract::{Decimal, Kind, SeedSpec, Whole};
use crate::workflow::python::{to_float, Value as Limit};

/// More steps than this cost a GPU minutes and change nothing to be seen.
const STEPS_MAX: i64 = 100;

/// Above this pictures burn, whatever the model.
const GUIDANCE_MAX: f64 = 30.0;

/// A video may become this many times longer than the author's.
const FRAMES_TIMES_MAX: i64 = 2;

/// How far a number may be from a step, in steps.
const STEP_TOLERANCE: f64 = 1e-6;

pub fn find(nodes: &Nodes, sketch: &mut Sketch) {
    frames(nodes, sketch);
    if nodes.iter().any(|node| runs_in_part(nodes, &node)) {
        sketch.note("the steps are shared between samplers, so they are no input");
    } else {
        whole(nodes, sketch, "steps", STEPS_MAX);
    }
    decimal(nodes, sketch, ("cfg", "cfg"), GUIDANCE_MAX);
    decimal(nodes, sketch, ("guidance", "guidance"), GUIDANCE_MAX);
    if nodes
        .iter()
        .filter_map(|node| nodes.number(&node, "denoise"))
        .any(|held| held.value < 1.0)
    {
        decimal(nodes, sketch, ("denoise", "strength"), 1.0);
    }
    seed(nodes, sketch);
}

/// A sampler that leaves some steps to another.
fn runs_in_part(nodes: &Nodes, node: &Node) -> bool {
    let whole = |name| nodes.integer(node, name).map(|held| held.value);
    let steps = whole("steps").unwrap_or(i64::MAX);
    let ends = whole("end_at_step").is_some_and(|end| end < steps);
    ends || whole("start_at_step").is_some_and(|start| start > 0)
}

fn seed(nodes: &Nodes, sketch: &mut Sketch) {
    let mut to: Vec<String> = Vec::new();
    for node in nodes.iter() {
        for name in ["seed", "noise_seed"] {
            to.extend(nodes.held(&node, name).map(|held| held.place));
            let source = nodes.computed(&node, name);
            if let Some(source) = source.filter(|source| !is_seeded(nodes, source)) {
                sketch.note(format!(
                    "the {name} of node {} comes from node {source}, so every job has the same",
                    node.id
                ));
            }
        }
    }
    let mut seen = BTreeSet::new();
    to.retain(|place| seen.insert(place.clone()));
    if to.len() > 1 {
        sketch.note(format!(
            "{} seeds become one input: a job has one seed",
            to.len()
        ));
    }
    sketch.add(Found {
        name: "seed",
        title: None,
        required: false,
        kind: Kind::Seed(SeedSpec {}),
        to,
    });
}

/// A node with a seed of its own, which is found by itself.
fn is_seeded(nodes: &Nodes, id: &str) -> bool {
    let inputs = nodes.get(id).map(|node| node.inputs);
    let mut seeds = ["seed", "noise_seed"].into_iter();
    inputs.is_some_and(|inputs| seeds.any(|name| inputs.contains_key(name)))
}

fn frames(nodes: &Nodes, sketch: &mut Sketch) {
    let counts = |node: &Node| node.class.contains("Video") || nodes.gives(node, "LATENT");
    let makers: Vec<_> = nodes.iter().filter(counts).collect();
    for node in &makers {
        sketch.note_computed(nodes, node, &["length"]);
    }
    let found: Vec<_> = makers
        .into_iter()
        .filter_map(|node| Some((node, nodes.integer(&node, "length")?)))
        .filter(|(_, held)| held.value > 1)
        .collect();
    let Some((first, Held { value, .. })) = found.first() else {
        return;
    };
    let most = value
        .saturating_mul(FRAMES_TIMES_MAX)
        .min(SEED_MAX.cast_signed());
    let kind = Kind::Integer(range(nodes, first, ("length", *value), (1, most)));
    let same = found.iter().filter(|(_, other)| other.value == *value);
    let to = same.map(|(_, held)| held.place.clone()).collect();
    sketch.add(optional("frames", kind, to));
}

fn whole(nodes: &Nodes, sketch: &mut Sketch, name: &'static str, most: i64) {
    let found = holding(nodes, sketch, name, |node| nodes.integer(node, name));
    let found: Vec<_> = found.into_iter().filter(|(_, it)| it.value >= 1).collect();
    let Some((first, Held { value, .. })) = found.first() else {
        return;
    };
    let kind = Kind::Integer(range(nodes, first, (name, *value), (1, most)));
    let to = places(sketch, name, &found, |other| other == value);
    sketch.add(optional(name, kind, to));
}

fn decimal(nodes: &Nodes, sketch: &mut Sketch, names: (&str, &'static str), most: f64) {
    let (theirs, ours) = names;
    let found = holding(nodes, sketch, theirs, |node| nodes.number(node, theirs));
    let in_range = |held: &Held<f64>| (0.0..=most).contains(&held.value);
    let found: Vec<_> = found.into_iter().filter(|(_, it)| in_range(it)).collect();
    // With several values a caller turns the one that an author is more likely to have chosen.
    let chosen = found
        .iter()
        .find(|(_, held)| held.value < 1.0)
        .filter(|_| ours == "strength");
    let Some((first, Held { value, .. })) = chosen.or_else(|| found.first()) else {
        return;
    };
    let kind = Kind::Number(decimals(nodes, first, (theirs, *value), most));
    let near = |other: &f64| (other - value).abs() < f64::EPSILON;
    let to = places(sketch, ours, &found, near);
    sketch.add(optional(ours, kind, to));
}

/// The nodes that have a number of this name; of those that get it computed the author is told.
fn holding<'p, T>(
    nodes: &Nodes<'p>,
    sketch: &mut Sketch,
    name: &str,
    held: impl Fn(&Node<'p>) -> Option<Held<T>>,
) -> Vec<(Node<'p>, Held<T>)> {
    let found = nodes.iter().filter_map(|node| {
        sketch.note_computed(nodes, &node, &[name]);
        Some((node, held(&node)?))
    });
    found.collect()
}

/// Where the value stands that one input turns; the author is told where another does.
fn places<T>(
    sketch: &mut Sketch,
    name: &str,
    found: &[(Node, Held<T>)],
    is_same: impl Fn(&T) -> bool,
) -> Vec<String> {
    let (same, others): (Vec<_>, Vec<_>) = found.iter().partition(|(_, held)| is_same(&held.value));
    if !others.is_empty() {
        let ids: Vec<_> = others.iter().map(|(node, _)| node.id).collect();
        let ids = ids.join(", ");
        sketch.note(format!(
            "{name} keeps its own value in node {ids}, where it differs"
        ));
    }
    same.iter().map(|(_, held)| held.place.clone()).collect()
}

fn optional(name: &'static str, kind: Kind, to: Vec<String>) -> Found {
    Found {
        name,
        title: None,
        required: false,
        kind,
        to,
    }
}

/// The server's range inside ours; the author's value is always in it.
fn range(
    nodes: &Nodes,
    node: &Node,
    (input, value): (&str, i64),
    (least, most): (i64, i64),
) -> Whole {
    let spec = nodes.spec(node, input);
    let limit = |limit: Option<&Limit>| match limit {
        Some(Limit::Int(limit)) => i64::try_from(*limit).ok(),
        _ => None,
    };
    let min = limit(spec.and_then(|spec| spec.min.as_ref()));
    let max = limit(spec.and_then(|spec| spec.max.as_ref()));
    let min = min.map_or(least, |min| min.max(least)).min(value);
    let max = max.map_or(most, |max| max.min(most)).max(value);
    let step = limit(spec.and_then(|spec| spec.options.get("step")));
    let fits = |step: &i64| *step > 1 && value.wrapping_sub(min) % step == 0;
    Whole {
        min,
        max,
        step: step.filter(fits),
        default: Some(value),
        default_from: None,
    }
}

fn decimals(nodes: &Nodes, node: &Node, (input, value): (&str, f64), most: f64) -> Decimal {
    let spec = nodes.spec(node, input);
    let limit = |limit: Option<&Limit>| to_float(limit?).ok().filter(|it| it.is_finite());
    let min = limit(spec.and_then(|spec| spec.min.as_ref()));
    let max = limit(spec.and_then(|spec| spec.max.as_ref()));
    let value = rounded(value);
    let min = rounded(min.map_or(0.0, |min| min.max(0.0)).min(value));
    let step = limit(spec.and_then(|spec| spec.options.get("step"))).map(rounded);
    let fits = |step: &f64| {
        let steps = (value - min) / step;
        *step > 0.0 && (steps - steps.round()).abs() < STEP_TOLERANCE
    };
    Decimal {
        min,
        max: rounded(max.map_or(most, |max| max.min(most)).max(value)),
        step: step.filter(fits),
        default: Some(value),
        default_from: None,
    }
}
