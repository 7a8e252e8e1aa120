//! Every template fits the classes that it was written against, its own `schema.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use edge_queue::workflow::contract::Protocol;
use edge_queue::workflow::prompt::Prompt;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::template;
use edge_queue::workflow::validate::{expect_uploads, validate};
use serde_json::Value;

fn schema(name: &str) -> Schema {
    let path = format!("src/workflow/templates/{name}/schema.json");
    Schema::read(&fs::read(path).unwrap()).unwrap()
}

/// What the golden cases of a template compile to.
fn compiled(name: &str) -> Vec<Value> {
    let cases = fs::read_dir(Path::new("tests/golden").join(name)).unwrap();
    let prompts = cases.map(|case| case.unwrap().path().join("prompt.json"));
    prompts
        .filter(|path| path.exists())
        .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}

#[test]
fn every_golden_prompt_is_faultless_by_its_templates_own_schema() {
    let mut validated = BTreeSet::new();
    let protocol = |template: &template::Template| template.contract.protocol;
    let graphs = template::all().filter(|template| protocol(template) == Protocol::Comfyui);
    let graphs: Vec<&str> = graphs.map(template::Template::name).collect();
    for name in &graphs {
        for case in compiled(name) {
            let mut schema = schema(name);
            let files = case["files"].as_array().unwrap().iter();
            let places = files.flat_map(|file| file["places"].as_array().unwrap());
            let places: Vec<_> = places.map(|at| at.as_str().unwrap().to_owned()).collect();
            expect_uploads(&mut schema, &case["prompt"], &places);
            let prompt = Prompt::from_json(&case["prompt"]).unwrap();
            let outcome = validate(&prompt, &schema);
            assert!(outcome.is_faultless(), "{name}: {outcome:#?}");
            validated.insert(*name);
        }
    }
    assert_eq!(validated, graphs.into_iter().collect());
}
