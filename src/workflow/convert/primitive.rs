//! Primitives: nodes that write their value into the widgets they are linked to, before anything is
//! sent.

use std::sync::Arc;

use crate::workflow::json::{Json, Shared};

use super::budget::Budget;
use super::error::ConvertError;
use super::inputs::{Range, WidgetKind};
use super::loaded::{Loaded, NodeKind, Socket};
use super::names::Names;
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
                        widget.value = Some(passed(&widget.role, value));
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
    for level in &loaded.levels {
        let mut values: Vec<Option<Shared>> = Vec::with_capacity(level.nodes.len());
        for node in &level.nodes {
            let value = node.widgets.first().and_then(|widget| widget.value.clone());
            values.push(match (&node.kind, value) {
                (NodeKind::Primitive { replaces_names }, Some(value)) => match value.as_text() {
                    Some(text) if *replaces_names => {
                        Some(Arc::new(Json::Text(names.replace(text, budget)?)))
                    }
                    _ => Some(value),
                },
                _ => None,
            });
        }
        let mut writes = Vec::new();
        for (link, target) in &level.ends {
            let origin = level
                .links
                .get(link)
                .and_then(|link| level.places.get(&link.origin));
            let value = origin.and_then(|&origin| values[origin].clone());
            let slot = &level.nodes[target.node].slots[target.slot];
            // A link that a migration replaced counts no more.
            if let (Some(value), true) = (value, slot.link.as_ref() == Some(link)) {
                writes.push((*target, value));
            }
        }
        all.push(writes);
    }
    Ok(all)
}

/// A number must pass the target's range; everything else is taken as it is.
fn passed(role: &Role, value: Shared) -> Shared {
    let Role::Input { spec, .. } = role else {
        return value;
    };
    match &spec.kind {
        WidgetKind::Int(range) => Arc::new(Json::Number(stepped(number_of(&value), range))),
        WidgetKind::Float(range) => Arc::new(Json::Number(rounded(number_of(&value), range))),
        _ => value,
    }
}

/// The number that JavaScript makes of a value in a calculation.
fn number_of(value: &Json) -> f64 {
    match value {
        Json::Null => 0.0,
        Json::Bool(b) => f64::from(u8::from(*b)),
        Json::Number(n) => *n,
        Json::Text(text) if text.trim().is_empty() => 0.0,
        Json::Text(text) => text.trim().parse().unwrap_or(f64::NAN),
        Json::List(_) | Json::Object(_) => f64::NAN,
    }
}

fn stepped(n: f64, range: &Range) -> f64 {
    let remainder = range.min % range.step;
    let offset = if remainder.is_nan() { 0.0 } else { remainder };
    clamped(
        round_up_halves((n - offset) / range.step) * range.step + offset,
        range,
    )
}

fn rounded(n: f64, range: &Range) -> f64 {
    let unit = range
        .round
        .unwrap_or_else(|| 10_f64.powi(-decimals(range.step)));
    let raw = round_up_halves(n / unit) * unit;
    // Through its text, so that 3 times 0.1 is 0.3.
    let places = unit
        .to_string()
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    clamped(format!("{raw:.places$}").parse().unwrap_or(raw), range)
}

/// How many decimals a step has: two for 0.01.
fn decimals(step: f64) -> i32 {
    let places = -step.log10().floor();
    // Doubles have no more decimals than that; not-a-number becomes 0.
    #[allow(clippy::cast_possible_truncation)]
    return places.clamp(0.0, 300.0) as i32;
}

/// JavaScript rounds halves towards infinity.
fn round_up_halves(n: f64) -> f64 {
    let down = n.floor();
    if n - down >= 0.5 {
        down + 1.0
    } else {
        down
    }
}

fn clamped(n: f64, range: &Range) -> f64 {
    if n > range.max {
        range.max
    } else if n < range.min {
        range.min
    } else {
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: Range = Range {
        min: 1.0,
        max: 16384.0,
        step: 8.0,
        round: None,
    };

    #[test]
    fn whole_numbers_fall_on_the_steps_from_the_minimum() {
        for (given, taken) in [
            (77.6, 81.0),
            (76.0, 73.0),
            (999_999.0, 16384.0),
            (-5.0, 1.0),
        ] {
            assert!((stepped(given, &WIDTH) - taken).abs() < 1e-9, "{given}");
        }
    }

    #[test]
    fn fractions_are_rounded_without_a_trace_of_binary() {
        let tenths = Range {
            min: 0.0,
            max: 100.0,
            step: 0.1,
            round: None,
        };
        assert_eq!(rounded(0.34, &tenths).to_string(), "0.3");
        let cents = Range {
            round: Some(0.01),
            ..tenths
        };
        assert_eq!(rounded(0.145, &cents).to_string(), "0.14");
        assert_eq!(rounded(1e9, &cents).to_string(), "100");
    }
}
