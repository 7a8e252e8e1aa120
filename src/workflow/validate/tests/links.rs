//! Links, what is upstream, exceptions and cycles.

use super::{check, schema, told};
use crate::workflow::prompt::Prompt;
use crate::workflow::validate::{validate, Kind};

fn save(link: &str) -> String {
    format!(r#""n": {{"class_type": "Save", "inputs": {{"image": {link}}}}}"#)
}

/// An exception in the output itself.
fn check_raised(link: &str, sentence: &str) {
    let message = "Exception when validating node";
    check(
        &save(link),
        &[
            &format!("prompt_outputs_failed_validation | {message}: {sentence}"),
            &format!("n exception_during_validation - | {message} | {sentence}"),
        ],
    );
}

#[test]
fn a_link_names_a_node_and_a_slot() {
    for fine in [r#"["p", 0]"#, r#"["p", -2]"#, r#"["p", false]"#] {
        check(&save(fine), &["accepted"]);
    }
    let message = "Bad linked input, must be a length-2 list of [node_id, slot_index]";
    for bad in ["[]", r#"["p"]"#, r#"["p", 0, 0]"#] {
        let line = format!("prompt_outputs_failed_validation | {message}: image");
        check(
            &save(bad),
            &[
                &line,
                &format!("n bad_linked_input image | {message} | image"),
            ],
        );
    }
}

#[test]
fn a_link_to_nothing_raises() {
    check_raised(r#"["x", 0]"#, "'x'");
    check_raised("[81, 0]", "81");
    check_raised("[null, 0]", "None");
    check_raised("[[\"p\"], 0]", "unhashable type: 'list'");
    check_raised("[{}, 0]", "unhashable type: 'dict'");
}

#[test]
fn a_slot_that_is_not_there_raises() {
    check_raised(r#"["p", 2]"#, "tuple index out of range");
    check_raised(r#"["p", -3]"#, "tuple index out of range");
    check_raised(
        r#"["p", "0"]"#,
        "tuple indices must be integers or slices, not str",
    );
    check_raised(
        r#"["p", 0.0]"#,
        "tuple indices must be integers or slices, not float",
    );
    check_raised(
        r#"["p", null]"#,
        "tuple indices must be integers or slices, not NoneType",
    );
    let big = "99999999999999999999";
    check_raised(
        &format!("[\"p\", {big}]"),
        "cannot fit 'int' into an index-sized integer",
    );
}

#[test]
fn the_newer_classes_word_their_slots_as_lists() {
    let nodes = format!(
        r#"{}, "v": {{"class_type": "LoadVideo", "inputs": {{"file": "cat.mp4"}}}}"#,
        save(r#"["v", 1]"#)
    );
    let sentence = "list index out of range";
    let message = "Exception when validating node";
    let error = format!("n exception_during_validation - | {message} | {sentence}");
    check(&nodes, &["accepted", &error]);
}

#[test]
fn an_exception_upstream_is_told_where_it_happened() {
    let nodes = r#""b": {"class_type": "Invert", "inputs": {"image": ["x", 0]}},
                   "s": {"class_type": "Save", "inputs": {"image": ["b", 0]}}"#;
    let error = "b exception_during_inner_validation image | \
                 Exception when validating inner node | 'x'";
    check(nodes, &["prompt_outputs_failed_validation | ", error]);
    let nodes = r#""b": {"class_type": "Invert"},
                   "s": {"class_type": "Save", "inputs": {"image": ["b", 0]}}"#;
    let error = "b exception_during_inner_validation image | \
                 Exception when validating inner node | 'inputs'";
    check(nodes, &["prompt_outputs_failed_validation | ", error]);
}

#[test]
fn the_node_downstream_of_an_exception_goes_on() {
    let nodes = r#""b": {"class_type": "Invert"},
                   "i": {"class_type": "Invert", "inputs": {"image": ["b", 0], "mask": ["p", 0]}},
                   "s": {"class_type": "Save", "inputs": {"image": ["i", 0]}}"#;
    check(
        nodes,
        &[
            "prompt_outputs_failed_validation | ",
            "b exception_during_inner_validation image | \
             Exception when validating inner node | 'inputs'",
            "i return_type_mismatch mask | Return type mismatch between linked nodes | \
             mask, received_type(IMAGE) mismatch input_type(MASK)",
        ],
    );
}

#[test]
fn the_source_of_a_mismatch_is_not_followed() {
    let nodes = r#""b": {"class_type": "Invert"},
                   "s": {"class_type": "Save", "inputs": {"image": ["p", 1]}},
                   "i": {"class_type": "Invert", "inputs": {"image": ["p", 0], "mask": ["b", 0]}},
                   "t": {"class_type": "Save", "inputs": {"image": ["i", 0]}}"#;
    let message = "Return type mismatch between linked nodes";
    let own = "image, received_type(MASK) mismatch input_type(IMAGE)";
    check(
        nodes,
        &[
            &format!("prompt_outputs_failed_validation | {message}: {own}"),
            &format!("s return_type_mismatch image | {message} | {own}"),
            &format!(
                "i return_type_mismatch mask | {message} | \
                 mask, received_type(IMAGE) mismatch input_type(MASK)"
            ),
        ],
    );
}

#[test]
fn a_bad_node_lists_the_outputs_that_need_it() {
    let text = r#"{"b": {"class_type": "Invert", "inputs": {}},
                   "s": {"class_type": "Save", "inputs": {"image": ["b", 0]}},
                   "t": {"class_type": "Save", "inputs": {"image": ["b", 0]}}}"#;
    let prompt = Prompt::read(text.as_bytes()).unwrap();
    let outcome = validate(&prompt, &schema());
    assert_eq!(outcome.node_errors.len(), 1);
    assert_eq!(outcome.node_errors[0].dependent_outputs, ["s", "t"]);
    assert_eq!(outcome.node_errors[0].class_type, "Invert");
}

#[test]
fn every_node_of_a_cycle_is_told() {
    let nodes = r#""a": {"class_type": "Invert", "inputs": {"image": ["b", 0]}},
                   "b": {"class_type": "Invert", "inputs": {"image": ["a", 0], "mask": ["p", 0]}},
                   "s": {"class_type": "Save", "inputs": {"image": ["a", 0]}}"#;
    let cycle = "Dependency cycle detected | a (Invert) -> b (Invert) -> a (Invert)";
    let mask = "b return_type_mismatch mask | Return type mismatch between linked nodes | \
                mask, received_type(IMAGE) mismatch input_type(MASK)";
    check(
        nodes,
        &[
            "prompt_outputs_failed_validation | ",
            &format!("b dependency_cycle - | {cycle}"),
            mask,
            &format!("a dependency_cycle - | {cycle}"),
        ],
    );
}

#[test]
fn a_node_may_not_need_itself() {
    let nodes = r#""n": {"class_type": "Batch", "inputs": {"images.image0": ["n", 0]}}"#;
    let cycle = "Dependency cycle detected";
    let text = "n (Batch) -> n (Batch)";
    check(
        nodes,
        &[
            &format!("prompt_outputs_failed_validation | {cycle}: {text}"),
            &format!("n dependency_cycle - | {cycle} | {text}"),
        ],
    );
}

/// A chain of inverts, first to last, whose first link leads to `first` and whose last is saved.
fn chain(length: usize, first: &str) -> String {
    let mut nodes = vec![super::PICTURE.to_owned()];
    for number in 0..length {
        let from = if number == 0 {
            first.to_owned()
        } else {
            (number - 1).to_string()
        };
        let inputs = format!(r#"{{"image": ["{from}", 0]}}"#);
        nodes.push(format!(
            r#""{number}": {{"class_type": "Invert", "inputs": {inputs}}}"#
        ));
    }
    let last = length - 1;
    nodes.push(format!(
        r#""s": {{"class_type": "Save", "inputs": {{"image": ["{last}", 0]}}}}"#
    ));
    format!("{{{}}}", nodes.join(","))
}

#[test]
fn a_long_chain_is_walked_to_its_end() {
    let text = chain(5_000, "p");
    let prompt = Prompt::read(text.as_bytes()).unwrap();
    assert_eq!(told(&validate(&prompt, &schema())), ["accepted"]);
    let text = chain(5_000, "x");
    let prompt = Prompt::read(text.as_bytes()).unwrap();
    let outcome = validate(&prompt, &schema());
    assert_eq!(outcome.node_errors.len(), 1);
    assert_eq!(outcome.node_errors[0].node_id, "0");
}

#[test]
fn a_long_cycle_makes_no_long_answer() {
    let text = chain(5_000, "4999");
    let prompt = Prompt::read(text.as_bytes()).unwrap();
    let outcome = validate(&prompt, &schema());
    assert_eq!(
        outcome.node_errors.len(),
        crate::workflow::validate::NODES_REPORTED_MAX
    );
    assert!(outcome
        .node_errors
        .iter()
        .all(|node| node.errors[0].kind == Kind::DependencyCycle));
    assert!(serde_json::to_vec(&outcome).unwrap().len() < 8_000_000);
}
