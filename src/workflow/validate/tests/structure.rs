//! What is told without an inventory.

use super::told;
use crate::workflow::prompt::Prompt;
use crate::workflow::validate::{classes, structure};

fn check(prompt: &str, expected: &[&str]) {
    let prompt = Prompt::read(prompt.as_bytes()).unwrap();
    assert_eq!(told(&structure(&prompt)), expected);
}

#[test]
fn any_class_may_have_any_input() {
    check(
        r#"{"a": {"class_type": "Any", "inputs": {"x": 1, "y": "", "z": {"__value__": [1]}}},
            "b": {"class_type": "LoadImage", "inputs": {"image": ["a", 70]}}}"#,
        &["accepted"],
    );
}

#[test]
fn a_node_has_a_class_and_inputs() {
    check(
        r#"{"a": {"inputs": {}}}"#,
        &["missing_node_type | Node ID '#a'"],
    );
    check(
        r#"{"a": {"class_type": 5, "inputs": {}}}"#,
        &["missing_node_type | Node ID '#a'"],
    );
    let message = "Exception when validating node";
    check(
        r#"{"a": {"class_type": "Any"}, "b": {"class_type": "Any", "inputs": {}}}"#,
        &[
            &format!("prompt_outputs_failed_validation | {message}: 'inputs'"),
            &format!("a exception_during_validation - | {message} | 'inputs'"),
        ],
    );
    check("{}", &["prompt_no_outputs | "]);
}

#[test]
fn a_link_leads_to_a_node() {
    let message = "Exception when validating node";
    check(
        r#"{"a": {"class_type": "Any", "inputs": {"x": ["b", 0]}}}"#,
        &[
            &format!("prompt_outputs_failed_validation | {message}: 'b'"),
            &format!("a exception_during_validation - | {message} | 'b'"),
        ],
    );
    let message = "Bad linked input, must be a length-2 list of [node_id, slot_index]";
    check(
        r#"{"a": {"class_type": "Any", "inputs": {"x": ["a"]}}}"#,
        &[
            &format!("prompt_outputs_failed_validation | {message}: x"),
            &format!("a bad_linked_input x | {message} | x"),
        ],
    );
}

#[test]
fn no_link_leads_in_a_circle() {
    let message = "Dependency cycle detected";
    let text = "a (Any) -> b (Any) -> a (Any)";
    check(
        r#"{"a": {"class_type": "Any", "inputs": {"x": ["b", 0]}},
            "b": {"class_type": "Any", "inputs": {"x": ["a", 0]}}}"#,
        &[
            &format!("prompt_outputs_failed_validation | {message}: {text}\n{message}: {text}"),
            &format!("b dependency_cycle - | {message} | {text}"),
            &format!("a dependency_cycle - | {message} | {text}"),
        ],
    );
}

#[test]
fn the_classes_to_load_include_successors() {
    let prompt = r#"{"a": {"class_type": "ImageBatch"}, "b": {"class_type": 5}, "c": 1}"#;
    let prompt = Prompt::read(prompt.as_bytes()).unwrap();
    assert!(classes(&prompt)
        .iter()
        .eq(["BatchImagesNode", "ImageBatch"]));
}
