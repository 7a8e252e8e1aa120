use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::workflow::contract::{lint, Kind};
use crate::workflow::template;

fn name() -> TemplateName {
    TemplateName::parse("street-portrait").unwrap()
}

fn drafted(prompt: &Value) -> Draft {
    let draft = draft(&name(), prompt.as_object().unwrap(), &Schema::default()).unwrap();
    let template = Value::Object(draft.template.clone());
    assert_eq!(lint::lint(&draft.contract, &template), []);
    draft
}

/// Each input with the places it goes to.
fn inputs(draft: &Draft) -> Vec<String> {
    let inputs = draft.contract.inputs.iter();
    inputs
        .map(|input| format!("{} -> {}", input.name, input.to.join(" ")))
        .collect()
}

fn text_to_image() -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "xl.safetensors"}},
        "10": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["1", 1]}},
        "3": {"class_type": "EmptyLatentImage",
              "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
        "4": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": 7, "steps": 25, "cfg": 7.5, "sampler_name": "euler",
            "scheduler": "normal", "positive": ["9", 0], "negative": ["10", 0],
            "latent_image": ["3", 0], "denoise": 1}},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}},
    })
}

#[test]
fn a_plain_prompt_gets_the_inputs_that_everybody_wants() {
    let draft = drafted(&text_to_image());
    let wanted = [
        "prompt -> /9/inputs/text",
        "negative_prompt -> /10/inputs/text",
        "ratio -> ",
        "steps -> /4/inputs/steps",
        "cfg -> /4/inputs/cfg",
        "seed -> /4/inputs/seed",
    ];
    assert_eq!(inputs(&draft), wanted);
    let contract = &draft.contract;
    assert!(contract.inputs[0].required);
    assert_eq!(
        contract.inputs[1].kind.default_value(),
        Some("blurry".into())
    );
    assert_eq!(contract.inputs[2].kind.default_value(), Some("1:1".into()));
    assert_eq!(contract.inputs[2].label.th, "สัดส่วนภาพ");
    assert_eq!(contract.derived[1].to, ["/3/inputs/height"]);
    assert_eq!(contract.outputs[0].node.as_deref(), Some("6"));
    assert_eq!(contract.requires.models[0].folder, "checkpoints");
    assert_eq!(contract.title.en, "Street portrait");
}

#[test]
fn a_text_is_found_through_everything_between_it_and_the_sampler() {
    let mut prompt = text_to_image();
    prompt["9"]["inputs"]["text"] = json!(["20", 0]);
    prompt["20"] = json!({"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a fox"}});
    prompt["21"] = json!({"class_type": "ControlNetApplyAdvanced", "inputs": {
        "positive": ["9", 0], "negative": ["22", 0], "strength": 1}});
    prompt["22"] = json!({"class_type": "FluxGuidance", "inputs": {
        "conditioning": ["10", 0], "guidance": 3.5}});
    prompt["4"]["inputs"]["positive"] = json!(["21", 0]);
    prompt["4"]["inputs"]["negative"] = json!(["21", 1]);
    let found = inputs(&drafted(&prompt));
    assert_eq!(found[0], "prompt -> /20/inputs/value");
    assert_eq!(found[1], "negative_prompt -> /10/inputs/text");
    assert!(found.contains(&"guidance -> /22/inputs/guidance".to_owned()));
}

#[test]
fn without_a_sampler_a_prompt_is_what_is_called_one() {
    let draft = drafted(&json!({
        "1": {"class_type": "CloudVideo", "inputs": {
            "model": "x", "model.prompt": ["2", 0], "model.negative_prompt": "rain"}},
        "2": {"class_type": "StringConcatenate", "inputs": {
            "string_a": ["3", 0], "string_b": " in the snow"}},
        "3": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
        "4": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "v"}},
    }));
    let wanted = [
        "prompt -> /3/inputs/value",
        "negative_prompt -> /1/inputs/model.negative_prompt",
    ];
    assert_eq!(inputs(&draft), wanted);
}

#[test]
fn what_is_zeroed_is_not_asked_for() {
    let mut prompt = text_to_image();
    prompt["10"] =
        json!({"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["9", 0]}});
    assert_eq!(
        inputs(&drafted(&prompt))[..2],
        ["prompt -> /9/inputs/text", "ratio -> "]
    );
}

#[test]
fn two_samplers_share_their_seed_and_split_their_steps() {
    let mut prompt = text_to_image();
    prompt["7"] = prompt["4"].clone();
    prompt["4"]["inputs"]["end_at_step"] = 10.into();
    let draft = drafted(&prompt);
    let found = inputs(&draft);
    assert!(!found.iter().any(|input| input.starts_with("steps")));
    assert_eq!(
        found.last().unwrap(),
        "seed -> /4/inputs/seed /7/inputs/seed"
    );
    assert_eq!(draft.notes.len(), 2, "{:?}", draft.notes);
}

#[test]
fn a_photo_is_asked_for_once_however_often_it_is_loaded() {
    let mut prompt = text_to_image();
    for id in ["30", "31"] {
        prompt[id] = json!({"class_type": "LoadImage", "inputs": {"image": "me.png"}});
    }
    prompt["32"] = json!({"class_type": "LoadImage", "inputs": {"image": "hat.png"},
                          "_meta": {"title": "The hat"}});
    prompt["4"]["inputs"]["denoise"] = 0.6.into();
    let draft = drafted(&prompt);
    let found = inputs(&draft);
    assert_eq!(found[0], "image -> /30/inputs/image /31/inputs/image");
    assert_eq!(found[1], "image_2 -> /32/inputs/image");
    assert_eq!(draft.contract.inputs[1].label.en, "The hat");
    assert!(found.contains(&"strength -> /4/inputs/denoise".to_owned()));
}

#[test]
fn a_seed_that_a_number_node_holds_is_found_there_and_any_other_is_told() {
    let mut prompt = text_to_image();
    prompt["40"] = json!({"class_type": "PrimitiveInt", "inputs": {"value": 7}});
    prompt["4"]["inputs"]["seed"] = json!(["40", 0]);
    let draft = drafted(&prompt);
    assert!(inputs(&draft).contains(&"seed -> /40/inputs/value".to_owned()));
    prompt["40"] = json!({"class_type": "Dice", "inputs": {"sides": 6}});
    let draft = drafted(&prompt);
    let note = "the seed of node 4 comes from node 40, so every job has the same";
    assert!(
        draft.notes.iter().any(|told| told == note),
        "{:?}",
        draft.notes
    );
}

#[test]
fn numbers_that_nodes_hold_for_several_are_found_there_and_computed_ones_are_told() {
    let mut prompt = text_to_image();
    for (id, class, value) in [
        ("40", "PrimitiveInt", json!(1280)),
        ("41", "PrimitiveInt", json!(720)),
        ("42", "PrimitiveInt", json!(30)),
        ("43", "PrimitiveFloat", json!(4.5)),
    ] {
        prompt[id] = json!({"class_type": class, "inputs": {"value": value}});
    }
    prompt["3"]["inputs"]["width"] = json!(["40", 0]);
    prompt["3"]["inputs"]["height"] = json!(["41", 0]);
    prompt["4"]["inputs"]["steps"] = json!(["42", 0]);
    prompt["4"]["inputs"]["cfg"] = json!(["43", 0]);
    let draft = drafted(&prompt);
    let found = inputs(&draft);
    for input in ["steps -> /42/inputs/value", "cfg -> /43/inputs/value"] {
        assert!(found.contains(&input.to_owned()), "{found:?}");
    }
    assert_eq!(draft.contract.derived[0].to, ["/40/inputs/value"]);
    assert_eq!(draft.contract.derived[1].to, ["/41/inputs/value"]);
    assert_eq!(
        draft.contract.inputs[2].kind.default_value(),
        Some("16:9".into())
    );
    // One number for both sides is always a square; what is computed is nobody's to give.
    prompt["3"]["inputs"]["height"] = json!(["40", 0]);
    prompt["42"]["inputs"] = json!({"value": 15, "times": ["9", 0]});
    let draft = drafted(&prompt);
    assert!(inputs(&draft).iter().all(|it| !it.starts_with("ratio")));
    let note = "the steps of node 4 comes from node 42, so it is no input";
    assert!(draft.notes.iter().any(|it| it == note), "{:?}", draft.notes);
}

#[test]
fn a_size_of_no_known_ratio_is_a_choice_of_its_own() {
    let mut prompt = text_to_image();
    prompt["3"]["inputs"]["width"] = 1000.into();
    prompt["3"]["inputs"]["height"] = 400.into();
    let draft = drafted(&prompt);
    let Kind::Choice(options) = &draft.contract.inputs[2].kind else {
        panic!("{:?}", draft.contract.inputs[2]);
    };
    assert_eq!(options.default.as_deref(), Some("1000x400"));
    let square = &options.get("1:1").unwrap().values;
    assert_eq!(
        (&square["width"], &square["height"]),
        (&json!(640), &json!(640))
    );
}

#[test]
fn a_prefix_that_is_computed_becomes_a_text() {
    let mut prompt = text_to_image();
    prompt["6"]["inputs"]["filename_prefix"] = json!(["1", 0]);
    let draft = drafted(&prompt);
    assert_eq!(
        draft.template["6"]["inputs"]["filename_prefix"],
        "street-portrait"
    );
    assert_eq!(draft.notes.len(), 1);
}

#[test]
fn what_saves_nothing_has_no_contract() {
    let mut prompt = text_to_image();
    prompt["6"] = json!({"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}});
    let refused = |prompt: &Value| draft(&name(), prompt.as_object().unwrap(), &Schema::default());
    assert_eq!(refused(&prompt).unwrap_err(), DraftError::NoOutputs);
    assert_eq!(refused(&json!({"a": 1})).unwrap_err(), DraftError::NoNodes);
}

#[test]
fn every_prompt_that_is_built_in_has_a_draft_without_a_flaw() {
    for template in template::all().filter(|it| it.contract.protocol == Protocol::Comfyui) {
        let draft = drafted(&template.prompt);
        let prompted = draft
            .contract
            .inputs
            .iter()
            .any(|input| input.name == "prompt");
        assert!(prompted, "{}: {:?}", template.name(), draft.notes);
        let models = |contract: &Contract| {
            let models = contract.requires.models.iter().cloned();
            models.collect::<BTreeSet<_>>()
        };
        assert_eq!(models(&draft.contract), models(&template.contract));
        let kinds = |contract: &Contract| {
            let kinds = contract.outputs.iter().map(|it| (it.node.clone(), it.kind));
            kinds.collect::<BTreeSet<_>>()
        };
        assert_eq!(kinds(&draft.contract), kinds(&template.contract));
    }
}

#[test]
fn an_inventory_is_cut_down_to_what_the_prompt_names() {
    let info = r#"{
        "Loader": {"input": {"required": {
            "name": [["a.safetensors", "b.safetensors"], {"tooltip": "prose"}],
            "other": ["COMBO", {"options": ["None", "c.safetensors"]}],
            "none": [[]], "kind": [["x", "y"]], "seed": ["INT", {"max": 18446744073709551615}]}},
            "output": ["MODEL"], "description": "prose"},
        "LoadImage": {"input": {"required": {"image": [["my.png"], {"image_upload": true}]}}},
        "Unused": {}}"#;
    let prompt = json!({
        "1": {"class_type": "Loader", "inputs": {"name": "b.safetensors", "other": "None"}},
        "2": {"class_type": "Loader", "inputs": {"name": "z.safetensors", "none": "n.safetensors"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "me.png"}},
        "4": {"class_type": "Nobody", "inputs": {}},
    });
    let cut = cut(info.as_bytes(), prompt.as_object().unwrap()).unwrap();
    let wanted = r#"{
"LoadImage": {"input":{"required":{"image":[[],{"image_upload":true}]}}},
"Loader": {"input":{"required":{"name":[["b.safetensors","z.safetensors"],{}],@
"other":["COMBO",{"options":["None"]}],"none":[["n.safetensors"]],"kind":[["x","y"]],@
"seed":["INT",{"max":18446744073709551615}]}},"output":["MODEL"]}
}
"#;
    assert_eq!(cut.text, wanted.replace("@\n", ""));
    assert_eq!(cut.unknown, ["Nobody"]);
    // Also where the server has no file at all.
    assert_eq!(cut.absent, ["n.safetensors", "z.safetensors"]);
}

/// Values of every kind under the names that a draft looks for.
fn nodes() -> impl Strategy<Value = Map<String, Value>> {
    const NAMES: [&str; 12] = [
        "text",
        "positive",
        "negative",
        "conditioning",
        "seed",
        "steps",
        "cfg",
        "denoise",
        "width",
        "height",
        "length",
        "filename_prefix",
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,8}".prop_map(Value::from),
        ("[0-9]", 0..3_u8).prop_map(|(node, slot)| json!([node, slot])),
        Just(json!({"a": []})),
    ];
    let inputs = prop::collection::vec((prop::sample::select(&NAMES[..]), value), 0..8);
    let class = prop::sample::select(&["KSampler", "EmptyLatentVideo", "LoadImage", "A"][..]);
    let node = (class, inputs).prop_map(|(class, inputs)| {
        let inputs: Map<_, _> = inputs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        json!({"class_type": class, "inputs": inputs})
    });
    prop::collection::btree_map("[0-9]", node, 0..10).prop_map(|nodes| nodes.into_iter().collect())
}

proptest! {
    /// Links that lead nowhere are the prompt's own flaw, and all that a draft may be blamed for.
    #[test]
    fn whatever_is_drafted_has_no_flaw_of_its_own(prompt in nodes()) {
        if let Ok(draft) = draft(&name(), &prompt, &Schema::default()) {
            let template = Value::Object(draft.template);
            let flaws = lint::lint(&draft.contract, &template);
            prop_assert!(flaws.iter().all(|flaw| flaw.code == "bad_template"), "{flaws:?}");
        }
    }
}
