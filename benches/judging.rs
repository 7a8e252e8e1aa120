//! Prints the case of 201 nodes as one JSON object: `make bench` has it judged in Wasm, and
//! compares the hash of the prompt with the one that was made here.

mod case;

use case::{contract, prompt_text, OBJECT_INFO};
use edge_queue::workflow::check::{check, Asked, Files};
use edge_queue::workflow::compile::compile;
use edge_queue::workflow::template::Template;
use serde_json::{json, Map};

fn main() {
    let (contract, template) = (json!(contract()).to_string(), prompt_text());
    let inputs = Map::from_iter([("prompt".to_owned(), "a grey fox".into())]);
    let asked = Asked {
        inputs: &inputs,
        shorthands: &Map::new(),
        files: &Files::new(),
        seed_if_random: 7,
    };
    let hash = Template::parse(&contract, &template)
        .ok()
        .and_then(|template| {
            let checked = check(&template.contract, &asked).ok()?;
            Some(compile(&template, &checked).hash)
        });
    let case = json!({
        "contract": contract,
        "template": template,
        "object_info": OBJECT_INFO,
        "inputs": inputs,
        "seed": 7,
    });
    println!("{}", json!({"case": case, "prompt_hash": hash}));
}
