//! Golden cases: `tests/golden/<template>/<case>/inputs.json` and what comes of it, either
//! `prompt.json` or `violations.json`. `UPDATE=1 cargo test golden` rewrites the results.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use edge_queue::workflow::check::{check, Asked, FileFact};
use edge_queue::workflow::compile::compile;
use edge_queue::workflow::{template, violation};
use serde::Deserialize;
use serde_json::{json, Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case shows, for the reader.
    #[serde(rename = "case")]
    shows: String,
    #[serde(default)]
    inputs: Map<String, Value>,
    #[serde(default)]
    shorthands: Map<String, Value>,
    #[serde(default)]
    files: BTreeMap<String, FileFact>,
    #[serde(default)]
    seed_if_random: u64,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn cases() -> Vec<(String, PathBuf)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let templates = folders(&golden());
    let cases = templates
        .iter()
        .flat_map(|path| folders(path).into_iter().map(|case| (name(path), case)));
    cases.collect()
}

/// The file that a case leads to, and its text.
fn outcome(template: &str, folder: &Path) -> (&'static str, String) {
    let text = std::fs::read_to_string(folder.join("inputs.json")).unwrap();
    let case: Case =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    assert!(
        !case.shows.is_empty(),
        "{}: say what it shows",
        folder.display()
    );
    let template = template::find(template).unwrap_or_else(|| panic!("no template {template}"));
    let asked = Asked {
        inputs: &case.inputs,
        shorthands: &case.shorthands,
        files: &case.files,
        seed_if_random: case.seed_if_random,
    };
    let (file, value) = match check(&template.contract, &asked) {
        Err(violations) => ("violations.json", json!(violations)),
        Ok(checked) => {
            let compiled = compile(template, &checked);
            let prompt: Value = serde_json::from_str(&compiled.prompt).unwrap();
            let result = json!({
                "recorded": checked.inputs,
                "derived": checked.derived,
                "composed": checked.composed,
                "echo": checked.echo,
                "files": compiled.files,
                "outputs": compiled.outputs,
                "hash": compiled.hash,
                "prompt": prompt,
            });
            ("prompt.json", result)
        }
    };
    (
        file,
        format!("{}\n", serde_json::to_string_pretty(&value).unwrap()),
    )
}

#[test]
fn every_golden_case_gives_what_is_written_down() {
    // A test may read its own switch; the product reads none.
    #[allow(clippy::disallowed_methods)]
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let mut wrong = Vec::new();
    for (template, folder) in cases() {
        let (file, text) = outcome(&template, &folder);
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
    for (template, folder) in cases() {
        let (file, text) = outcome(&template, &folder);
        if file == "prompt.json" {
            compiled.insert(template);
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
    for (template, folder) in cases() {
        let (file, text) = outcome(&template, &folder);
        if file == "prompt.json" {
            let result: Value = serde_json::from_str(&text).unwrap();
            let links = dangling(result["prompt"].as_object().unwrap());
            assert_eq!(links, Vec::<String>::new(), "{}", folder.display());
        }
    }
}
