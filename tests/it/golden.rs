//! Golden cases: `tests/golden/<template>/<case>/inputs.json` and what comes of it, either
//! `prompt.json` or `violations.json`. `UPDATE=1 cargo test golden` rewrites the results.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use edge_queue::testing::golden::{self, outcome, Case, Outcome};
use edge_queue::workflow::{template, violation};
use serde_json::{Map, Value};

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden::cases(&root).unwrap()
}

#[test]
fn every_golden_case_gives_what_is_written_down() {
    // A test may read its own switch; the product reads none.
    #[allow(clippy::disallowed_methods)]
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let mut wrong = Vec::new();
    for case in cases() {
        assert!(
            !case.given.shows.is_empty(),
            "{}: say what it shows",
            case.name()
        );
        let folder = &case.folder;
        let Outcome { file, text } = outcome(&case).unwrap();
        let other = ["prompt.json", "violations.json"]
            .into_iter()
            .find(|name| *name != file);
        let other = folder.join(other.unwrap());
        if update {
            std::fs::write(folder.join(file), &text).unwrap();
            let _ = std::fs::remove_file(&other);
        }
        let written = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        if written != text || other.exists() {
            wrong.push(format!("{}: {file} is now\n{text}", folder.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "review, then UPDATE=1:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_template_has_a_golden_prompt_and_every_code_a_golden_violation() {
    let mut compiled = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for case in cases() {
        let Outcome { file, text } = outcome(&case).unwrap();
        if file == "prompt.json" {
            compiled.insert(case.template);
            continue;
        }
        let violations: Vec<Value> = serde_json::from_str(&text).unwrap();
        codes.extend(
            violations
                .iter()
                .map(|v| v["code"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(compiled, template::names().map(str::to_owned).collect());
    assert_eq!(
        codes,
        violation::CODES
            .iter()
            .map(|code| (*code).to_owned())
            .collect()
    );
}

/// The links of a prompt that lead to a node which is not in it.
fn dangling(prompt: &Map<String, Value>) -> Vec<String> {
    let inputs = prompt.iter().flat_map(|(id, node)| {
        let inputs = node["inputs"].as_object().into_iter().flatten();
        inputs.map(move |(name, value)| (id, name, value))
    });
    inputs
        .filter_map(|(id, name, value)| {
            let source = value.as_array()?.first()?.as_str()?;
            (!prompt.contains_key(source)).then(|| format!("{id}.{name} -> {source}"))
        })
        .collect()
}

#[test]
fn no_golden_prompt_has_a_link_to_nowhere() {
    for case in cases() {
        let Outcome { file, text } = outcome(&case).unwrap();
        if file == "prompt.json" {
            let result: Value = serde_json::from_str(&text).unwrap();
            let links = dangling(result["prompt"].as_object().unwrap());
            assert_eq!(links, Vec::<String>::new(), "{}", case.name());
        }
    }
}
