//! The prompts: texts that a sampler is led to, by what it wants and by what it avoids.

use std::collections::{BTreeMap, HashSet};

use super::nodes::{Node, Nodes};
use super::sketch::{Found, Sketch};
use crate::workflow::contract::{Kind, Text, TEXT_LENGTH_MAX_DEFAULT};

/// The inputs in which nodes that make conditioning hold their words.
const WORDS: [&str; 9] = [
    "text", "prompt", "text_g", "text_l", "clip_g", "clip_l", "t5xxl", "llama", "tags",
];

/// The inputs in which nodes that only hold a text have it.
const HELD: [&str; 3] = ["value", "text", "string"];

/// The inputs by which texts are put together.
const JOINED: [&str; 2] = ["string_a", "string_b"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    Wanted,
    Avoided,
}

/// Somewhere on the way from a sampler to its words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Step<'p> {
    role: Role,
    node: &'p str,
    /// Conditioning that is both wanted and avoided leaves a node by different slots.
    slot: u64,
    /// Whether a text is asked for, rather than conditioning.
    is_text: bool,
}

pub fn find(nodes: &Nodes, sketch: &mut Sketch) {
    let mut found = trace(nodes, nodes.iter().flat_map(|node| starts(&node)).collect());
    if !found.iter().any(|words| words.role == Role::Wanted) {
        found.extend(by_name(nodes, &found));
    }
    for words in grouped(found) {
        let (name, required) = match words.role {
            Role::Wanted => ("prompt", true),
            Role::Avoided => ("negative_prompt", false),
        };
        let length = u32::try_from(words.text.chars().count()).unwrap_or(u32::MAX);
        let kind = Kind::String(Text {
            min_length: u32::from(required),
            max_length: TEXT_LENGTH_MAX_DEFAULT.max(length),
            multiline: true,
            default: (!required).then(|| printable(words.text)),
        });
        sketch.add(Found {
            name,
            title: words.title.map(str::to_owned),
            required,
            kind,
            to: words.places,
        });
    }
    if sketch.inputs.iter().all(|input| input.name != "prompt") {
        sketch.note("no prompt was found: no text leads to a sampler");
    }
}

/// The words of one node.
struct Words<'p> {
    role: Role,
    text: &'p str,
    title: Option<&'p str>,
    places: Vec<String>,
}

/// Goes from where words are wanted up to the texts.
fn trace<'p>(nodes: &Nodes<'p>, mut steps: Vec<Step<'p>>) -> Vec<Words<'p>> {
    // The wanted ones are walked first: a text that is both is a prompt.
    steps.sort_by_key(|step| std::cmp::Reverse(step.role));
    let mut seen: HashSet<Step> = steps.iter().copied().collect();
    let mut found: BTreeMap<usize, Words> = BTreeMap::new();
    let order: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id, i)).collect();
    while let Some(step) = steps.pop() {
        let Some(node) = nodes.get(step.node) else {
            continue;
        };
        let names = if step.is_text { &HELD[..] } else { &WORDS[..] };
        if let Some(words) = words(step.role, &node, names) {
            found.entry(order[node.id]).or_insert(words);
        }
        for next in onward(&node, step, names) {
            if seen.insert(next) {
                steps.push(next);
            }
        }
    }
    found.into_values().collect()
}

/// Where conditioning enters a sampler or a guider.
fn starts<'p>(node: &Node<'p>) -> Vec<Step<'p>> {
    let mut inputs = vec![("positive", Role::Wanted), ("negative", Role::Avoided)];
    if node.class.ends_with("Guider") {
        inputs.extend(["conditioning", "cond1", "cond2"].map(|name| (name, Role::Wanted)));
    }
    let steps = inputs.into_iter().filter_map(|(name, role)| {
        let (node, slot) = node.link(name)?;
        Some(conditioning(role, node, slot))
    });
    steps.collect()
}

const fn conditioning(role: Role, node: &str, slot: u64) -> Step<'_> {
    Step {
        role,
        node,
        slot,
        is_text: false,
    }
}

/// The literal texts of a node; the longest stands for all of them.
fn words<'p>(role: Role, node: &Node<'p>, names: &[&str]) -> Option<Words<'p>> {
    let held: Vec<_> = names
        .iter()
        .filter_map(|name| Some((node.text(name)?, node.place(name))))
        .collect();
    let longest = held
        .iter()
        .map(|(text, _)| *text)
        .max_by_key(|text| text.len())?;
    Some(Words {
        role,
        text: longest,
        title: node.title,
        places: held.into_iter().map(|(_, place)| place).collect(),
    })
}

/// The nodes that a node has its words or its conditioning from.
fn onward<'p>(node: &Node<'p>, step: Step<'p>, names: &[&str]) -> Vec<Step<'p>> {
    let joined = JOINED.iter().filter(|_| step.is_text);
    let texts = names
        .iter()
        .chain(joined)
        .filter_map(|name| node.link(name));
    let texts: Vec<_> = texts
        .map(|(node, slot)| Step {
            is_text: true,
            ..conditioning(step.role, node, slot)
        })
        .collect();
    // What is zeroed says nothing, whatever its words were.
    if step.is_text || !texts.is_empty() || node.class == "ConditioningZeroOut" {
        return texts;
    }
    let splits = node.link("positive").is_some() && node.link("negative").is_some();
    let role = match (splits, step.slot) {
        (true, 0) => Role::Wanted,
        (true, 1) => Role::Avoided,
        _ => step.role,
    };
    let leads = |name: &str| match name {
        "positive" => role == Role::Wanted,
        "negative" => role == Role::Avoided,
        name => name.starts_with("conditioning"),
    };
    let links = node.inputs.keys().filter(|name| leads(name));
    let links = links.filter_map(|name| node.link(name));
    links
        .map(|(node, slot)| conditioning(role, node, slot))
        .collect()
}

/// Without a sampler that says so: whatever is called a prompt, also inside a dynamic input.
fn by_name<'p>(nodes: &Nodes<'p>, found: &[Words]) -> Vec<Words<'p>> {
    let known: HashSet<&String> = found.iter().flat_map(|words| &words.places).collect();
    let (mut named, mut linked) = (Vec::new(), Vec::new());
    for node in nodes.iter() {
        for (role, names) in called(&node) {
            named.extend(words(role, &node, &names));
            let links = names.iter().filter_map(|name| node.link(name));
            linked.extend(links.map(|(node, slot)| Step {
                is_text: true,
                ..conditioning(role, node, slot)
            }));
        }
    }
    named.extend(trace(nodes, linked));
    named.retain(|words| !words.places.iter().any(|place| known.contains(place)));
    named
}

/// The inputs of a node that are called prompts.
fn called<'p>(node: &Node<'p>) -> Vec<(Role, Vec<&'p str>)> {
    let last = |name: &'p String| name.rsplit('.').next().unwrap_or(name);
    let encodes = node.class.contains("TextEncode");
    let names = |wanted: &dyn Fn(&str) -> bool| {
        let names = node.inputs.keys().filter(|name| wanted(last(name)));
        names.map(String::as_str).collect()
    };
    let is_wanted = |name: &str| name == "prompt" || (encodes && WORDS.contains(&name));
    vec![
        (Role::Wanted, names(&is_wanted)),
        (Role::Avoided, names(&|name| name == "negative_prompt")),
    ]
}

/// Nodes with the same words in the same role become one input.
fn grouped(found: Vec<Words>) -> Vec<Words> {
    let mut groups: Vec<Words> = Vec::new();
    let mut places: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    for words in found {
        let key = (words.role, words.text);
        if let Some(at) = places.get(&key) {
            groups[*at].places.extend(words.places);
        } else {
            places.insert(key, groups.len());
            groups.push(words);
        }
    }
    groups.sort_by_key(|group| group.role);
    groups
}

/// A default without the control characters that a caller could not send either.
fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let kept = text
        .chars()
        .filter(|c| !c.is_control() || "\n\t".contains(*c));
    kept.collect::<String>().trim().to_owned()
}
