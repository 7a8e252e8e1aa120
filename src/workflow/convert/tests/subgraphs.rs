//! Definitions, their instances, and values that instances show.

use super::*;

/// A definition with inputs `image` and `width`: Invert 10, whose output it gives, and Picture 11.
fn definition() -> Value {
    json!({"id": "D", "name": "Inner",
        "inputs": [{"name": "image", "type": "IMAGE", "linkIds": [1]},
            {"name": "width", "type": "INT", "linkIds": [2]}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [3]}],
        "nodes": [node(10, "Invert", &json!([["image", 1]]), &json!([])),
            node(11, "Picture", &json!([["width", 2]]), &json!([16, 1, true]))],
        "links": [inner(1, -10, 0, 10), inner(2, -10, 1, 11), inner(3, 10, 0, -20)]})
}

fn inner(id: i32, origin: i32, slot: u32, target: i32) -> Value {
    json!({"id": id, "origin_id": origin, "origin_slot": slot, "target_id": target,
        "target_slot": 0, "type": "*"})
}

fn within(nodes: &[Value], links: &[Value], definitions: &[Value]) -> Value {
    let mut graph = graph(nodes, links);
    graph["definitions"] = json!({"subgraphs": definitions});
    graph
}

/// Picture 1 → instance 2 of D → Save 3.
fn instance(values: &Value) -> Value {
    node(2, "D", &json!([["image", 1]]), values)
}

fn around(instance: Value) -> Value {
    let links = [json!([1, 1, 0, 2]), json!([2, 2, 0, 3])];
    within(&[picture(1), instance, save(3, 2)], &links, &[definition()])
}

fn sent(width: &Value) -> Value {
    json!({"1": picture_sent(), "2:10": {"image": ["1", 0]},
        "2:11": {"width": width, "scale": 1, "tiled": true}, "3": saved("2:10", 0)})
}

#[test]
fn inner_nodes_are_sent_under_the_id_of_their_instance() {
    check(&around(instance(&json!(null))), &sent(&json!(16)));
}

#[test]
fn values_of_an_instance_count_only_inputs_that_reach_a_widget() {
    check(&around(instance(&json!([5]))), &sent(&json!(5)));
    check(&around(instance(&json!([null]))), &sent(&json!(null)));
    check(
        &around(instance(&json!([[1, 2]]))),
        &sent(&json!({"__value__": [1, 2]})),
    );
    check(&around(instance(&json!([]))), &sent(&json!(16)));
}

/// `null` was sent as it is; an instance shows a choice as the choice itself does.
#[test]
fn a_choice_of_nothing_is_the_first_for_an_instance_too() {
    let choice = json!({"id": "C", "outputs": [],
        "inputs": [{"name": "name", "type": "COMBO", "linkIds": [1]}],
        "nodes": [node(10, "Sampler", &json!([["name", 1]]), &json!([1, "fixed", 2, "ddim"]))],
        "links": [inner(1, -10, 0, 10)]});
    let shown = |values: Value| {
        let instance = node(1, "C", &json!([]), &values);
        within(&[instance], &[], std::slice::from_ref(&choice))
    };
    let sent = |name: &str| json!({"1:10": {"seed": 1, "steps": 2, "name": name}});
    check(&shown(json!([null])), &sent("euler"));
    check(&shown(json!([])), &sent("ddim"));
}

#[test]
fn a_linked_input_of_an_instance_counts_before_its_value() {
    let mut graph = around(node(
        2,
        "D",
        &json!([["width", 9], ["image", 1]]),
        &json!([5]),
    ));
    let links = graph["links"].as_array_mut().unwrap();
    links.push(json!([9, 4, 0, 2, 1, "INT"]));
    let nodes = graph["nodes"].as_array_mut().unwrap();
    nodes.push(node(4, "Number", &json!([]), &json!([7, "fixed"])));
    let mut expected = sent(&json!(["4", 0]));
    expected["4"] = json!({"value": 7});
    check(&graph, &expected);
}

#[test]
fn a_muted_or_bypassed_instance_hides_its_nodes_at_the_root() {
    let save_sent = json!({"1": picture_sent(), "3": {"filename_prefix": "out"}});
    check(&around(muted(instance(&json!([])))), &save_sent);
    let passed = json!({"1": picture_sent(), "3": saved("1", 0)});
    check(&around(bypassed(instance(&json!([])))), &passed);
}

/// An outer definition around one instance, 20, of D.
fn outer(instance: &Value) -> Value {
    json!({"id": "O", "name": "Outer",
        "inputs": [{"name": "image", "type": "IMAGE", "linkIds": [1]},
            {"name": "size", "type": "INT", "linkIds": [2]}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [3]}],
        "nodes": [instance],
        "links": [inner(1, -10, 0, 20), inner(2, -10, 1, 20), inner(3, 20, 0, -20)]})
}

fn around_outer(instance: &Value, values: &Value) -> Value {
    let links = [json!([1, 1, 0, 2]), json!([2, 2, 0, 3])];
    let nodes = [
        picture(1),
        node(2, "O", &json!([["image", 1]]), values),
        save(3, 2),
    ];
    within(&nodes, &links, &[outer(instance), definition()])
}

#[test]
fn values_reach_widgets_through_nested_instances() {
    let nested = node(20, "D", &json!([["image", 1], ["width", 2]]), &json!([6]));
    for (values, width) in [(json!([]), 6), (json!([9]), 9)] {
        check(
            &around_outer(&nested, &values),
            &json!({"1": picture_sent(), "2:20:10": {"image": ["1", 0]},
                "2:20:11": {"width": width, "scale": 1, "tiled": true}, "3": saved("2:20:10", 0)}),
        );
    }
}

#[test]
fn a_bypassed_instance_inside_another_passes_on_yet_its_nodes_are_sent() {
    let nested = node(20, "D", &json!([["image", 1], ["width", 2]]), &json!([]));
    check(
        &around_outer(&bypassed(nested), &json!([])),
        &json!({"1": picture_sent(), "2:20:10": {"image": ["1", 0]},
            "2:20:11": picture_sent(), "3": saved("1", 0)}),
    );
}

#[test]
fn inner_ids_that_are_taken_get_the_next_free_number() {
    let mut graph = around(instance(&json!([])));
    graph["definitions"]["subgraphs"][0]["nodes"][0]["id"] = json!(3);
    let links = &mut graph["definitions"]["subgraphs"][0]["links"];
    links[0]["target_id"] = json!(3);
    links[2]["origin_id"] = json!(3);
    graph["last_node_id"] = json!(30);
    check(
        &graph,
        &json!({"1": picture_sent(), "2:31": {"image": ["1", 0]}, "2:11": picture_sent(),
            "3": saved("2:31", 0)}),
    );
}

#[test]
fn what_a_definition_lacks_is_an_error() {
    let mut graph = around(instance(&json!([])));
    graph["links"][1][2] = json!(4);
    check(&graph, &json!("missing_subgraph_output"));
    let mut graph = around(instance(&json!([])));
    graph["definitions"]["subgraphs"][0]["links"][2]["origin_id"] = json!(-10);
    check(&graph, &json!("straight_through"));
}

#[test]
fn a_definition_that_contains_itself_is_an_error() {
    let own = node(20, "O", &json!([]), &json!([]));
    check(
        &around_outer(&own, &json!([])),
        &json!("recursive_subgraph"),
    );
}

#[test]
fn definitions_that_double_on_every_level_are_refused() {
    let level = |i: u32| {
        let nodes: Vec<Value> = (0..2)
            .map(|n| {
                node(
                    100 + 2 * i + n,
                    &format!("L{}", i + 1),
                    &json!([]),
                    &json!([]),
                )
            })
            .collect();
        json!({"id": format!("L{i}"), "nodes": nodes, "links": [], "inputs": [], "outputs": []})
    };
    let levels: Vec<Value> = (0..60).map(level).collect();
    let graph = within(&[node(1, "L0", &json!([]), &json!([]))], &[], &levels);
    check(&graph, &json!("graph_too_large"));
}

/// A definition whose only node, bypassed, leads straight through.
fn passage(mode: u32) -> Value {
    let inner_node = with(
        node(10, "Invert", &json!([["image", 1]]), &json!([])),
        "mode",
        mode,
    );
    json!({"id": "P", "name": "Passage",
        "inputs": [{"name": "image", "type": "IMAGE", "linkIds": [1]}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [2]}],
        "nodes": [inner_node], "links": [inner(1, -10, 0, 10), inner(2, 10, 0, -20)]})
}

#[test]
fn a_way_through_the_same_bypassed_node_of_two_instances_is_one_that_the_editor_cannot_send() {
    let instance = |id: u32, link: u32| node(id, "P", &json!([["image", link]]), &json!([]));
    let nodes = [picture(1), instance(2, 1), instance(3, 2), save(4, 3)];
    let links = [
        json!([1, 1, 0, 2]),
        json!([2, 2, 0, 3]),
        json!([3, 3, 0, 4]),
    ];
    let chain = |mode| within(&nodes, &links, &[passage(mode)]);
    check(&chain(4), &json!("passed_twice"));
    check(
        &chain(0),
        &json!({"1": picture_sent(), "2:10": {"image": ["1", 0]},
            "3:10": {"image": ["2:10", 0]}, "4": saved("3:10", 0)}),
    );
}

#[test]
fn of_two_definitions_of_one_name_the_id_tells_which_contains_itself() {
    let mut recursive = passage(0);
    recursive["nodes"][0]["type"] = json!("P");
    let graph = within(&[picture(1)], &[], &[recursive]);
    let message = prompt_of(&graph).unwrap_err().to_string();
    assert_eq!(
        message,
        "subgraph \"Passage\" (P) contains itself; take the inner one out"
    );
}
