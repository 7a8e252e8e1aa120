//! Legacy `proxyWidgets`.

use super::*;

/// One instance for each list of proxies and values, of a definition with a picture, 10, and a
/// primitive, 11, on its scale.
fn instances(instances: &[(Value, Value)]) -> Value {
    let nodes: Vec<Value> = (1..)
        .zip(instances)
        .map(|(id, (proxies, values))| {
            let instance = node(id, "D", &json!([]), values);
            with(instance, "properties", json!({"proxyWidgets": proxies}))
        })
        .collect();
    let mut graph = graph(&nodes, &[]);
    graph["last_node_id"] = json!(20);
    graph["definitions"]["subgraphs"] = json!([{"id": "D", "inputs": [], "outputs": [],
        "nodes": [node(10, "Picture", &json!([["scale", 5]]), &json!([16, 1, true])),
            node(11, "PrimitiveNode", &json!([]), &json!([0.5]))],
        "links": [{"id": 5, "origin_id": 11, "origin_slot": 0, "target_id": 10}]}]);
    graph
}

fn sent(width: i32, scale: f64, tiled: bool) -> Value {
    json!({"width": width, "scale": scale, "tiled": tiled})
}

#[test]
fn an_inner_widget_becomes_an_input_with_the_instances_value() {
    check(
        &instances(&[(json!([["10", "width"], ["10", "tiled"]]), json!([5, false]))]),
        &json!({"1:10": sent(5, 0.5, false)}),
    );
    check(
        &instances(&[(json!([["10", "width"]]), json!([]))]),
        &json!({"1:10": sent(16, 0.5, true)}),
    );
}

#[test]
fn the_input_belongs_to_the_definition_and_each_instance_has_its_value() {
    let proxies = json!([["10", "width"]]);
    check(
        &instances(&[
            (proxies.clone(), json!([5])),
            (proxies, json!([6])),
            (json!([]), json!([])),
        ]),
        &json!({"1:10": sent(5, 0.5, true), "2:10": sent(6, 0.5, true),
            "3:10": sent(16, 0.5, true)}),
    );
}

#[test]
fn ids_in_front_of_a_name_are_dropped() {
    check(
        &instances(&[(json!([["10", "12: 10: width"]]), json!([5]))]),
        &json!({"1:10": sent(5, 0.5, true)}),
    );
}

#[test]
fn entries_for_what_is_not_there_are_ignored() {
    let proxies = json!([
        ["99", "width"],
        ["10", "$$preview"],
        ["10", "nope"],
        ["-1", "x"]
    ]);
    check(
        &instances(&[(proxies, json!([1, 2, 3, 4]))]),
        &json!({"1:10": sent(16, 0.5, true)}),
    );
}

/// Every readable entry was taken. The frontend of ComfyUI reads the list as a whole or not at all.
#[test]
fn an_entry_that_is_no_pair_of_texts_spoils_the_list() {
    for broken in [json!(5), json!(["10"]), json!([10, "width"]), json!([])] {
        let proxies = json!([["10", "width"], broken]);
        check(
            &instances(&[(proxies, json!([5, 6]))]),
            &json!({"1:10": sent(16, 0.5, true)}),
        );
    }
}

/// The input still lists its link, which is gone: this was taken for linked, and no prompt came.
#[test]
fn a_link_that_is_gone_links_nothing_to_an_input() {
    let mut graph = instances(&[(json!([["10", "width"]]), json!([7]))]);
    let definition = &mut graph["definitions"]["subgraphs"][0];
    definition["inputs"] = json!([{"name": "width", "type": "INT", "linkIds": [6]}]);
    let input = json!({"name": "width", "type": "INT", "link": 6});
    definition["nodes"][0]["inputs"]
        .as_array_mut()
        .unwrap()
        .push(input);
    check(&graph, &json!({"1:10": sent(7, 0.5, true)}));
}

#[test]
fn a_primitive_becomes_one_input_for_everything_that_it_feeds() {
    let proxies = json!([["11", "value"]]);
    check(
        &instances(&[(proxies.clone(), json!([1.75])), (proxies, json!([]))]),
        &json!({"1:10": sent(16, 1.75, true), "2:10": sent(16, 0.5, true)}),
    );
    check(
        &instances(&[(json!([["11", "value"]]), json!([]))]),
        &json!({"1:10": sent(16, 0.5, true)}),
    );
}

/// An instance of a definition whose input `width` is linked.
fn with_input(proxies: Value, values: Value) -> Value {
    let mut graph = instances(&[(proxies, values)]);
    let definition = &mut graph["definitions"]["subgraphs"][0];
    definition["inputs"] = json!([{"name": "width", "type": "INT", "linkIds": [6]}]);
    let input = json!({"name": "width", "type": "INT", "link": 6});
    definition["nodes"][0]["inputs"]
        .as_array_mut()
        .unwrap()
        .push(input);
    let link = json!({"id": 6, "origin_id": -10, "origin_slot": 0, "target_id": 10});
    definition["links"].as_array_mut().unwrap().push(link);
    graph
}

#[test]
fn an_entry_without_a_node_sets_the_input_of_that_name() {
    check(
        &with_input(json!([["-1", "width"]]), json!([7])),
        &json!({"1:10": sent(7, 0.5, true)}),
    );
}

/// The frontend of ComfyUI keeps entries that it could not place, and tries those without a node
/// again when the file is opened; their value covers the saved one, which was sent instead.
#[test]
fn an_entry_that_was_kept_without_a_node_covers_the_saved_value() {
    let mut graph = with_input(json!([]), json!([7]));
    let kept = |node: &str| {
        json!({"proxyWidgetErrorQuarantine": [{"originalEntry": [node, "width"],
            "reason": "missingSourceNode", "hostValue": 9}]})
    };
    graph["nodes"][0]["properties"] = kept("-1");
    check(&graph, &json!({"1:10": sent(9, 0.5, true)}));
    graph["nodes"][0]["properties"] = kept("10");
    check(&graph, &json!({"1:10": sent(7, 0.5, true)}));
}
