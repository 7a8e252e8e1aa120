//! The simulated GPU's inventory fits the templates, and has exactly their model files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use edge_queue::workflow::inventory;
use edge_queue::workflow::prompt::Prompt;
use edge_queue::workflow::python::Value;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::template;
use edge_queue::workflow::validate::validate;

fn core() -> Schema {
    Schema::read(&fs::read("inventory/core.json").unwrap()).unwrap()
}

fn choices<'s>(schema: &'s Schema, class: &str, input: &str) -> BTreeSet<&'s str> {
    let class = schema.class(class).unwrap();
    let found = class.inputs.iter().find(|known| known.name == input);
    let choices = found.unwrap().spec.choices().unwrap();
    choices.iter().filter_map(Value::as_text).collect()
}

#[test]
fn it_is_as_a_deployment_would_keep_it() {
    let text = fs::read_to_string("inventory/core.json").unwrap();
    let read = inventory::read(text.as_bytes()).unwrap();
    assert_eq!(read.document(), text);
    assert!(read.lists_left_out.is_empty());
}

#[test]
fn the_files_to_choose_from_are_those_of_the_templates() {
    let schema = core();
    let models = template::all().flat_map(|template| &template.contract.requires.models);
    let models: BTreeSet<_> = models
        .map(|m| (m.folder.as_str(), m.file.as_str()))
        .collect();
    let of = |folder: &str| {
        let inside = models.iter().filter(|(known, _)| *known == folder);
        inside.map(|(_, file)| *file).collect::<BTreeSet<_>>()
    };
    for (folder, class, input, besides) in [
        ("diffusion_models", "UNETLoader", "unet_name", None),
        ("text_encoders", "CLIPLoader", "clip_name", None),
        ("text_encoders", "DualCLIPLoader", "clip_name2", None),
        ("vae", "VAELoader", "vae_name", Some("pixel_space")),
        ("loras", "LoraLoaderModelOnly", "lora_name", None),
        ("clip_vision", "CLIPVisionLoader", "clip_name", None),
        ("checkpoints", "CheckpointLoaderSimple", "ckpt_name", None),
    ] {
        let mut expected = of(folder);
        expected.extend(besides);
        assert_eq!(choices(&schema, class, input), expected, "{class}");
    }
}

#[test]
fn every_golden_prompt_is_faultless_by_it() {
    let mut judged = 0;
    for template in template::all().filter(|t| !t.contract.requires.node_classes.is_empty()) {
        let folder = Path::new("tests/golden").join(template.name());
        for case in fs::read_dir(folder).unwrap() {
            let path = case.unwrap().path().join("prompt.json");
            let Ok(text) = fs::read_to_string(path) else {
                continue;
            };
            let case: serde_json::Value = serde_json::from_str(&text).unwrap();
            let mut schema = core();
            let files = case["files"].as_array().unwrap().iter();
            let names: Vec<_> = files
                .map(|f| f["name"].as_str().unwrap().to_owned())
                .collect();
            schema.add_uploads(&names);
            let prompt = Prompt::from_json(&case["prompt"]).unwrap();
            let outcome = validate(&prompt, &schema);
            assert!(outcome.is_faultless(), "{}: {outcome:#?}", template.name());
            judged += 1;
        }
    }
    assert!(judged > 10, "{judged}");
}

/// Names, types, ranges and outputs; a template's own schema lists its own files only.
#[test]
fn the_classes_of_every_template_are_the_same_in_it() {
    let core = core();
    for template in template::all() {
        let path = format!("src/workflow/templates/{}/schema.json", template.name());
        let own = Schema::read(&fs::read(path).unwrap()).unwrap();
        for name in &template.contract.requires.node_classes {
            let (own, known) = (own.class(name).unwrap(), core.class(name).unwrap());
            assert_eq!(own.output_node, known.output_node, "{name}");
            assert_eq!(own.outputs, known.outputs, "{name}");
            assert_eq!(own.inputs.len(), known.inputs.len(), "{name}");
            for (own, known) in own.inputs.iter().zip(&known.inputs) {
                let at = format!("{name}.{}", known.name);
                assert_eq!(
                    (&own.name, own.required),
                    (&known.name, known.required),
                    "{at}"
                );
                let range = |spec: &edge_queue::workflow::schema::Spec| {
                    (spec.min.clone(), spec.max.clone(), spec.conversion)
                };
                assert_eq!(range(&own.spec), range(&known.spec), "{at}");
                match (own.spec.choices(), known.spec.choices()) {
                    (Some(few), Some(all)) => {
                        let is_upload = known.spec.is_upload();
                        assert!(
                            is_upload || few.iter().all(|choice| all.contains(choice)),
                            "{at}"
                        );
                    }
                    (own_choices, known_choices) => {
                        assert_eq!((own_choices, known_choices), (None, None), "{at}");
                        assert_eq!(own.spec.kind, known.spec.kind, "{at}");
                    }
                }
            }
        }
    }
}
