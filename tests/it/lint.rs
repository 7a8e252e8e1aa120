//! Each mistake that the author of a contract can make.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use edge_queue::workflow::contract::{lint, Contract};
use edge_queue::workflow::template;
use serde_json::{json, Value};

/// A place in the photo editing contract or template, what is put there, the flaw that follows.
const MISTAKES: &str = r#"/version | "one" | bad_value /version
/title/th | " " | empty /title/th
/inputs/0/name | "Image" | bad_name /inputs/0/name
/inputs/1/name | "image" | duplicate /inputs/1/name
/inputs/0/to/0 | "/7/inputs/imag" | bad_place /inputs/0/to/0
/inputs/0/to/0 | "/7/class_type" | bad_place /inputs/0/to/0
/inputs/0/to/0 | "/20/inputs/filename_prefix" | bad_place /inputs/0/to/0
/inputs/0/to | [] | bad_place /inputs/0
/inputs/0/size_bytes_max | 0 | bad_limit /inputs/0
/inputs/0/content_types/0 | "video/mp4" | bad_value /inputs/0/content_types/0
/inputs/3/default | "bald" | bad_default /inputs/3/default
/inputs/3/choices/1/value | "keep" | duplicate /inputs/3/choices/1/value
/inputs/3/choices/1/values | {"a": []} | bad_value /inputs/3/choices/1/values/a
/inputs/3/choices | [] | too_many /inputs/3
/inputs/3/choices/1/needs | "wig" | bad_reference /inputs/3/choices
/inputs/3/choices/0/needs | "image2" | bad_default /inputs/3/default
/inputs/13/min | 50 | bad_limit /inputs/13
/inputs/13/default_from | "colour" | bad_reference /inputs/13/default_from
/inputs/13/default_from | "hair" | bad_default /inputs/13/default_from
/inputs/13/required | true | bad_default /inputs/13
/aliases/photo | "foto" | bad_reference /aliases/photo
/aliases/image2 | "image" | duplicate /aliases/image2
/require_any/0 | [] | empty /require_any/0
/require_any/0/0 | "text" | bad_reference /require_any/0/0
/derived/0/from | "hair" | bad_reference /derived/0/from
/derived/1/name | "width" | duplicate /derived/1/name
/derived/1/to/0 | "/17/inputs/width" | duplicate /derived/1/to/0
/compose/0/parts/0 | {"input": "steps"} | bad_reference /compose/0/parts/0/input
/rules/0/when/input | "size" | bad_reference /rules/0/when/input
/rules/0/remove/0 | "/99" | bad_place /rules/0
/rules/0/when/equals | "7:7" | bad_reference /rules/0/when/equals
/inputs/12/choices/1/values | {} | bad_reference /derived/0/from
/rules/0/set | {"/7/class_type": "EvilNode"} | bad_place /rules/0
/rules/0/remove/0 | "/16" | bad_template /rules
/rules/2/remove | ["/12"] | bad_template /rules
/rules/3/remove/0 | "/20" | empty /rules
/echo | ["record"] | bad_reference /echo/0
/outputs | [] | empty /outputs
/outputs/0/node | "19" | bad_reference /outputs/0/node
/outputs/0/node | "19" | mismatch template:/20
/outputs/0/kind | "video" | mismatch /outputs/0/kind
/outputs/0/node | null | mismatch /outputs/0/node
/requires/node_classes/0 | "NoSuchNode" | mismatch /requires/node_classes
/requires/models/0/file | "other.safetensors" | mismatch /requires/models
/limits/execution_limit_ms | 1 | bad_limit /limits/execution_limit_ms
/limits/usual_duration_ms | 0 | bad_limit /limits/usual_duration_ms
/protocol | "task" | bad_template template:
template:/18/inputs/model | ["60", 0] | bad_template template:/18/inputs/model
template:/18/class_type | 5 | bad_template template:/18"#;

/// The flaws of the photo editing contract and its template after one change to either.
fn flaws_with(place: &str, value: Value) -> BTreeSet<String> {
    let template = template::find("qwen-image-edit").unwrap();
    let mut contract = serde_json::to_value(&template.contract).unwrap();
    let mut prompt = template.prompt.clone();
    let (target, place) = match place.strip_prefix("template:") {
        Some(place) => (&mut prompt, place),
        None => (&mut contract, place),
    };
    let (parent, name) = place.rsplit_once('/').unwrap();
    match target.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    let contract = Contract::parse(&contract.to_string()).unwrap();
    let flaws = lint::lint(&contract, &prompt);
    flaws
        .into_iter()
        .map(|flaw| format!("{} {}", flaw.code, flaw.path))
        .collect()
}

#[test]
fn every_mistake_of_an_author_is_found() {
    let mut codes = BTreeSet::new();
    for line in MISTAKES.lines() {
        let [place, value, expected] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line} has no three columns");
        };
        let flaws = flaws_with(place, serde_json::from_str(value).unwrap());
        assert!(flaws.contains(expected), "{line}: not in {flaws:?}");
        codes.extend(expected.split(' ').next());
    }
    assert_eq!(codes, lint::CODES.into_iter().collect());
}

#[test]
fn a_caller_never_names_the_task_itself() {
    let template = template::find("lens-character").unwrap();
    let mut contract = serde_json::to_value(&template.contract).unwrap();
    contract["inputs"][0]["to"] = json!(["/task"]);
    let contract = Contract::parse(&contract.to_string()).unwrap();
    let flaws = lint::lint(&contract, &template.prompt);
    let places: Vec<_> = flaws.iter().map(|flaw| (&*flaw.path, flaw.code)).collect();
    assert_eq!(places, [("/inputs/0/to/0", "bad_place")]);
}

#[test]
fn rules_that_break_the_prompt_in_several_ways_are_all_told() {
    let template = template::find("qwen-image-edit").unwrap();
    let mut contract = serde_json::to_value(&template.contract).unwrap();
    contract["rules"][2]["remove"] = json!(["/12"]);
    contract["rules"][3]["remove"] = json!(["/13"]);
    let contract = Contract::parse(&contract.to_string()).unwrap();
    let flaws = lint::lint(&contract, &template.prompt);
    for node in [
        "image2 of node 14",
        "image2 of node 15",
        "image3 of node 14",
    ] {
        assert!(
            flaws.iter().any(|flaw| flaw.message.contains(node)),
            "{node}: {flaws:#?}"
        );
    }
}

#[test]
fn a_misspelt_field_of_a_contract_is_refused() {
    let template = template::find("qwen-image-edit").unwrap();
    for place in [
        "/limit",
        "/inputs/0/size_byte_max",
        "/inputs/13/maximum",
        "/rules/0/when/is",
    ] {
        let mut contract = serde_json::to_value(&template.contract).unwrap();
        let (parent, name) = place.rsplit_once('/').unwrap();
        contract.pointer_mut(parent).unwrap()[name] = json!(1);
        assert!(Contract::parse(&contract.to_string()).is_err(), "{place}");
    }
}

#[test]
fn an_oversized_or_newer_contract_is_refused() {
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(300_000));
    assert!(Contract::parse(&huge)
        .unwrap_err()
        .to_string()
        .contains("bytes"));
    let mut newer = serde_json::to_value(&template::all().next().unwrap().contract).unwrap();
    newer["contract"] = json!(2);
    assert!(Contract::parse(&newer.to_string())
        .unwrap_err()
        .to_string()
        .contains("version 2"));
}
