//! A contract against its template: every place exists, nothing is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::super::prompt::is_editor_graph;
use super::super::{Contract, MediaKind, Protocol};
use super::{switches, Report};

/// How the names of model files end; ComfyUI lists no others.
pub const MODEL_FILE_ENDS: [&str; 5] = [".safetensors", ".sft", ".gguf", ".ckpt", ".pth"];

/// What ComfyUI's own savers save. A page shows an output by its kind.
const SAVED: [(&str, MediaKind); 8] = [
    ("SaveImage", MediaKind::Image),
    ("SaveAnimatedPNG", MediaKind::Image),
    ("SaveAnimatedWEBP", MediaKind::Image),
    ("SaveVideo", MediaKind::Video),
    ("SaveWEBM", MediaKind::Video),
    ("SaveAudio", MediaKind::Audio),
    ("SaveAudioMP3", MediaKind::Audio),
    ("SaveAudioOpus", MediaKind::Audio),
];

pub fn lint(contract: &Contract, template: &Value, report: &mut Report) {
    places(contract, template, report);
    match contract.protocol {
        Protocol::Comfyui => {
            if nodes(template, report) {
                outputs(contract, template, report);
                requires(contract, template, report);
                switches::lint(contract, template, report);
            }
        }
        Protocol::Task => {
            let task = template["task"]
                .as_str()
                .is_some_and(|task| !task.is_empty());
            let message = "a task is {\"task\": \"…\", \"payload\": {…}}";
            let fits = task && template["payload"].is_object();
            report.expect(fits, "template:", "bad_template", message);
        }
    }
}

/// Every value has places, every place is there, and no two values share one.
fn places(contract: &Contract, template: &Value, report: &mut Report) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let inputs = contract.inputs.iter().enumerate();
    let inputs = inputs.map(|(i, x)| (format!("/inputs/{i}/to"), &x.name, &x.to));
    let derived = contract.derived.iter().enumerate();
    let derived = derived.map(|(i, x)| (format!("/derived/{i}/to"), &x.name, &x.to));
    let composed = contract.compose.iter().enumerate();
    let composed = composed.map(|(i, x)| (format!("/compose/{i}/to"), &x.name, &x.to));
    for (path, name, to) in inputs.chain(derived).chain(composed) {
        for (k, place) in to.iter().enumerate() {
            let path = format!("{path}/{k}");
            let found = template.pointer(place);
            let plain = found.is_some_and(|value| !value.is_array() && !value.is_object());
            let shape = shape_of_places(contract.protocol);
            let message = format!(
                "the template has no plain value at {place}; a place is {shape} \
                 where no link stands"
            );
            let fits = plain && is_place(contract.protocol, place);
            report.expect(fits, &path, "bad_place", &message);
            if let Some(owner) = owners.insert(place, name) {
                report.flaw(
                    path,
                    "duplicate",
                    format!("{owner} already goes to {place}"),
                );
            }
        }
    }
    unused(contract, report);
    for (i, rule) in contract.rules.iter().enumerate() {
        let places = rule.remove.iter().chain(rule.set.keys());
        for place in places.filter(|place| template.pointer(place).is_none()) {
            let message = format!("the template has nothing at {place}");
            report.flaw(format!("/rules/{i}"), "bad_place", message);
        }
        let shape = shape_of_places(contract.protocol);
        let set = rule.set.keys();
        for place in set.filter(|place| !is_place(contract.protocol, place)) {
            let message = format!("{place} cannot be set; a place is {shape}");
            report.flaw(format!("/rules/{i}"), "bad_place", message);
        }
    }
}

const fn shape_of_places(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Comfyui => "/<node id>/inputs/<name>, but no filename_prefix, which is ours,",
        Protocol::Task => "/payload/<field>",
    }
}

/// Whether a value may be put there: never the class of a node or the name of a task, which the
/// caller would then choose, nor a prefix, which is replaced.
fn is_place(protocol: Protocol, place: &str) -> bool {
    let steps: Vec<&str> = place.split('/').collect();
    match (protocol, &steps[..]) {
        (Protocol::Comfyui, ["", _, "inputs", name]) => *name != "filename_prefix",
        (Protocol::Task, ["", "payload", _, ..]) => true,
        _ => false,
    }
}

/// An input that changes nothing promises something that is not kept.
fn unused(contract: &Contract, report: &mut Report) {
    for (i, input) in contract.inputs.iter().enumerate() {
        let name = input.name.as_str();
        let derives = contract.derived.iter().any(|d| d.from == name);
        let composes = contract
            .compose
            .iter()
            .flat_map(|c| &c.parts)
            .any(|part| match part {
                super::super::Part::Input(from) => from.input == name,
                super::super::Part::Literal(_) => false,
            });
        let switches = contract.rules.iter().any(|rule| rule.when.input() == name);
        let echoes = contract.echo.iter().any(|echo| echo == name);
        let used = !input.to.is_empty() || derives || composes || switches || echoes;
        let message =
            format!("{name} is asked for and goes nowhere; give it a place in to, or remove it");
        report.expect(used, &format!("/inputs/{i}"), "bad_place", &message);
    }
}

/// Whether the template has the shape of an API-format prompt whose links lead somewhere.
fn nodes(template: &Value, report: &mut Report) -> bool {
    if is_editor_graph(template) {
        let message = "this is a workflow as the editor saves it; turn it into a prompt with \
                       ops convert, or use Export (API)";
        report.flaw("template:", "bad_template", message);
        return false;
    }
    let Some(nodes) = template.as_object().filter(|nodes| !nodes.is_empty()) else {
        let message = "this is no API-format prompt: an object of nodes by their ids is wanted";
        report.flaw("template:", "bad_template", message);
        return false;
    };
    let before = report.flaws.len();
    for (id, node) in nodes {
        let (Some(_), Some(inputs)) = (node["class_type"].as_str(), node["inputs"].as_object())
        else {
            let message = "this is no node: it needs a class_type and inputs";
            report.flaw(format!("template:/{id}"), "bad_template", message);
            continue;
        };
        for (name, value) in inputs {
            let link = value.as_array().and_then(|link| link.first());
            let source = link.and_then(Value::as_str);
            if link.is_some() && !source.is_some_and(|source| nodes.contains_key(source)) {
                let path = format!("template:/{id}/inputs/{name}");
                let message = "the link leads to no node; a link is [\"<node id>\", <slot>]";
                report.flaw(path, "bad_template", message);
            }
        }
    }
    report.flaws.len() == before
}

/// What a node saves and nobody declares is paid for and lost.
fn outputs(contract: &Contract, template: &Value, report: &mut Report) {
    let declared: BTreeSet<_> = contract
        .outputs
        .iter()
        .filter_map(|o| o.node.as_deref())
        .collect();
    for (i, output) in contract.outputs.iter().enumerate() {
        let node = output.node.as_deref().and_then(|id| template.get(id));
        let names = node.is_some_and(|node| node["inputs"]["filename_prefix"].is_string());
        let message = "an output is a node of the template whose filename_prefix is a text";
        report.expect(
            names,
            &format!("/outputs/{i}/node"),
            "bad_reference",
            message,
        );
        let class = node.and_then(|node| node["class_type"].as_str());
        let saved = SAVED.iter().find(|(known, _)| Some(*known) == class);
        if let Some((class, kind)) = saved.filter(|(_, kind)| *kind != output.kind) {
            let message = format!("{class} saves files of kind {}", kind.as_str());
            report.flaw(format!("/outputs/{i}/kind"), "mismatch", message);
        }
    }
    for (id, node) in template.as_object().into_iter().flatten() {
        let saves = node["inputs"].get("filename_prefix").is_some();
        let message =
            "the node saves files and is not among the outputs; list it there or remove it";
        let known = !saves || declared.contains(id.as_str());
        report.expect(known, &format!("template:/{id}"), "mismatch", message);
    }
}

/// The requirements are exactly what the template uses.
fn requires(contract: &Contract, template: &Value, report: &mut Report) {
    let nodes = || {
        template
            .as_object()
            .into_iter()
            .flat_map(|nodes| nodes.values())
    };
    let classes: BTreeSet<_> = nodes()
        .filter_map(|node| node["class_type"].as_str())
        .collect();
    let inputs = nodes()
        .filter_map(|node| node["inputs"].as_object())
        .flatten();
    let files: BTreeSet<_> = inputs
        .filter_map(|(_, value)| value.as_str())
        .filter(|text| MODEL_FILE_ENDS.iter().any(|end| text.ends_with(end)))
        .collect();
    let required = &contract.requires;
    let declared = required.node_classes.iter().map(String::as_str).collect();
    compare(&classes, &declared, "/requires/node_classes", report);
    let declared = required
        .models
        .iter()
        .map(|model| model.file.as_str())
        .collect();
    compare(&files, &declared, "/requires/models", report);
}

fn compare(used: &BTreeSet<&str>, declared: &BTreeSet<&str>, path: &str, report: &mut Report) {
    for name in used.difference(declared) {
        report.flaw(
            path,
            "mismatch",
            format!("the template uses {name}; list it here"),
        );
    }
    for name in declared.difference(used) {
        report.flaw(
            path,
            "mismatch",
            format!("the template does not use {name}; take it out here"),
        );
    }
}
