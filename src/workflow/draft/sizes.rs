//! The size: a choice of ratios around the author's own, each with about as many pixels.

use std::collections::BTreeMap;

use super::labels;
use super::nodes::{Node, Nodes};
use super::sketch::Sketch;
use crate::workflow::contract::{Choice, Kind, Label, Options};
use crate::workflow::python::Value;

/// What latents of every model divide by, where the server does not say more.
const STEP_PX: u32 = 16;

/// The largest side that is taken for one; ComfyUI's own limit.
const SIDE_PX_MAX: u32 = 16_384;

/// How far a size may be from a ratio that it is called by.
const RATIO_TOLERANCE: f64 = 0.03;

/// Wide, high, English, Thai.
const RATIOS: [(u32, u32, &str, &str); 7] = [
    (1, 1, "Square", "จัตุรัส"),
    (16, 9, "Wide", "แนวนอนกว้าง"),
    (9, 16, "Tall", "แนวตั้งสูง"),
    (4, 3, "Landscape 4:3", "แนวนอน 4:3"),
    (3, 4, "Portrait 3:4", "แนวตั้ง 3:4"),
    (3, 2, "Landscape 3:2", "แนวนอน 3:2"),
    (2, 3, "Portrait 2:3", "แนวตั้ง 2:3"),
];

/// The sides of what a node makes, and where they stand.
struct Sized<'p> {
    node: Node<'p>,
    sides: [u32; 2],
    places: [String; 2],
}

const SIDES: [&str; 2] = ["width", "height"];

pub fn find(nodes: &Nodes, sketch: &mut Sketch) {
    let is_canvas = |node: &Node| {
        node.class.starts_with("Empty")
            || node.class.contains("ToVideo")
            || nodes.gives(node, "LATENT")
    };
    for node in nodes.iter().filter(is_canvas) {
        sketch.note_computed(nodes, &node, &SIDES);
    }
    let sized: Vec<Sized> = nodes.iter().filter_map(|node| size(nodes, node)).collect();
    let Some(canvas) = sized.iter().find(|it| is_canvas(&it.node)) else {
        return;
    };
    let (same, others): (Vec<_>, Vec<_>) = sized.iter().partition(|it| it.sides == canvas.sides);
    for other in others.iter().filter(|it| is_canvas(&it.node)) {
        let ([width, height], id) = (other.sides, other.node.id);
        sketch.note(format!("node {id} keeps its own size, {width} x {height}"));
    }
    let options = choices(canvas.sides, step(nodes, &canvas.node));
    sketch.add_choice("ratio", Kind::Choice(options));
    for (i, side) in SIDES.into_iter().enumerate() {
        let places = same.iter().map(|it| it.places[i].clone()).collect();
        sketch.add_derived(side, "ratio", places);
    }
}

/// Sides that are one number cannot have a ratio but theirs.
fn size<'p>(nodes: &Nodes<'p>, node: Node<'p>) -> Option<Sized<'p>> {
    let side = |name| {
        let held = nodes.integer(&node, name)?;
        let side = u32::try_from(held.value).ok()?;
        (1..=SIDE_PX_MAX)
            .contains(&side)
            .then_some((side, held.place))
    };
    let ((width, its), (height, theirs)) = (side(SIDES[0])?, side(SIDES[1])?);
    (its != theirs).then_some(Sized {
        node,
        sides: [width, height],
        places: [its, theirs],
    })
}

/// Both sides must divide by it.
fn step(nodes: &Nodes, canvas: &Node) -> u32 {
    let step = |side| match nodes.spec(canvas, side)?.options.get("step")? {
        Value::Int(step) => u32::try_from(*step).ok(),
        _ => None,
    };
    let steps = SIDES.into_iter().filter_map(step);
    steps
        .chain([STEP_PX])
        .max()
        .unwrap_or(STEP_PX)
        .min(SIDE_PX_MAX)
}

fn choices([width, height]: [u32; 2], step: u32) -> Options {
    let own = f64::from(width) / f64::from(height);
    let pixels = f64::from(width) * f64::from(height);
    let distance = |ratio: f64| (own / ratio - 1.0).abs();
    let ratio = |(wide, high): (u32, u32)| f64::from(wide) / f64::from(high);
    let nearest = RATIOS
        .iter()
        .map(|(wide, high, ..)| (*wide, *high))
        .filter(|sides| distance(ratio(*sides)) < RATIO_TOLERANCE)
        .min_by(|a, b| distance(ratio(*a)).total_cmp(&distance(ratio(*b))));
    let mut choices = Vec::new();
    if nearest.is_none() {
        let label = labels::same(&format!("{width} x {height}"));
        choices.push(choice(format!("{width}x{height}"), label, [width, height]));
    }
    for (wide, high, en, th) in RATIOS {
        let size = if nearest == Some((wide, high)) {
            [width, height]
        } else {
            sized(pixels, ratio((wide, high)), step)
        };
        let label = Label {
            en: en.to_owned(),
            th: th.to_owned(),
        };
        choices.push(choice(format!("{wide}:{high}"), label, size));
    }
    let default = nearest.map_or(format!("{width}x{height}"), |(w, h)| format!("{w}:{h}"));
    Options {
        default: Some(default),
        choices,
    }
}

/// The sides of a ratio with about this many pixels, on the step.
fn sized(pixels: f64, ratio: f64, step: u32) -> [u32; 2] {
    let side = |length: f64| {
        // At most SIDE_PX_MAX squared went in, so that the root fits by far.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let steps = (length / f64::from(step)).round() as u32;
        (steps.max(1) * step).min(SIDE_PX_MAX / step * step)
    };
    [side((pixels * ratio).sqrt()), side((pixels / ratio).sqrt())]
}

fn choice(value: String, label: Label, [width, height]: [u32; 2]) -> Choice {
    let values = [("width", width), ("height", height)];
    Choice {
        value,
        label,
        phrase: None,
        needs: None,
        values: BTreeMap::from(values.map(|(name, side)| (name.to_owned(), side.into()))),
    }
}
