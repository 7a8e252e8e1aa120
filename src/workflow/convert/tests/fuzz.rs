//! Any JSON, as a graph or as `object_info`, gets an answer.

use proptest::prelude::*;

use super::*;

/// Few, because the suite is run often.
const CASES: u32 = 300;

fn leaf() -> impl Strategy<Value = Value> {
    let words = [
        "",
        "1",
        "2",
        "3",
        "D",
        "E",
        "-1",
        "-10",
        "image",
        "width",
        "scale",
        "times",
        "to",
        "*",
        "IMAGE",
        "Picture",
        "SaveImage",
        "Resize",
        "Batch",
        "Switch",
        "Reroute",
        "PrimitiveNode",
        "Invert",
        "workflow>G",
        "INT",
        "COMBO",
        "COMFY_DYNAMICCOMBO_V3",
        "COMFY_AUTOGROW_V3",
        "COMFY_MATCHTYPE_V3",
        "{a|{b}}",
        "%Picture.width%",
        "// x",
        "\\",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-20_i64..8).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ]
}

/// Keys that mean something somewhere, so that random objects get past the first look.
fn key() -> impl Strategy<Value = String> {
    let keys = [
        "id",
        "type",
        "mode",
        "title",
        "inputs",
        "outputs",
        "name",
        "link",
        "links",
        "linkIds",
        "widget",
        "widgets_values",
        "properties",
        "proxyWidgets",
        "nodes",
        "definitions",
        "subgraphs",
        "extra",
        "groupNodes",
        "G",
        "external",
        "origin_id",
        "origin_slot",
        "target_id",
        "target_slot",
        "last_node_id",
        "Picture",
        "input",
        "required",
        "optional",
        "input_order",
        "output",
        "output_matchtypes",
        "template",
        "template_id",
        "prefix",
        "names",
        "min",
        "max",
        "default",
        "options",
        "key",
        "forceInput",
        "control_after_generate",
    ];
    prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 80, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A node that is nearly one: of a class that exists, with links among few ids.
fn near_node() -> impl Strategy<Value = Value> {
    let classes = [
        "Picture",
        "Invert",
        "Swap",
        "Any",
        "SaveImage",
        "Prompt",
        "Sampler",
        "Resize",
        "Batch",
        "Switch",
        "Shapes",
        "CustomCombo",
        "Reroute",
        "PrimitiveNode",
        "D",
        "E",
        "Nobody",
        "workflow>G",
    ];
    let inputs = [
        "image",
        "mask",
        "images",
        "width",
        "scale",
        "source",
        "on",
        "off",
        "how",
        "how.about",
        "images.image0",
        "",
        "text",
    ];
    let input = (prop::sample::select(inputs.to_vec()), 0..12_u32)
        .prop_map(|(name, link)| json!({"name": name, "type": "*", "link": link}));
    let proxy = (0..8_u32, prop::sample::select(inputs.to_vec()))
        .prop_map(|(id, name)| json!([id.to_string(), name]));
    (
        (
            0..8_u32,
            prop::sample::select(classes.to_vec()),
            prop::sample::select(vec![0, 0, 2, 4]),
        ),
        prop::collection::vec(input, 0..4),
        prop::collection::vec(leaf(), 0..5),
        prop::collection::vec(proxy, 0..3),
    )
        .prop_map(|((id, class, mode), inputs, values, proxies)| {
            json!({"id": id, "type": class, "mode": mode, "inputs": inputs,
                "outputs": [{"name": "o", "type": "*"}], "widgets_values": values,
                "properties": {"proxyWidgets": proxies}})
        })
}

fn near_level() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let end = prop_oneof![4 => 0..8_i32, 1 => Just(-10), 1 => Just(-20)];
    let link = (0..12_u32, end.clone(), 0..3_u32, end).prop_map(|(id, origin, slot, target)| {
        json!({"id": id, "origin_id": origin, "origin_slot": slot, "target_id": target,
            "target_slot": 0})
    });
    (
        prop::collection::vec(near_node(), 0..7),
        prop::collection::vec(link, 0..12),
    )
}

fn near_graph() -> impl Strategy<Value = Value> {
    (near_level(), near_level(), near_level()).prop_map(|(root, one, two)| {
        let port = |ids: Value| json!([{"name": "image", "type": "*", "linkIds": ids}]);
        let definition = |id: &str, (nodes, links): (Vec<Value>, Vec<Value>)| {
            json!({"id": id, "nodes": nodes, "links": links, "inputs": port(json!([1, 2])),
                "outputs": port(json!([3]))})
        };
        json!({"nodes": root.0, "links": root.1, "last_node_id": 8,
            "extra": {"groupNodes": {"G": {"nodes": one.0.clone(), "links": [[0, 0, 1, 0]],
                "external": [[1, 0]]}}},
            "definitions": {"subgraphs": [definition("D", one), definition("E", two)]}})
    })
}

fn answer(graph: &Value, info: &Value) -> Option<Result<Map<String, Value>, ConvertError>> {
    let graph = Graph::from_value(graph).ok()?;
    let definitions = Definitions::parse(info.to_string().as_bytes()).ok()?;
    Some(convert(&graph, &definitions, &Options::default()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn any_json_as_a_graph_is_answered(nodes in any_json(), rest in any_json()) {
        let info: Value = serde_json::from_str(OBJECT_INFO).unwrap();
        let mut graph = if rest.is_object() { rest } else { json!({}) };
        answer(&graph, &info);
        graph["nodes"] = json!([nodes]);
        answer(&graph, &info);
    }

    #[test]
    fn any_json_as_object_info_is_answered(graph in near_graph(), class in any_json()) {
        answer(&graph, &class);
        let width = json!({"input": {"required": {"width": class}}});
        answer(&graph, &json!({"Picture": width, "Invert": class}));
    }

    #[test]
    fn a_graph_nearly_right_gets_one_answer_and_links_to_what_is_sent(graph in near_graph()) {
        let info: Value = serde_json::from_str(OBJECT_INFO).unwrap();
        let told = answer(&graph, &info).unwrap();
        prop_assert_eq!(&told, &answer(&graph, &info).unwrap());
        let Ok(prompt) = told else { return Ok(()) };
        for input in prompt.values().filter_map(|node| node["inputs"].as_object()).flatten() {
            if let Some(origin) = input.1.get(0).and_then(Value::as_str) {
                prop_assert!(prompt.contains_key(origin));
            }
        }
    }
}

#[test]
fn what_is_nested_deeply_is_refused_or_read_but_never_overflows() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        Graph::parse(deep.as_bytes()).unwrap_err().code(),
        "invalid_json"
    );
    assert_eq!(
        Definitions::parse(deep.as_bytes()).unwrap_err().code(),
        "invalid_json"
    );
    let mut value = json!(1);
    for _ in 0..1_000 {
        value = json!([value]);
    }
    let refused = Graph::from_value(&json!({"nodes": value})).unwrap_err();
    assert_eq!(refused.code(), "not_a_graph");
}

#[test]
fn definitions_nested_without_end_are_refused() {
    let level = |i: u32| {
        let inner = node(1_000 + i, &format!("L{}", i + 1), &json!([]), &json!([]));
        json!({"id": format!("L{i}"), "nodes": [inner], "links": []})
    };
    let levels: Vec<Value> = (0..5_000).map(level).collect();
    for levels in [levels.clone(), levels.into_iter().rev().collect()] {
        let mut graph = graph(&[node(1, "L0", &json!([]), &json!([]))], &[]);
        graph["definitions"]["subgraphs"] = json!(levels);
        check(&graph, &json!("graph_too_large"));
    }
}

#[test]
fn a_long_chain_that_everything_follows_is_refused() {
    let mut nodes: Vec<Value> = (0..5_000)
        .map(|i| node(i, "Reroute", &json!([["", i]]), &json!([])))
        .collect();
    let links: Vec<Value> = (0..5_000).map(|i| json!([i + 1, i, 0, i + 1])).collect();
    nodes[0] = node(0, "Reroute", &json!([]), &json!([]));
    nodes.extend((6_000..7_000).map(|i| save(i, 5_000)));
    check(&graph(&nodes, &links), &json!("graph_too_large"));
}

#[test]
fn a_text_that_a_thousand_nodes_show_is_refused() {
    let primitive = node(
        1,
        "PrimitiveNode",
        &json!([]),
        &json!(["x".repeat(100_000)]),
    );
    let mut nodes = vec![primitive];
    nodes.extend((2..1_002).map(|i| node(i, "Prompt", &json!([["line", i]]), &json!([]))));
    let links: Vec<Value> = (2..1_002).map(|i| json!([i, 1, 0, i])).collect();
    check(&graph(&nodes, &links), &json!("graph_too_large"));
}
