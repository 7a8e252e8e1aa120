//! Saved values and the widgets that they are dealt to.

use super::*;

#[track_caller]
fn check_values(class: &str, values: &Value, expected: &Value) {
    check(
        &graph(&[node(1, class, &json!([]), values)], &[]),
        &json!({"1": expected}),
    );
}

#[test]
fn values_are_dealt_in_order_without_check_or_conversion() {
    let sent = |width: Value, scale: Value, tiled: Value| {
        json!({"width": width, "scale": scale,
            "tiled": tiled})
    };
    check_values(
        "Picture",
        &json!([20.7, "x", 3, 4]),
        &sent(json!(20.7), json!("x"), json!(3)),
    );
    check_values(
        "Picture",
        &json!([null]),
        &sent(json!(null), json!(1.5), json!(false)),
    );
    check_values(
        "Picture",
        &json!(null),
        &sent(json!(8), json!(1.5), json!(false)),
    );
}

#[test]
fn a_seed_is_followed_by_a_control_that_is_not_sent() {
    let sent = json!({"seed": 1, "steps": 2, "name": "ddim"});
    check_values("Sampler", &json!([1, "randomize", 2, "ddim"]), &sent);
}

#[test]
fn old_files_have_a_value_for_forced_sockets_too() {
    let new = json!({"seed": 1, "steps": 2});
    check_values("Forced", &json!([1, "fixed", 2]), &new);
    check_values("Forced", &json!([1, "fixed", 0.5, 2]), &new);
    // With any other number of values nothing is dropped.
    check_values(
        "Forced",
        &json!([1, "fixed", 0.5, 2, 3]),
        &json!({"seed": 1, "steps": 0.5}),
    );
}

#[test]
fn the_oldest_sampler_names_lose_their_prefix() {
    check_values(
        "KSampler",
        &json!(["sample_ddim"]),
        &json!({"sampler_name": "ddim"}),
    );
}

#[test]
fn a_combo_without_options_is_left_out_and_null_is_the_first_option() {
    check_values("Loader", &json!(null), &json!({"kind": "b"}));
    check_values(
        "Loader",
        &json!([null, null]),
        &json!({"file": null, "kind": "a"}),
    );
    check_values(
        "Loader",
        &json!(["f", "z"]),
        &json!({"file": "f", "kind": "z"}),
    );
}

#[test]
fn null_in_a_text_is_empty_if_it_has_many_lines() {
    check_values(
        "Prompt",
        &json!([null, null]),
        &json!({"text": "", "line": null}),
    );
}

#[test]
fn values_by_name_make_the_widgets_of_known_classes_disappear() {
    check_values("Picture", &json!({"width": 3}), &json!({}));
    // Choices fall back to the first, and a text of several lines writes what JavaScript calls it.
    check_values(
        "Sampler",
        &json!({"name": "ddim"}),
        &json!({"name": "euler"}),
    );
    check_values("Prompt", &json!({}), &json!({"text": "undefined"}));
    // A file name that disappears is no text.
    let save = node(1, "SaveImage", &json!([]), &json!({"filename_prefix": "x"}));
    check(&graph(&[save], &[]), &json!("prefix_not_text"));
}

#[test]
fn the_inputs_of_the_chosen_option_take_the_next_values() {
    check_values(
        "Resize",
        &json!(["times", 3, "cubic"]),
        &json!({"how": "times", "how.zoom": 3, "filter": "cubic"}),
    );
    // An inner seed has no control.
    check_values(
        "Resize",
        &json!(["to", 1, 2, 3, "y", false, "cubic"]),
        &json!({"how": "to", "how.width": 1, "how.height": 2, "how.seed": 3, "how.along": "y",
            "how.along.far": false, "filter": "cubic"}),
    );
    check_values(
        "Resize",
        &json!([]),
        &json!({"how": "times", "how.zoom": 2, "filter": "area"}),
    );
}

#[test]
fn an_unknown_option_has_no_inputs_and_null_gets_those_of_the_first() {
    check_values(
        "Resize",
        &json!(["odd", "cubic"]),
        &json!({"how": "odd", "filter": "cubic"}),
    );
    check_values(
        "Resize",
        &json!([null, "cubic"]),
        &json!({"how": "times", "how.zoom": 2, "filter": "cubic"}),
    );
}

#[test]
fn sockets_of_the_chosen_option_can_be_linked() {
    let resize = node(
        2,
        "Resize",
        &json!([["how.about", 1]]),
        &json!(["times", 1, "area"]),
    );
    check(
        &graph(&[picture(1), resize], &[json!([1, 1, 0, 2])]),
        &json!({"1": picture_sent(), "2": {"how": "times", "how.zoom": 1, "how.about": ["1", 0],
            "filter": "area"}}),
    );
}

#[test]
fn lists_are_wrapped_lest_they_be_taken_for_links() {
    let box_ = json!({"x": 1, "y": 2, "width": 3, "height": 4});
    check_values(
        "Shapes",
        &json!([box_, 1, 2, 3, 4, [[0, 0], [1, 1]], ["#fff"]]),
        &json!({"box": box_, "curve": {"__type__": "CURVE", "__value__": [[0, 0], [1, 1]]},
            "view": {"__value__": ["", ""]}, "colors": {"__value__": ["#fff"]}}),
    );
    check_values(
        "Shapes",
        &json!([]),
        &json!({"box": {"x": 0, "y": 0, "width": 512, "height": 512},
            "view": {"__value__": ["", ""]}, "colors": {"__value__": []}}),
    );
}

#[test]
fn numbers_are_doubles() {
    check_values(
        "Number",
        &json!([9_007_199_254_740_993_i64]),
        &json!({"value": 9_007_199_254_740_992_i64}),
    );
}

#[test]
fn an_upload_takes_a_value_and_is_not_sent() {
    check_values(
        "LoadImage",
        &json!(["dog.png", "image"]),
        &json!({"image": "dog.png"}),
    );
}

#[test]
fn a_custom_combo_sends_its_options_one_more_and_the_place_of_its_choice() {
    check_values(
        "CustomCombo",
        &json!(["b", 7, "a", "b", ""]),
        &json!({"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""}),
    );
    check_values(
        "CustomCombo",
        &json!(["b"]),
        &json!({"choice": "b", "index": -1, "option1": ""}),
    );
    // A choice of nothing was sent as null; the first option is meant.
    check_values(
        "CustomCombo",
        &json!([null, null, "a", null]),
        &json!({"choice": "a", "index": 0, "option1": "a", "option2": null}),
    );
}

#[test]
fn prompts_lose_comments_and_choices_where_the_class_says_so() {
    check_values(
        "Prompt",
        &json!(["a {red|green} // cat", "{a|b}"]),
        &json!({"text": "a red ", "line": "{a|b}"}),
    );
}
