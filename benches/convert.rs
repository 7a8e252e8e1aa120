//! How long a conversion takes: a generated graph, larger than any official template.

use divan::{black_box, Bencher};
use edge_queue::workflow::convert::{convert, Definitions, Options};
use edge_queue::workflow::graph::Graph;
use serde_json::{json, Value};

/// Instances at the root; the largest official template sends fewer than 500 nodes.
const INSTANCES: usize = 100;

/// Nodes of the definition.
const INNER_NODES: usize = 20;

const OBJECT_INFO: &str = r#"{
    "Sampler": {"input": {"required": {"latent": ["LATENT"],
        "seed": ["INT", {"control_after_generate": true}], "steps": ["INT", {"default": 20}],
        "cfg": ["FLOAT", {"default": 8}], "name": [["euler", "ddim"]]}}, "output": ["LATENT"]},
    "Prompt": {"input": {"required": {
        "text": ["STRING", {"multiline": true, "dynamicPrompts": true}]}},
        "output": ["TEXT"]},
    "SaveLatent": {"input": {"required": {"latent": ["LATENT"], "filename_prefix": ["STRING", {}]}},
        "output": []}
}"#;

fn main() {
    divan::main();
}

fn link(id: usize, origin: i64, slot: usize, target: i64) -> Value {
    json!({"id": id, "origin_id": origin, "origin_slot": slot, "target_id": target,
        "target_slot": 0, "type": "LATENT"})
}

/// A chain of samplers; every third is bypassed, and the first shows its steps.
fn definition() -> Value {
    let sampler = |i: usize| {
        let steps =
            json!({"name": "steps", "type": "INT", "link": 900, "widget": {"name": "steps"}});
        let latent = json!({"name": "latent", "type": "LATENT", "link": i});
        let inputs = if i == 0 {
            vec![latent, steps]
        } else {
            vec![latent]
        };
        json!({"id": 1_000 + i, "type": "Sampler", "mode": if i % 3 == 2 { 4 } else { 0 },
            "inputs": inputs, "outputs": [{"name": "LATENT", "type": "LATENT"}],
            "widgets_values": [i, "fixed", 20, 7.5, "euler"]})
    };
    let mut links = vec![link(0, -10, 0, 1_000), link(900, -10, 1, 1_000)];
    let id = |i: usize| i64::try_from(1_000 + i).unwrap_or(0);
    links.extend((1..INNER_NODES).map(|i| link(i, id(i - 1), 0, id(i))));
    links.push(link(INNER_NODES, id(INNER_NODES - 1), 0, -20));
    json!({"id": "chain", "name": "Chain", "links": links,
        "nodes": (0..INNER_NODES).map(sampler).collect::<Vec<_>>(),
        "inputs": [{"name": "latent", "type": "LATENT", "linkIds": [0]},
            {"name": "steps", "type": "INT", "linkIds": [900]}],
        "outputs": [{"name": "LATENT", "type": "LATENT", "linkIds": [INNER_NODES]}]})
}

fn graph() -> Vec<u8> {
    let mut nodes = Vec::new();
    let mut links = Vec::new();
    for i in 0..INSTANCES {
        links.push(json!([i, i, 0, i + 1, 0, "LATENT"]));
        nodes.push(json!({"id": i + 1, "type": "chain", "widgets_values": [i],
            "inputs": [{"name": "latent", "type": "LATENT", "link": (i > 0).then_some(i)}]}));
        nodes.push(json!({"id": 300 + i, "type": "Prompt",
            "widgets_values": [format!("a {{red|green|{{blue|grey}}}} cat // number {i}")]}));
        nodes.push(
            json!({"id": 500 + i, "type": "SaveLatent", "widgets_values": ["run/%Sampler.seed%"],
            "inputs": [{"name": "latent", "type": "LATENT", "link": i}]}),
        );
    }
    links.push(json!([0, INSTANCES, 0, 1, 0, "LATENT"]));
    json!({"version": 0.4, "last_node_id": 2_000, "nodes": nodes, "links": links,
        "definitions": {"subgraphs": [definition()]}})
    .to_string()
    .into_bytes()
}

#[divan::bench]
fn read_a_large_graph(bencher: Bencher) {
    let text = graph();
    bencher.bench_local(|| Graph::parse(black_box(&text)));
}

#[divan::bench]
fn convert_a_large_graph(bencher: Bencher) {
    let (text, info) = (graph(), OBJECT_INFO.as_bytes());
    let Ok((graph, definitions)) =
        Graph::parse(&text).and_then(|graph| Ok((graph, Definitions::parse(info)?)))
    else {
        return;
    };
    let sent = convert(&graph, &definitions, &Options::default());
    assert!(sent.is_ok_and(|prompt| prompt.len() > INSTANCES * INNER_NODES / 2));
    bencher.bench_local(|| convert(black_box(&graph), &definitions, &Options::default()));
}
