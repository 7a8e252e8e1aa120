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
        ["-1", "x"],
        5
    ]);
    check(
        &instances(&[(proxies, json!([1, 2, 3, 4, 5]))]),
        &json!({"1:10": sent(16, 0.5, true)}),
    );
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

#[test]
fn an_entry_without_a_node_sets_the_input_of_that_name() {
    let mut graph = instances(&[(json!([["-1", "width"]]), json!([7]))]);
    let definition = &mut graph["definitions"]["subgraphs"][0];
    definition["inputs"] = json!([{"name": "width", "type": "INT", "linkIds": [6]}]);
    let input = json!({"name": "width", "type": "INT", "link": 6});
    definition["nodes"][0]["inputs"]
        .as_array_mut()
        .unwrap()
        .push(input);
    let link = json!({"id": 6, "origin_id": -10, "origin_slot": 0, "target_id": 10});
    definition["links"].as_array_mut().unwrap().push(link);
    check(&graph, &json!({"1:10": sent(7, 0.5, true)}));
}
