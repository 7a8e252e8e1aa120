//! What stands around the nodes: the body, classes, outputs, replacements.

use super::{check, schema, told, PICTURE};
use crate::workflow::prompt::Prompt;
use crate::workflow::validate::{post, validate};

const SAVE: &str = r#""s": {"class_type": "Save", "inputs": {"image": ["p", 0]}}"#;

/// The verdict on a whole body, without its details.
fn check_body(body: &str, expected: &str) {
    let outcome = post(body.as_bytes(), &schema());
    let told = told(&outcome);
    assert_eq!(told[0].split(" | ").next(), Some(expected), "{body}");
}

fn body(rest: &str) -> String {
    format!(r#"{{"prompt": {{{PICTURE}, {SAVE}}}{rest}}}"#)
}

#[test]
fn a_body_without_a_prompt_has_no_prompt() {
    for none in ["{}", "[]", "\"text\"", "{\"workflow\": {}}"] {
        check_body(none, "no_prompt");
    }
}

#[test]
fn what_breaks_the_server_is_unreadable() {
    for broken in [
        "",
        "nope",
        "null",
        "5",
        "\u{feff}{}",
        "{\"prompt\":{\"1\":",
        "[\"prompt\"]",
    ] {
        check_body(broken, "unreadable_prompt");
    }
    for prompt in [
        "null",
        "\"text\"",
        "[]",
        "5",
        "true",
        r#"{"nodes": [], "links": []}"#,
    ] {
        check_body(&format!("{{\"prompt\": {prompt}}}"), "unreadable_prompt");
    }
    for node in [
        "5",
        "null",
        "\"text\"",
        r#"{"class_type": [], "inputs": {}}"#,
        r#"{"class_type": "Save", "inputs": []}"#,
        r#"{"class_type": "Save", "inputs": null}"#,
        r#"{"class_type": "Nope", "inputs": {}, "_meta": null}"#,
        r#"{"inputs": {}, "_meta": "title"}"#,
    ] {
        check_body(
            &format!("{{\"prompt\": {{\"1\": {node}}}}}"),
            "unreadable_prompt",
        );
    }
}

#[test]
fn number_is_anything_that_float_takes() {
    for fine in ["3", "\"4\"", "true", "-1.5", "NaN"] {
        check_body(&body(&format!(", \"number\": {fine}")), "accepted");
    }
    for bad in ["null", "\"x\"", "[]"] {
        check_body(&body(&format!(", \"number\": {bad}")), "unreadable_prompt");
    }
    let outcome = post(body(", \"number\": 3").as_bytes(), &schema());
    let json = serde_json::to_string(&outcome).unwrap();
    assert_eq!(json, r#"{"prompt_id":null,"number":3.0,"node_errors":{}}"#);
}

#[test]
fn a_prompt_id_is_a_canonical_uuid() {
    let id = "0190a1b2-0000-7000-8000-00000000abcd";
    check_body(&body(&format!(", \"prompt_id\": \"{id}\"")), "accepted");
    check_body(&body(", \"prompt_id\": null"), "accepted");
    for bad in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        String::new(),
    ] {
        check_body(
            &body(&format!(", \"prompt_id\": \"{bad}\"")),
            "invalid_prompt_id",
        );
    }
    check_body(&body(", \"prompt_id\": 5"), "invalid_prompt_id");
}

#[test]
fn extra_data_must_be_an_object_where_it_is_written_to() {
    check_body(&body(", \"extra_data\": {}"), "accepted");
    check_body(&body(", \"extra_data\": []"), "unreadable_prompt");
    check_body(r#"{"prompt": {}, "extra_data": []}"#, "prompt_no_outputs");
    let with_client = r#"{"prompt": {}, "extra_data": [], "client_id": "c"}"#;
    check_body(with_client, "unreadable_prompt");
}

#[test]
fn only_targets_that_are_outputs_count() {
    check_body("{\"prompt\": {}}", "prompt_no_outputs");
    check_body(
        &format!("{{\"prompt\": {{{PICTURE}}}}}"),
        "prompt_no_outputs",
    );
    for (targets, expected) in [
        ("[\"s\"]", "accepted"),
        ("[\"p\"]", "prompt_no_outputs"),
        ("[]", "prompt_no_outputs"),
        ("null", "accepted"),
        ("5", "accepted"),
    ] {
        check_body(
            &body(&format!(", \"partial_execution_targets\": {targets}")),
            expected,
        );
    }
}

#[test]
fn one_good_output_is_enough() {
    let nodes = format!(r#"{SAVE}, "t": {{"class_type": "Save", "inputs": {{}}}}"#);
    let error = "t required_input_missing image | Required input is missing | image";
    check(&nodes, &["accepted", error]);
}

#[test]
fn what_no_output_reaches_is_not_judged() {
    let nodes = format!(r#"{SAVE}, "x": {{"class_type": "Invert", "inputs": {{"image": [1]}}}}"#);
    check(&nodes, &["accepted"]);
}

/// The message about the class of a node.
fn check_class(node: &str, message: &str) {
    let body = format!("{{\"prompt\": {{{PICTURE}, \"7\": {node}, {SAVE}}}}}");
    let error = post(body.as_bytes(), &schema()).error.unwrap();
    assert_eq!(
        (error.message.as_str(), error.details.as_str()),
        (message, "Node ID '#7'"),
        "{node}"
    );
}

#[test]
fn an_unknown_class_ends_everything() {
    let not_found =
        |title: &str| format!("Node '{title}' not found. The custom node may not be installed.");
    for (node, title) in [
        (r#"{"class_type": "save"}"#, "save"),
        (r#"{"class_type": "", "_meta": {"title": "It's"}}"#, "It's"),
        (r#"{"class_type": null}"#, "None"),
        (r#"{"class_type": 5}"#, "5"),
        (r#"{"class_type": "X", "_meta": {"title": null}}"#, "None"),
        (r#"{"class_type": "X", "_meta": {}}"#, "X"),
    ] {
        check_class(node, &not_found(title));
    }
    for (node, title) in [
        ("{}", "ID #7"),
        (r#"{"_meta": {"title": null}}"#, "ID #7"),
        (r#"{"_meta": {"title": ""}}"#, "ID #7"),
        (r#"{"_meta": {"title": "Mine"}}"#, "Mine"),
    ] {
        let sentence = "The workflow may be corrupted or a custom node is missing.";
        check_class(
            node,
            &format!("Node '{title}' has no class_type. {sentence}"),
        );
    }
}

#[test]
fn a_class_that_was_given_up_is_replaced() {
    let replaced = |inputs: &str, meta: &str| {
        let node = format!(r#"{{"class_type": "ImageBatch", "inputs": {inputs}{meta}}}"#);
        format!("{{\"prompt\": {{{PICTURE}, {SAVE}, \"b\": {node}}}}}")
    };
    let inputs = r#"{"image1": ["p", 0], "image2": ["p", 0]}"#;
    check_body(&replaced(inputs, ", \"_meta\": {}"), "accepted");
    check_body(&replaced(inputs, ""), "unreadable_prompt");
    check_body(
        &replaced(r#"{"image1": 1}"#, ", \"_meta\": {}"),
        "unreadable_prompt",
    );
    // Without inputs nothing is replaced, and the old class is not there.
    let bare = r#"{"class_type": "ImageBatch", "_meta": {"title": "t"}}"#;
    for reach in [r#""image": ["b", 0]"#, r#""image": ["p", 0]"#] {
        let save = format!(r#"{{"class_type": "Save", "inputs": {{{reach}}}}}"#);
        check_body(
            &format!("{{\"prompt\": {{{PICTURE}, \"s\": {save}, \"b\": {bare}}}}}"),
            "missing_node_type",
        );
    }
    // Its successor is not installed here.
    let node = r#"{"class_type": "T2IAdapterLoader", "inputs": {}}"#;
    check_body(
        &format!("{{\"prompt\": {{\"b\": {node}}}}}"),
        "missing_node_type",
    );
}

/// Two nodes with a megabyte wherever a short value belongs.
fn six_megabytes() -> String {
    let long = "x".repeat(1 << 20);
    let node = |i: usize| {
        let inputs = format!(r#"{{"width": "{long}", "scale": ["{long}"], "mode": "{long}"}}"#);
        format!(r#""{i}": {{"class_type": "Picture", "inputs": {inputs}}}"#)
    };
    let nodes: Vec<String> = (0..2).map(node).collect();
    let save = |i: usize| {
        let inputs = format!(r#"{{"image": ["{i}", 0]}}"#);
        format!(r#""s{i}": {{"class_type": "Save", "inputs": {inputs}}}"#)
    };
    format!("{{{}, {}, {}}}", nodes.join(", "), save(0), save(1))
}

#[test]
fn an_answer_of_ours_repeats_long_values_in_part_and_the_exact_one_whole() {
    let prompt = six_megabytes();
    let size = |outcome: &crate::workflow::validate::Outcome| {
        let told = serde_json::to_string(outcome).unwrap();
        told.len()
    };
    let read = Prompt::read(prompt.as_bytes()).unwrap();
    let ours = validate(&read, &schema());
    assert_eq!(ours.violations("/workflow").len(), 6);
    assert!(size(&ours) < 20_000, "{}", size(&ours));
    let exact = post(format!("{{\"prompt\": {prompt}}}").as_bytes(), &schema());
    assert!(size(&exact) > 9 << 20);
}
