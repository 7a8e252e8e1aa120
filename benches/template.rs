//! How long a create spends on its template: see `make bench`.
//!
//! The case is a golden one: a template with a choice made for everything it offers.

use divan::{black_box, Bencher};
use edge_queue::workflow::check::{check, Asked, Files};
use edge_queue::workflow::compile::compile;
use edge_queue::workflow::template::{self, Template};
use serde::Deserialize;
use serde_json::{Map, Value};

const CASE: &str = include_str!("../tests/golden/qwen-image-edit/thai_choices/inputs.json");
const CONTRACT: &str = include_str!("../src/workflow/templates/qwen-image-edit/contract.json");
const PROMPT: &str = include_str!("../src/workflow/templates/qwen-image-edit/template.json");

#[derive(Default, Deserialize)]
struct Case {
    inputs: Map<String, Value>,
    files: Files,
}

fn main() {
    divan::main();
}

#[divan::bench]
fn check_and_compile_qwen_image_edit(bencher: Bencher) {
    let Some(template) = template::find("qwen-image-edit") else {
        unreachable!("the template is built in");
    };
    let case: Case = serde_json::from_str(CASE).unwrap_or_default();
    let asked = Asked {
        inputs: &case.inputs,
        shorthands: &Map::new(),
        files: &case.files,
        seed_if_random: 0,
    };
    let made = |asked| check(&template.contract, asked).map(|checked| compile(template, &checked));
    assert!(made(&asked).is_ok());
    bencher.bench(|| made(black_box(&asked)));
}

/// Once per isolate and template.
#[divan::bench]
fn parse_qwen_image_edit(bencher: Bencher) {
    assert!(Template::parse(CONTRACT, PROMPT).is_ok());
    bencher.bench(|| Template::parse(black_box(CONTRACT), black_box(PROMPT)));
}
