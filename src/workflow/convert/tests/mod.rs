//! Small graphs, one rule each.

mod fuzz;
mod groups;
mod links;
mod nodes;
mod prefixes;
mod primitives;
mod proxies;
mod subgraphs;
mod values;

use serde_json::{json, Map, Value};

use super::{convert, ConvertError, Definitions, Options};
use crate::workflow::graph::Graph;

/// A few classes of every sort.
const OBJECT_INFO: &str = r#"{
    "Picture": {"input": {
            "optional": {"tiled": ["BOOLEAN"]},
            "required": {"scale": ["FLOAT", {"default": 1.5, "min": 0.1, "max": 2, "step": 0.1}],
                "width": ["INT", {"default": 8, "min": 1, "max": 64}]}},
        "input_order": {"required": ["width", "scale"], "optional": ["tiled"]},
        "output": ["IMAGE", "MASK"], "display_name": "A Picture"},
    "Invert": {"input": {"required": {"image": ["IMAGE"]}, "optional": {"mask": ["MASK", {}]}},
        "output": ["IMAGE"]},
    "Swap": {"input": {"required": {"mask": ["MASK"], "image": ["IMAGE"]}},
        "output": ["IMAGE", "MASK"]},
    "Any": {"input": {"required": {"source": ["*", {}]}}, "output": ["STRING"]},
    "Number": {"input": {"required": {"value": ["INT", {"control_after_generate": "fixed"}]}},
        "output": ["INT"]},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"],
        "filename_prefix": ["STRING", {"default": "ComfyUI"}]}}, "output": []},
    "Prompt": {"input": {"required": {
        "text": ["STRING", {"multiline": true, "dynamicPrompts": true}],
        "line": ["STRING", {}]}}, "output": ["TEXT"]},
    "Sampler": {"input": {"required": {"seed": ["INT", {}], "steps": ["INT", {"default": 20}],
        "name": [["euler", "ddim"]]}}, "output": ["LATENT"]},
    "Forced": {"input": {"required": {"seed": ["INT", {"control_after_generate": true}],
        "noise": ["FLOAT", {"forceInput": true}], "steps": ["INT", {"default": 20}]}},
        "output": []},
    "KSampler": {"input": {"required": {"sampler_name": [["euler"], {}]}}, "output": ["LATENT"]},
    "Loader": {"input": {"required": {"file": [[], {}], "kind": ["COMBO", {"default": "b",
        "options": ["a", "b"]}]}}, "output": ["MODEL"]},
    "Resize": {"input": {"required": {"how": ["COMFY_DYNAMICCOMBO_V3", {"options": [
        {"key": "times", "inputs": {"required": {"zoom": ["FLOAT", {"default": 2}],
            "about": ["IMAGE"]}}},
        {"key": "to", "inputs": {"required": {"width": ["INT", {}], "height": ["INT", {}],
            "seed": ["INT", {}]}, "optional": {"along": ["COMFY_DYNAMICCOMBO_V3", {"options": [
                {"key": "x", "inputs": {}},
                {"key": "y", "inputs": {"required": {"far": ["BOOLEAN", {"default": true}]}}}]}]}}}
        ]}], "filter": [["area", "cubic"]]}}, "output": ["IMAGE"]},
    "Batch": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": {
        "input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 9}}]}},
        "output": ["IMAGE"]},
    "Switch": {"input": {"required": {
        "on": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}],
        "off": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}]}},
        "output": ["COMFY_MATCHTYPE_V3"], "output_matchtypes": ["t"]},
    "Shapes": {"input": {"required": {"box": ["BOUNDING_BOX", {"socketless": true}],
        "curve": ["CURVE", {}], "view": ["IMAGECOMPARE", {}],
        "colors": ["COLORS", {"default": []}]}},
        "output": []},
    "LoadImage": {"input": {"required": {"image": [["cat.png"], {"image_upload": true}]}},
        "output": ["IMAGE"]},
    "CustomCombo": {"input": {"required": {"choice": ["COMBO", {"options": []}]}},
        "output": ["STRING"]}
}"#;

fn definitions() -> Definitions {
    Definitions::parse(OBJECT_INFO.as_bytes()).unwrap()
}

fn prompt_of(graph: &Value) -> Result<Map<String, Value>, ConvertError> {
    let graph = Graph::parse(graph.to_string().as_bytes())?;
    convert(&graph, &definitions(), &Options::default())
}

/// Expected are the inputs of every node that is sent, by id; or the code of the error.
#[track_caller]
fn check(graph: &Value, expected: &Value) {
    let told = match prompt_of(graph) {
        Ok(prompt) => {
            let inputs = prompt
                .into_iter()
                .map(|(id, node)| (id, node["inputs"].clone()));
            Value::Object(inputs.collect())
        }
        Err(error) => Value::from(error.code()),
    };
    assert_eq!(told, *expected, "\ntold     {told}\nexpected {expected}");
}

/// A graph of version 0.4. A link is written `[id, origin, slot, target]`.
fn graph(nodes: &[Value], links: &[Value]) -> Value {
    let links: Vec<Value> = links
        .iter()
        .map(|link| json!([link[0], link[1], link[2], link[3], 0, "*"]))
        .collect();
    json!({"version": 0.4, "last_node_id": nodes.len(), "nodes": nodes, "links": links})
}

/// A node with links into its inputs: `[["image", 1]]` puts link 1 into `image`.
fn node(id: u32, class: &str, links: &Value, values: &Value) -> Value {
    let named = links.as_array().into_iter().flatten();
    let inputs: Vec<Value> = named
        .map(|pair| json!({"name": pair[0], "type": "*", "link": pair[1]}))
        .collect();
    json!({"id": id, "type": class, "mode": 0, "inputs": inputs, "widgets_values": values})
}

fn with(mut node: Value, key: &str, value: impl Into<Value>) -> Value {
    node[key] = value.into();
    node
}

fn muted(node: Value) -> Value {
    with(node, "mode", 2)
}

fn bypassed(node: Value) -> Value {
    with(node, "mode", 4)
}

fn picture(id: u32) -> Value {
    node(id, "Picture", &json!([]), &json!([16, 1.0, true]))
}

/// What [`picture`] sends.
fn picture_sent() -> Value {
    json!({"width": 16, "scale": 1, "tiled": true})
}

fn save(id: u32, link: u32) -> Value {
    node(id, "SaveImage", &json!([["images", link]]), &json!(["out"]))
}

fn saved(origin: &str, slot: u32) -> Value {
    json!({"images": [origin, slot], "filename_prefix": "out"})
}
