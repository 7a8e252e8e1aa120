//! The pages about contracts and workflows say what the code does.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use edge_queue::workflow::contract::{lint, LANGUAGE_VERSION};
use edge_queue::workflow::{template, violation};
use serde_json::Value;

/// The content hash's first characters in the changelog: enough to tell two contents apart.
const HASH_SHOWN: usize = 12;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The first column of the table rows of one section, without backticks.
fn codes(page: &str, heading: &str) -> Vec<String> {
    let section = page.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn every_code_is_explained_and_no_other() {
    let page = read("docs/CONTRACT.md");
    assert_eq!(codes(&page, "## Violations\n"), violation::CODES);
    assert_eq!(codes(&page, "## Flaws of a contract\n"), lint::CODES);
}

#[test]
fn every_content_of_a_template_has_a_row_in_the_changelog() {
    let page = read("docs/WORKFLOWS.md");
    let changelog = page.split("## Changelog\n").nth(1).unwrap();
    for template in template::all() {
        let (name, version) = (template.name(), &template.contract.version);
        let newest = changelog
            .lines()
            .find(|row| row.starts_with(&format!("| `{name}` |")));
        let wanted = format!(
            "| `{name}` | {version} | `{}` |",
            &template.hash()[..HASH_SHOWN]
        );
        let found = newest.unwrap_or_default();
        assert!(
            found.starts_with(&wanted),
            "{name} has changed: raise its version and put this row first in its changelog:\n\
             {wanted} what changed |"
        );
    }
}

#[test]
fn every_change_of_the_contracts_language_has_a_row_in_its_changelog() {
    let page = read("docs/CONTRACT.md");
    let changelog = page.split("## Changelog\n").nth(1).unwrap();
    let hash = blake3::hash(read("docs/contract.schema.json").as_bytes()).to_hex();
    let wanted = format!("| {LANGUAGE_VERSION} | `{}` |", &hash[..HASH_SHOWN]);
    let mut rows = changelog.lines().filter(|line| line.starts_with("| "));
    let newest = rows.nth(2).unwrap_or_default();
    assert!(
        newest.starts_with(&wanted),
        "the language has changed: put this row first in its changelog:\n{wanted} what changed |"
    );
}

#[test]
fn every_model_file_is_listed_with_its_folder() {
    let page = read("docs/WORKFLOWS.md");
    for template in template::all() {
        for model in &template.contract.requires.models {
            let (name, folder, file) = (template.name(), &model.folder, &model.file);
            let row = format!("| `{name}` | `{folder}` | `{file}` |");
            assert!(page.contains(&row), "docs/WORKFLOWS.md lacks {row}");
        }
    }
}

/// Every name of a field anywhere in a value that is not free text.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                found.insert(name.clone());
                if !["values", "aliases", "set"].contains(&name.as_str()) {
                    fields(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every name of a property anywhere in a JSON Schema.
fn properties(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| properties(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_editors_schema_knows_every_field_in_use() {
    let schema: Value = serde_json::from_str(&read("docs/contract.schema.json")).unwrap();
    let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
    properties(&schema, &mut known);
    for template in template::all() {
        fields(
            &serde_json::to_value(&template.contract).unwrap(),
            &mut used,
        );
    }
    assert_eq!(
        used.difference(&known).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn a_card_shows_the_form_and_hides_how_the_prompt_is_made() {
    for template in template::all() {
        let card = serde_json::to_value(template.contract.card()).unwrap();
        let mut shown = BTreeSet::new();
        fields(&card, &mut shown);
        for hidden in ["to", "rules", "derived", "requires", "node", "aliases"] {
            assert!(
                !shown.contains(hidden),
                "{} shows {hidden}",
                template.name()
            );
        }
        assert_eq!(
            card["inputs"].as_array().unwrap().len(),
            template.contract.inputs.len()
        );
    }
}
