//! The way along links.

use super::*;

/// Picture 1 → what is tested, node 2, by link 1 → Save 3 by link 2.
#[track_caller]
fn check_between(between: Value, slot: u32, expected: &Value) {
    let nodes = [picture(1), between, save(3, 2)];
    let links = [json!([1, 1, 0, 2]), json!([2, 2, slot, 3])];
    let told = prompt_of(&graph(&nodes, &links));
    let told = told.map_or_else(
        |error| Value::from(error.code()),
        |prompt| prompt["3"]["inputs"]["images"].clone(),
    );
    assert_eq!(told, *expected);
}

fn invert(id: u32, links: &Value) -> Value {
    node(id, "Invert", links, &json!([]))
}

#[test]
fn a_link_is_sent_as_origin_and_slot_even_where_there_is_no_such_slot() {
    check_between(invert(2, &json!([["image", 1]])), 0, &json!(["2", 0]));
    check_between(invert(2, &json!([["image", 1]])), 7, &json!(["2", 7]));
}

#[test]
fn a_reroute_is_passed_through_unless_it_is_muted() {
    let reroute = node(2, "Reroute", &json!([["", 1]]), &json!([]));
    check_between(reroute.clone(), 0, &json!(["1", 0]));
    check_between(bypassed(reroute.clone()), 0, &json!(["1", 0]));
    check_between(muted(reroute), 0, &Value::Null);
    check_between(
        node(2, "Reroute", &json!([["", null]]), &json!([])),
        0,
        &Value::Null,
    );
}

/// A bypassed reroute was passed as an active one is: then the swap found no image for `images`.
/// The frontend of ComfyUI takes the slot's own input, because the reroute's socket takes anything.
#[test]
fn before_a_bypassed_reroute_everything_fits() {
    let swap = bypassed(node(
        2,
        "Swap",
        &json!([["mask", 1], ["image", null]]),
        &json!([]),
    ));
    let reroute = node(3, "Reroute", &json!([["", 2]]), &json!([]));
    let links = [
        json!([1, 1, 1, 2]),
        json!([2, 2, 0, 3]),
        json!([3, 3, 0, 4]),
    ];
    let passed = |reroute| graph(&[picture(1), swap.clone(), reroute, save(4, 3)], &links);
    check(
        &passed(bypassed(reroute.clone())),
        &json!({"1": picture_sent(), "4": saved("1", 1)}),
    );
    check(
        &passed(reroute),
        &json!({"1": picture_sent(), "4": {"filename_prefix": "out"}}),
    );
}

#[test]
fn a_muted_node_gives_nothing() {
    check_between(muted(invert(2, &json!([["image", 1]]))), 0, &Value::Null);
}

#[test]
fn a_bypassed_node_passes_on_the_input_at_the_slot_if_its_type_fits() {
    check_between(
        bypassed(invert(2, &json!([["image", 1]]))),
        0,
        &json!(["1", 0]),
    );
}

#[test]
fn a_bypassed_node_passes_on_the_first_input_of_the_type_otherwise() {
    let swap = |links: &Value| bypassed(node(2, "Swap", links, &json!([])));
    check_between(swap(&json!([["image", 1]])), 0, &json!(["1", 0]));
    // The choice stands, linked or not.
    check_between(swap(&json!([["mask", 1]])), 0, &Value::Null);
}

#[test]
fn saved_inputs_are_found_by_name_whatever_their_order() {
    let links = json!([["mask", null], ["image", 1]]);
    check_between(bypassed(invert(2, &links)), 0, &json!(["1", 0]));
}

#[test]
fn what_leads_through_an_output_that_a_bypassed_node_lacks_is_an_error() {
    let invert = bypassed(invert(2, &json!([["image", 1]])));
    check_between(invert, 5, &json!("missing_output"));
}

#[test]
fn an_input_of_any_type_gets_the_input_at_the_slot_or_the_first() {
    for (slot, expected) in [(0, json!({})), (1, json!({"source": ["1", 0]}))] {
        let swap = bypassed(node(2, "Swap", &json!([["image", 1]]), &json!([])));
        let any = node(3, "Any", &json!([["source", 2]]), &json!([]));
        let links = [json!([1, 1, 0, 2]), json!([2, 2, slot, 3])];
        check(
            &graph(&[picture(1), swap, any], &links),
            &json!({"1": picture_sent(), "3": expected}),
        );
    }
    let nobody = bypassed(node(2, "Nobody", &json!([]), &json!([])));
    let nobody = with(nobody, "outputs", json!([{"name": "x", "type": "X"}]));
    let any = node(3, "Any", &json!([["source", 2]]), &json!([]));
    check(
        &graph(&[nobody, any], &[json!([2, 2, 0, 3])]),
        &json!("missing_input"),
    );
}

#[test]
fn a_match_type_follows_what_the_other_inputs_are_connected_to() {
    // On is a picture's mask, so Off and the output are masks, and no image passes.
    let switch = |links: &Value| bypassed(node(2, "Switch", links, &json!([])));
    let nodes = |links: &Value| [picture(1), switch(links), save(3, 3)];
    let links = [
        json!([1, 1, 1, 2]),
        json!([2, 1, 0, 2]),
        json!([3, 2, 0, 3]),
    ];
    let sent = |prefix: Value| json!({"1": picture_sent(), "3": prefix});
    check(
        &graph(&nodes(&json!([["on", 1]])), &links),
        &sent(json!({"images": ["1", 1], "filename_prefix": "out"})),
    );
    check(
        &graph(&nodes(&json!([["on", 2], ["off", 1]])), &links),
        &sent(json!({"images": ["1", 1], "filename_prefix": "out"})),
    );
}

#[test]
fn links_that_lead_nowhere_are_errors_where_they_are_needed() {
    check(&graph(&[save(1, 9)], &[]), &json!("missing_link"));
    check(
        &graph(&[save(1, 9)], &[json!([9, 4, 0, 1])]),
        &json!("missing_node"),
    );
    check(&graph(&[muted(save(1, 9))], &[]), &json!({}));
}

#[test]
fn a_circle_is_an_error_only_through_nodes_that_are_passed_through() {
    let links = [
        json!([1, 2, 0, 1]),
        json!([2, 1, 0, 2]),
        json!([3, 1, 0, 3]),
    ];
    let nodes = [
        invert(1, &json!([["image", 1]])),
        invert(2, &json!([["image", 2]])),
        save(3, 3),
    ];
    let sent = json!({"1": {"image": ["2", 0]}, "2": {"image": ["1", 0]}, "3": saved("1", 0)});
    check(&graph(&nodes, &links), &sent);
    let [one, two, save] = nodes;
    check(
        &graph(&[bypassed(one), bypassed(two), save], &links),
        &json!("link_circle"),
    );
}

#[test]
fn a_linked_widget_sends_the_link_or_its_own_value_when_that_leads_to_nothing() {
    let number = node(1, "Number", &json!([]), &json!([64, "fixed"]));
    let linked = node(2, "Picture", &json!([["width", 1]]), &json!([16, 1, true]));
    let links = [json!([1, 1, 0, 2])];
    check(
        &graph(&[number.clone(), linked.clone()], &links),
        &json!({"1": {"value": 64}, "2": {"width": ["1", 0], "scale": 1, "tiled": true}}),
    );
    check(
        &graph(&[bypassed(number), linked], &links),
        &json!({"2": picture_sent()}),
    );
}

#[test]
fn unknown_saved_inputs_stay_as_sockets_but_not_as_widgets() {
    let mut other = picture(2);
    other["inputs"] = json!([{"name": "bogus", "type": "IMAGE", "link": 1},
        {"name": "gone", "type": "INT", "link": 2, "widget": {"name": "gone"}}]);
    let links = [json!([1, 1, 0, 2]), json!([2, 1, 0, 2])];
    let mut sent = picture_sent();
    sent["bogus"] = json!(["1", 0]);
    check(
        &graph(&[picture(1), other], &links),
        &json!({"1": picture_sent(), "2": sent}),
    );
}

#[test]
fn growing_inputs_keep_their_numbers_gaps_and_all() {
    let links = json!([
        ["images.image0", 1],
        ["images.image1", null],
        ["images.image3", 2]
    ]);
    let batch = node(2, "Batch", &links, &json!([]));
    check(
        &graph(
            &[picture(1), batch],
            &[json!([1, 1, 0, 2]), json!([2, 1, 1, 2])],
        ),
        &json!({"1": picture_sent(), "2": {"images.image0": ["1", 0], "images.image3": ["1", 1]}}),
    );
}

#[test]
fn a_slot_is_sent_as_the_whole_number_that_it_begins_with() {
    for (slot, sent) in [
        (json!(-1), json!(-1)),
        (json!(1.7), json!(1)),
        (json!("1"), json!(1)),
    ] {
        let mut graph = graph(&[picture(1), save(2, 1)], &[json!([1, 1, 0, 2])]);
        graph["links"][0][2] = slot;
        let expected = json!({"images": ["1", sent], "filename_prefix": "out"});
        check(&graph, &json!({"1": picture_sent(), "2": expected}));
    }
}
