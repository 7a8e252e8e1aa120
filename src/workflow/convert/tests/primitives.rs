//! Primitives write their value into widgets.

use super::*;

/// A primitive on an input of the picture.
#[track_caller]
fn check_primitive(input: &str, value: &Value, expected: &Value) {
    let primitive = node(1, "PrimitiveNode", &json!([]), &json!([value, "fixed"]));
    let target = node(2, "Picture", &json!([[input, 1]]), &json!([16, 1, true]));
    let prompt = prompt_of(&graph(&[primitive, target], &[json!([1, 1, 0, 2])])).unwrap();
    assert_eq!(prompt.len(), 1);
    assert_eq!(prompt["2"]["inputs"][input], *expected);
}

#[test]
fn a_whole_number_is_rounded_and_kept_in_range() {
    for (value, expected) in [
        (json!(7.5), 8),
        (json!(999), 64),
        (json!(-5), 1),
        (json!("12"), 12),
    ] {
        check_primitive("width", &value, &json!(expected));
    }
}

#[test]
fn a_fraction_has_as_many_decimals_as_the_step() {
    for (value, expected) in [(0.34, json!(0.3)), (1.25, json!(1.3)), (99.0, json!(2))] {
        check_primitive("scale", &json!(value), &expected);
    }
}

#[test]
fn a_number_that_is_none_becomes_null() {
    check_primitive("width", &json!("abc"), &json!(null));
}

/// A list was no number. JavaScript reads its text: that of `[7]` is 7, that of `[]` is 0.
#[test]
fn a_list_is_the_number_that_its_text_is() {
    check_primitive("width", &json!([7]), &json!(7));
    check_primitive("width", &json!([]), &json!(1));
    check_primitive("width", &json!([7, 8]), &json!(null));
}

/// `null` went into the prompt as it was; the widgets mend it, as they mend a saved one.
#[test]
fn nothing_is_mended_by_the_widget_that_it_is_written_to() {
    let target = node(
        2,
        "Sampler",
        &json!([["name", 1]]),
        &json!([1, "fixed", 2, "ddim"]),
    );
    let nothing = node(1, "PrimitiveNode", &json!([]), &json!([null]));
    check(
        &graph(&[nothing.clone(), target], &[json!([1, 1, 0, 2])]),
        &json!({"2": {"seed": 1, "steps": 2, "name": "euler"}}),
    );
    let target = node(2, "Prompt", &json!([["text", 1]]), &json!(["a", "b"]));
    check(
        &graph(&[nothing, target], &[json!([1, 1, 0, 2])]),
        &json!({"2": {"text": "", "line": "b"}}),
    );
}

#[test]
fn a_number_in_which_names_are_to_be_replaced_is_an_error() {
    let primitive = node(1, "PrimitiveNode", &json!([]), &json!([7]));
    let replaces = json!({"Run widget replace on values": true});
    let target = node(2, "Picture", &json!([["width", 1]]), &json!([]));
    check(
        &graph(
            &[with(primitive, "properties", replaces), target],
            &[json!([1, 1, 0, 2])],
        ),
        &json!("primitive_not_text"),
    );
}

#[test]
fn other_values_are_taken_as_they_are() {
    check_primitive("tiled", &json!("yes"), &json!("yes"));
}

#[test]
fn a_primitive_without_a_value_or_behind_a_reroute_changes_nothing() {
    let target = |link: u32| {
        node(
            2,
            "Picture",
            &json!([["width", link]]),
            &json!([16, 1, true]),
        )
    };
    let empty = node(1, "PrimitiveNode", &json!([]), &json!([]));
    check(
        &graph(&[empty, target(1)], &[json!([1, 1, 0, 2])]),
        &json!({"2": picture_sent()}),
    );
    let full = node(1, "PrimitiveNode", &json!([]), &json!([5]));
    let reroute = node(3, "Reroute", &json!([["", 1]]), &json!([]));
    let links = [json!([1, 1, 0, 3]), json!([2, 3, 0, 2])];
    check(
        &graph(&[full, target(2), reroute], &links),
        &json!({"2": picture_sent()}),
    );
}

#[test]
fn modes_do_not_matter_to_a_primitive() {
    let primitive = muted(node(1, "PrimitiveNode", &json!([]), &json!([5])));
    let target = node(2, "Picture", &json!([["width", 1]]), &json!([16, 1, true]));
    let sent = json!({"2": {"width": 5, "scale": 1, "tiled": true}});
    check(&graph(&[primitive, target], &[json!([1, 1, 0, 2])]), &sent);
}

#[test]
fn a_primitive_replaces_names_only_when_told_to() {
    for (told, expected) in [(true, "a16"), (false, "a%Picture.width%")] {
        let value = json!(["a%Picture.width%"]);
        let primitive = node(1, "PrimitiveNode", &json!([]), &value);
        let properties = json!({"Run widget replace on values": told});
        let primitive = with(primitive, "properties", properties);
        let target = node(3, "Prompt", &json!([["line", 1]]), &json!(["", "own"]));
        check(
            &graph(&[primitive, picture(2), target], &[json!([1, 1, 0, 3])]),
            &json!({"2": picture_sent(), "3": {"text": "", "line": expected}}),
        );
    }
}

/// A primitive with these saved values, linked to `width` of nodes 2, 3 and so on; link 1 first.
fn primitive_on(values: &Value, links: &[u32]) -> Value {
    let primitive = node(1, "PrimitiveNode", &json!([]), values);
    with(
        primitive,
        "outputs",
        json!([{"type": "INT", "links": links}]),
    )
}

#[test]
fn without_a_value_the_first_target_gives_its_own_to_all() {
    let target = |id: u32, width: u32| {
        let link = id - 1;
        node(
            id,
            "Picture",
            &json!([["width", link]]),
            &json!([width, 1, true]),
        )
    };
    let links = [json!([1, 1, 0, 2]), json!([2, 1, 0, 3])];
    for (order, width) in [([1, 2], 16), ([2, 1], 32)] {
        let nodes = [
            primitive_on(&json!([]), &order),
            target(2, 16),
            target(3, 32),
        ];
        let sent = json!({"width": width, "scale": 1, "tiled": true});
        check(&graph(&nodes, &links), &json!({"2": sent, "3": sent}));
    }
}

#[test]
fn one_number_for_two_widgets_passes_what_both_allow() {
    let picture = node(2, "Picture", &json!([["width", 1]]), &json!([16, 1, true]));
    let sampler = node(
        3,
        "Sampler",
        &json!([["steps", 2]]),
        &json!([1, "fixed", 20, "euler"]),
    );
    let links = [json!([1, 1, 0, 2]), json!([2, 1, 0, 3])];
    let nodes = [primitive_on(&json!([999]), &[1, 2]), picture, sampler];
    check(
        &graph(&nodes, &links),
        &json!({"2": {"width": 64, "scale": 1, "tiled": true},
            "3": {"seed": 1, "steps": 64, "name": "euler"}}),
    );
}
