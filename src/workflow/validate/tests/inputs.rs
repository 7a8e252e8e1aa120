//! Values, ranges, choices, dynamic inputs, and classes that check themselves.

use super::{check, check_input};

const SAVE: &str = r#""s": {"class_type": "Save", "inputs": {"image": ["n", 0]}}"#;

/// One input of a saved picture whose other inputs are fine; the expectation is the error only.
fn check_value(name: &str, value: &str, expected: Option<&str>) {
    let mut inputs = vec![("width", "8"), ("scale", "1"), ("mode", "\"fast\"")];
    inputs.retain(|(other, _)| *other != name);
    inputs.push((name, value));
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    let inputs = inputs.join(", ");
    let nodes = format!(r#""n": {{"class_type": "Picture", "inputs": {{{inputs}}}}}, {SAVE}"#);
    match expected {
        None => check(&nodes, &["accepted"]),
        Some(error) => check(&nodes, &["prompt_outputs_failed_validation | ", error]),
    }
}

#[test]
fn whole_numbers_are_converted_then_ranged() {
    for fine in [
        "8",
        "8.9",
        "\"8\"",
        "\" 1_0 \"",
        "true",
        "{\"__value__\": 8}",
    ] {
        check_value("width", fine, None);
    }
    for (value, error) in [
        (
            "0.9",
            "n value_smaller_than_min width | Value 0 smaller than min of 1 | width",
        ),
        (
            "\"99\"",
            "n value_bigger_than_max width | Value 99 bigger than max of 64 | width",
        ),
        (
            "99999999999999999999999999999999999999999",
            "n value_bigger_than_max width | \
             Value 99999999999999999999999999999999999999999 bigger than max of 64 | width",
        ),
        (
            "\"8.5\"",
            "n invalid_input_type width | Failed to convert an input value to a INT value | \
             width, 8.5, invalid literal for int() with base 10: '8.5'",
        ),
        (
            "null",
            "n invalid_input_type width | Failed to convert an input value to a INT value | \
             width, None, int() argument must be a string, a bytes-like object or a real number, \
             not 'NoneType'",
        ),
        (
            "{\"__value__\": [1]}",
            "n invalid_input_type width | Failed to convert an input value to a INT value | \
             width, [1], int() argument must be a string, a bytes-like object or a real number, \
             not 'list'",
        ),
        (
            "Infinity",
            "n invalid_input_type width | Failed to convert an input value to a INT value | \
             width, inf, cannot convert float infinity to integer",
        ),
    ] {
        check_value("width", value, Some(error));
    }
}

#[test]
fn fractions_text_and_truth_are_converted() {
    for fine in ["\"1e0\"", "NaN", "\" nan\"", "2", "0.5"] {
        check_value("scale", fine, None);
    }
    check_value(
        "scale",
        "3",
        Some("n value_bigger_than_max scale | Value 3.0 bigger than max of 2.0 | scale"),
    );
    for anything in ["null", "5", "{\"a\": 1}", "true"] {
        check_value("label", anything, None);
        check_value("tiled", anything, None);
    }
}

#[test]
fn choices_compare_exactly() {
    check_value("mode", "\"it's\"", None);
    for (value, printed) in [("\"Fast\"", "'Fast'"), ("5", "5"), ("null", "None")] {
        let error = format!(
            "n value_not_in_list mode | Value not in list | \
             mode: {printed} not in ['fast', \"it's\"]"
        );
        check_value("mode", value, Some(&error));
    }
    check_input("Tags", r#""tags": true"#, &["accepted"]);
    check_input(
        "Tags",
        r#""tags": {"__value__": ["a", 1.0]}"#,
        &["accepted"],
    );
    let error = "n value_not_in_list tags | Value not in list | tags: 'c', 2 not in ['a', 1, 'b']";
    let line = "prompt_outputs_failed_validation | \
                Value not in list: tags: 'c', 2 not in ['a', 1, 'b']";
    check_input(
        "Tags",
        r#""tags": {"__value__": ["a", "c", 2]}"#,
        &[line, error],
    );
}

#[test]
fn literals_for_links_and_unknown_inputs_are_not_checked() {
    check_input(
        "Save",
        r#""image": "foo", "other": ["nowhere", 9, 9]"#,
        &["accepted"],
    );
    check_input("Save", r#""image": null"#, &["accepted"]);
}

#[test]
fn a_missing_required_input_is_named() {
    let line = "prompt_outputs_failed_validation | Required input is missing: image";
    let error = "n required_input_missing image | Required input is missing | image";
    check_input("Save", "", &[line, error]);
}

#[test]
fn a_range_against_what_is_no_number_raises() {
    check_input("Rate", r#""rate": 30"#, &["accepted"]);
    check_input("Rate", r#""rate": true"#, &["accepted"]);
    let sentence = "'<' not supported between instances of 'str' and 'float'";
    let line =
        format!("prompt_outputs_failed_validation | Exception when validating node: {sentence}");
    let error =
        format!("n exception_during_validation - | Exception when validating node | {sentence}");
    check_input("Rate", r#""rate": "30""#, &[&line, &error]);
}

#[test]
fn a_dynamic_combo_brings_the_inputs_of_its_branch() {
    check_input(
        "Resize",
        r#""how": "times", "how.factor": 2"#,
        &["accepted"],
    );
    check_input(
        "Resize",
        r#""how": "to", "how.side": "long", "how.side.pixels": 5"#,
        &["accepted"],
    );
    for unchosen in [
        "",
        r#""how": "other""#,
        r#""how": 5"#,
        r#""how": ["p", 0]"#,
        r#""how": [1]"#,
    ] {
        check_input("Resize", unchosen, &["accepted"]);
    }
    let line = "prompt_outputs_failed_validation | Required input is missing: pixels";
    let error = "n required_input_missing how.side.pixels | Required input is missing | pixels";
    check_input(
        "Resize",
        r#""how": "to", "how.side": "long""#,
        &[line, error],
    );
    let line = "prompt_outputs_failed_validation | \
                Value 0.0 smaller than min of 0.1: how.factor";
    let error = "n value_smaller_than_min how.factor | \
                 Value 0.0 smaller than min of 0.1 | how.factor";
    check_input(
        "Resize",
        r#""how": "times", "how.factor": 0"#,
        &[line, error],
    );
}

#[test]
fn an_autogrow_input_needs_its_first_names() {
    let all = r#""images.image0": ["p", 0], "images.image2": ["p", 0], "images.image3": ["p", 1]"#;
    check_input("Batch", all, &["accepted"]);
    let line = "prompt_outputs_failed_validation | Required input is missing: image0";
    let error = "n required_input_missing images.image0 | Required input is missing | image0";
    check_input("Batch", r#""images.image1": ["p", 0]"#, &[line, error]);
    let details = "images.image0, received_type(MASK) mismatch input_type(IMAGE)";
    let message = "Return type mismatch between linked nodes";
    check_input(
        "Batch",
        r#""images.image0": ["p", 1]"#,
        &[
            &format!("prompt_outputs_failed_validation | {message}: {details}"),
            &format!("n return_type_mismatch images.image0 | {message} | {details}"),
        ],
    );
}

#[test]
fn a_file_must_be_among_the_choices() {
    check_input("LoadImage", r#""image": "cat.png""#, &["accepted"]);
    check_input("LoadVideo", r#""file": "cat.mp4 [input]""#, &["accepted"]);
    let message = "Custom validation failed for node";
    for (class, input, noun) in [
        ("LoadImage", "image", "image"),
        ("LoadVideo", "file", "video"),
    ] {
        let details = format!("{input} - Invalid {noun} file: dog");
        let line = format!("prompt_outputs_failed_validation | {message}: {details}");
        let error = format!("n custom_validation_failed {input} | {message} | {details}");
        check_input(class, &format!("\"{input}\": \"dog\""), &[&line, &error]);
    }
}

#[test]
fn a_file_that_is_no_text_raises() {
    for (class, inputs, sentence) in [
        (
            "LoadImage",
            "",
            "LoadImage.VALIDATE_INPUTS() missing 1 required positional argument: 'image'",
        ),
        (
            "LoadVideo",
            "",
            "LoadVideo.validate_inputs() missing 1 required positional argument: 'file'",
        ),
        (
            "LoadImage",
            "\"image\": 5",
            "'int' object has no attribute 'endswith'",
        ),
        (
            "LoadImage",
            "\"image\": [\"p\"]",
            "'list' object has no attribute 'endswith'",
        ),
        (
            "LoadImage",
            "\"image\": [\"p\", 0]",
            "'NoneType' object has no attribute 'endswith'",
        ),
    ] {
        let message = "Exception when validating node";
        let line = format!("prompt_outputs_failed_validation | {message}: {sentence}");
        let error = format!("n exception_during_validation - | {message} | {sentence}");
        check_input(class, inputs, &[&line, &error]);
    }
}

#[test]
fn loaders_of_3d_models_take_every_input_along() {
    check_input(
        "Load3D",
        r#""model_file": "a.glb", "width": 0"#,
        &["accepted"],
    );
    check_input(
        "Load3D",
        r#""model_file": "none", "width": 1"#,
        &["accepted"],
    );
    check_input("Load3D", r#""model_file": null, "width": 1"#, &["accepted"]);
    let sentence = "Invalid 3D model file: ../a";
    let message = "Custom validation failed for node";
    check_input(
        "Load3D",
        r#""model_file": "../a", "width": 1, "other": 1"#,
        &[
            &format!(
                "prompt_outputs_failed_validation | \
                 {message}: model_file - {sentence}\n{message}: width - {sentence}"
            ),
            &format!("n custom_validation_failed model_file | {message} | model_file - {sentence}"),
            &format!("n custom_validation_failed width | {message} | width - {sentence}"),
        ],
    );
}
