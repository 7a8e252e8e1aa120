//! How long judging a prompt takes: `cargo bench --no-default-features --features testing`.
//!
//! ComfyUI 0.33.0 needs about 380 µs per node for the same verdict.

mod case;

use case::{contract, prompt_text, schema, OBJECT_INFO};
use divan::{black_box, Bencher};
use edge_queue::workflow::check::{check, Asked, Files};
use edge_queue::workflow::compile::compile;
use edge_queue::workflow::prompt::Prompt;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::template::Template;
use edge_queue::workflow::validate;
use serde_json::{json, Map};

fn main() {
    divan::main();
}

#[divan::bench]
fn validate_200_nodes(bencher: Bencher) {
    let (text, schema) = (prompt_text(), schema());
    let Ok(prompt) = Prompt::read(text.as_bytes()) else {
        unreachable!("the prompt above is JSON");
    };
    assert!(validate::validate(&prompt, &schema).is_faultless());
    bencher.bench(|| validate::validate(black_box(&prompt), black_box(&schema)));
}

#[divan::bench]
fn read_and_validate_200_nodes(bencher: Bencher) {
    let (body, schema) = (format!(r#"{{"prompt": {}}}"#, prompt_text()), schema());
    bencher.bench(|| validate::post(black_box(body.as_bytes()), black_box(&schema)));
}

#[divan::bench]
fn structure_of_200_nodes(bencher: Bencher) {
    let text = prompt_text();
    let Ok(prompt) = Prompt::read(text.as_bytes()) else {
        unreachable!("the prompt above is JSON");
    };
    bencher.bench(|| validate::structure(black_box(&prompt)));
}

#[divan::bench]
fn read_8_classes(bencher: Bencher) {
    bencher.bench(|| Schema::read(black_box(OBJECT_INFO.as_bytes())));
}

/// All that a create does with a template of this size, were it judged as well: `make bench` shows
/// the same in Wasm.
#[divan::bench]
fn compile_and_validate_200_nodes(bencher: Bencher) {
    let (contract, schema) = (json!(contract()).to_string(), schema());
    let Ok(template) = Template::parse(&contract, &prompt_text()) else {
        unreachable!("the draft is a contract");
    };
    let inputs = Map::from_iter([("prompt".to_owned(), "a grey fox".into())]);
    let asked = Asked {
        inputs: &inputs,
        shorthands: &Map::new(),
        files: &Files::new(),
        seed_if_random: 7,
    };
    let judge = |asked: &Asked| {
        let compiled = compile(&template, &check(&template.contract, asked).ok()?);
        let prompt = Prompt::read(compiled.prompt.as_bytes()).ok()?;
        Some(validate::validate(&prompt, &schema).is_faultless())
    };
    assert_eq!(judge(&asked), Some(true));
    bencher.bench(|| judge(black_box(&asked)));
}
