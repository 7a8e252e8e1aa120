//! Which nodes are sent, and what stands around their inputs.

use super::*;

#[test]
fn a_node_is_sent_with_its_class_and_the_title_that_the_editor_shows() {
    let nodes = [picture(1), with(save(2, 7), "title", "Mine")];
    let prompt = prompt_of(&graph(&nodes, &[json!([7, 1, 0, 2])])).unwrap();
    assert_eq!(
        Value::Object(prompt),
        json!({
            "1": {"inputs": picture_sent(), "class_type": "Picture",
                "_meta": {"title": "A Picture"}},
            "2": {"inputs": saved("1", 0), "class_type": "SaveImage", "_meta": {"title": "Mine"}},
        })
    );
}

#[test]
fn notes_and_muted_and_bypassed_nodes_are_not_sent() {
    let nodes = [
        node(1, "Note", &json!([]), &json!(["hello"])),
        muted(picture(2)),
        bypassed(picture(3)),
        with(picture(4), "mode", 3),
        node(5, "MarkdownNote", &json!([]), &json!(["hello"])),
    ];
    check(&graph(&nodes, &[]), &json!({"4": picture_sent()}));
}

#[test]
fn a_class_that_nobody_has_keeps_its_values_and_links_without_a_class() {
    let values = json!(["x", 1.5, true, null, {"b": 1, "a": [1.0]}]);
    let nodes = [
        picture(1),
        node(
            2,
            "Nobody",
            &json!([["image", 7], ["other", null]]),
            &values,
        ),
    ];
    let prompt = prompt_of(&graph(&nodes, &[json!([7, 1, 0, 2])])).unwrap();
    assert_eq!(
        prompt["2"],
        json!({"_meta": {}, "inputs": {"UNKNOWN": "x", "UNKNOWN_1": 1.5, "UNKNOWN_2": true,
            "UNKNOWN_3": "null", "UNKNOWN_4": "{\"a\":[1],\"b\":1}", "image": ["1", 0]}})
    );
}

#[test]
fn the_order_of_keys_shows_in_the_texts_of_unknown_nodes() {
    let text = r#"{"nodes": [{"id": 1, "type": "Nobody", "widgets_values": [{"z": 1, "a": 2}]}]}"#;
    let graph = Graph::parse(text.as_bytes()).unwrap();
    let prompt = convert(&graph, &definitions(), &Options::default()).unwrap();
    assert_eq!(prompt["1"]["inputs"]["UNKNOWN"], json!(r#"{"z":1,"a":2}"#));
}

#[test]
fn links_may_be_objects_and_ids_may_be_texts() {
    let mut graph = graph(&[with(picture(1), "id", "abc"), save(2, 0)], &[]);
    graph["version"] = json!(1);
    graph["links"] = json!([{"id": 0, "origin_id": "abc", "origin_slot": 0, "target_id": 2,
        "target_slot": 9, "type": "IMAGE"}]);
    check(
        &graph,
        &json!({"abc": picture_sent(), "2": saved("abc", 0)}),
    );
}

#[test]
fn nodes_without_an_id_or_with_a_taken_one_get_the_next_free_number() {
    let mut graph = graph(
        &[picture(4), picture(4), with(picture(1), "id", Value::Null)],
        &[],
    );
    graph["last_node_id"] = json!(3);
    check(
        &graph,
        &json!({"4": picture_sent(), "5": picture_sent(), "6": picture_sent()}),
    );
}

#[test]
fn what_is_no_graph_is_refused() {
    for (text, code) in [
        ("{", "invalid_json"),
        ("[]", "not_a_graph"),
        (
            r#"{"1": {"class_type": "Picture", "inputs": {}}}"#,
            "not_a_graph",
        ),
    ] {
        assert_eq!(Graph::parse(text.as_bytes()).unwrap_err().code(), code);
    }
    let nodes = vec![json!({}); crate::workflow::graph::NODES_MAX + 1];
    check(&graph(&nodes, &[]), &json!("graph_too_large"));
}

#[test]
fn a_graph_without_nodes_is_an_empty_prompt() {
    check(&graph(&[], &[]), &json!({}));
}
