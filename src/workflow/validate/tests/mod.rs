//! Small cases, one rule each.

mod answers;
mod fuzz;
mod inputs;
mod links;
mod structure;

use super::{validate, Outcome};
use crate::workflow::prompt::Prompt;
use crate::workflow::schema::Schema;

/// A few classes of every sort. `Picture` and `Save` are V1, the others V3 where it matters.
const OBJECT_INFO: &str = r#"{
    "Picture": {"input": {"required": {
        "width": ["INT", {"min": 1, "max": 64}],
        "scale": ["FLOAT", {"min": 0.5, "max": 2.0}],
        "mode": [["fast", "it's"]]},
        "optional": {"label": ["STRING", {}], "tiled": ["BOOLEAN"], "mask": ["MASK"]}},
        "output": ["IMAGE", "MASK"], "output_node": false},
    "Invert": {"input": {"required": {"image": ["IMAGE", {}]}, "optional": {"mask": ["MASK"]}},
        "output": ["IMAGE"], "output_node": false},
    "Save": {"input": {"required": {"image": ["IMAGE", {}]}, "hidden": {"prompt": "PROMPT"}},
        "output": [], "output_node": true},
    "Resize": {"input": {"required": {"how": ["COMFY_DYNAMICCOMBO_V3", {"options": [
            {"key": "times", "inputs": {"required": {"factor": ["FLOAT", {"min": 0.1}]}}},
            {"key": "to", "inputs": {"optional": {"side": ["COMFY_DYNAMICCOMBO_V3", {"options": [
                {"key": "long", "inputs": {"required": {"pixels": ["INT", {}]}}}]}]}}}]}]}},
        "output": ["IMAGE"], "output_node": true, "api_node": false},
    "Batch": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": {
            "input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image",
            "min": 1, "max": 3}}]}},
        "output": ["IMAGE"], "output_node": true, "api_node": true},
    "Rate": {"input": {"required": {"rate": ["FLOAT,INT", {"min": 1.0, "max": 60.0}]}},
        "output": [], "output_node": true, "api_node": false},
    "Tags": {"input": {"required": {"tags": ["COMBO", {"options": ["a", 1, "b"],
            "multiselect": true}]}},
        "output": ["COMBO"], "output_node": true, "api_node": false},
    "LoadImage": {"input": {"required": {"image": [["cat.png"], {"image_upload": true}]}},
        "output": ["IMAGE", "MASK"], "output_node": true},
    "LoadVideo": {"input": {"required": {"file": ["COMBO", {"options": ["cat.mp4"]}]}},
        "output": ["VIDEO"], "output_node": true, "api_node": false},
    "Load3D": {"input": {"required": {"model_file": ["COMBO", {"options": ["none"]}],
            "width": ["INT", {"min": 1}]}},
        "output": [], "output_node": true, "api_node": false},
    "BatchImagesNode": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": {
            "input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image",
            "min": 1, "max": 3}}]}},
        "output": ["IMAGE"], "output_node": true, "api_node": false}}"#;

/// A picture without faults, to link to.
const PICTURE: &str =
    r#""p": {"class_type": "Picture", "inputs": {"width": 8, "scale": 1, "mode": "fast"}}"#;

fn schema() -> Schema {
    Schema::read(OBJECT_INFO.as_bytes()).unwrap()
}

/// The verdict and then each error as `node type input | message | details`.
fn told(outcome: &Outcome) -> Vec<String> {
    let verdict = outcome
        .error
        .as_ref()
        .map_or("accepted".to_owned(), |error| {
            let kind = serde_json::to_value(error.kind).unwrap();
            format!("{} | {}", kind.as_str().unwrap(), error.details)
        });
    let errors = outcome.node_errors.iter().flat_map(|node| {
        node.errors.iter().map(|error| {
            let kind = serde_json::to_value(error.kind).unwrap();
            let (id, kind) = (&node.node_id, kind.as_str().unwrap());
            let input = error.input_name().unwrap_or("-");
            format!(
                "{id} {kind} {input} | {} | {}",
                error.message, error.details
            )
        })
    });
    std::iter::once(verdict).chain(errors).collect()
}

/// What is told about a prompt of these nodes, beside the faultless picture `p`.
fn check(nodes: &str, expected: &[&str]) {
    let text = format!("{{{PICTURE}, {nodes}}}");
    let prompt = Prompt::read(text.as_bytes()).unwrap();
    assert_eq!(told(&validate(&prompt, &schema())), expected, "{nodes}");
}

/// What is told about the value of one input of a picture that is saved; `class` says which.
fn check_input(class: &str, inputs: &str, expected: &[&str]) {
    let nodes = format!(r#""n": {{"class_type": "{class}", "inputs": {{{inputs}}}}}"#);
    check(&nodes, expected);
}
