//! Group nodes.

use super::*;

/// Group 1, of a picture and an invert, → Save 2.
fn grouped(values: &Value, slot: u32) -> Value {
    let group = node(1, "workflow>Pair", &json!([]), values);
    let mut graph = graph(&[group, save(2, 1)], &[json!([1, 1, slot, 2])]);
    graph["extra"]["groupNodes"]["Pair"] = json!({
        "nodes": [{"type": "Picture", "index": 0, "widgets_values": [1, 1, true]},
            {"type": "Invert", "index": 1, "inputs": [{"name": "image", "link": 99}]}],
        "links": [[0, 0, 1, 0, 1, "IMAGE"]],
        "external": [[1, 0, "IMAGE"]]});
    graph
}

#[test]
fn a_group_becomes_a_subgraph_with_the_next_free_ids() {
    let sent = json!({"5:3": {"width": 4, "scale": 0.5, "tiled": true},
        "5:4": {"image": ["5:3", 0]},
        "2": saved("5:4", 0)});
    // The picture's mask has no link, so it is the group's first output.
    check(&grouped(&json!([4, 0.5]), 1), &sent);
    let mut slash = grouped(&json!([4, 0.5]), 1);
    slash["nodes"][0]["type"] = json!("workflow/Pair");
    check(&slash, &sent);
}

#[test]
fn links_into_a_group_reach_the_inner_node_that_shows_the_input() {
    let mut graph = grouped(&json!([]), 1);
    graph["extra"]["groupNodes"]["Pair"]["nodes"][0] = json!({"type": "Invert", "index": 0});
    graph["nodes"][0]["inputs"] = json!([{"name": "image", "type": "IMAGE", "link": 2},
        {"name": "Invert mask", "type": "MASK", "link": 3}]);
    graph["nodes"].as_array_mut().unwrap().push(picture(3));
    graph["links"] = json!([
        [1, 1, 0, 2, 0, "*"],
        [2, 3, 0, 1, 0, "*"],
        [3, 3, 1, 1, 1, "*"]
    ]);
    graph["last_node_id"] = json!(3);
    check(
        &graph,
        &json!({"2": saved("6:5", 0), "3": picture_sent(), "6:4": {"image": ["3", 0]},
            "6:5": {"image": ["6:4", 0], "mask": ["3", 1]}}),
    );
}

#[test]
fn a_group_that_the_file_does_not_describe_is_a_class_that_nobody_has() {
    let mut graph = grouped(&json!([]), 0);
    graph["extra"] = json!({});
    check(&graph, &json!({"1": {}, "2": saved("1", 0)}));
}
