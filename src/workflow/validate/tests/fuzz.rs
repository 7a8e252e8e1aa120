//! Any JSON, as a prompt or as an inventory, gets an answer.

use proptest::prelude::*;
use serde_json::{json, Value};

use super::{schema, OBJECT_INFO};
use crate::workflow::prompt::Prompt;
use crate::workflow::schema::Schema;
use crate::workflow::validate::{classes, post, structure, validate};

/// Few, because each run walks the whole machinery and the suite is run often.
const CASES: u32 = 300;

fn leaf() -> impl Strategy<Value = Value> {
    let words = [
        "", "p", "1", "2", "3", "fast", "times", "to", "long", "cat.png", "12", "nan", "*",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-70_i64..70).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ]
}

/// Keys that mean something somewhere, so that random objects get past the first check.
fn key() -> impl Strategy<Value = String> {
    let keys = [
        "1",
        "2",
        "3",
        "class_type",
        "inputs",
        "_meta",
        "title",
        "width",
        "scale",
        "mode",
        "image",
        "mask",
        "how",
        "how.factor",
        "how.side",
        "images.image0",
        "images.image1",
        "rate",
        "tags",
        "__value__",
        "prompt",
        "number",
        "nodes",
        "links",
        "input",
        "required",
        "optional",
        "output",
        "output_node",
        "api_node",
        "options",
        "template",
        "names",
        "prefix",
        "min",
        "max",
        "key",
    ];
    prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(key(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn link() -> impl Strategy<Value = Value> {
    (
        prop::sample::select(vec!["p", "1", "2", "3", "4"]),
        -3_i64..4,
    )
        .prop_map(|(id, slot)| json!([id, slot]))
}

/// A node of a class that exists, with inputs that are often links.
fn node() -> impl Strategy<Value = Value> {
    let classes: Vec<String> = serde_json::from_str::<serde_json::Map<_, _>>(OBJECT_INFO)
        .map(|classes| classes.keys().cloned().collect())
        .unwrap_or_default();
    let value = prop_oneof![3 => link(), 2 => anything()];
    let inputs = prop::collection::hash_map(key(), value, 0..8);
    (prop::sample::select(classes), inputs).prop_map(|(class, inputs)| {
        json!({"class_type": class, "inputs": Value::Object(inputs.into_iter().collect())})
    })
}

fn prompt() -> impl Strategy<Value = Value> {
    let ids = prop::sample::select(vec!["p", "1", "2", "3", "4"]).prop_map(str::to_owned);
    let element = prop_oneof![8 => node(), 1 => anything()];
    prop::collection::hash_map(ids, element, 0..6)
        .prop_map(|nodes| Value::Object(nodes.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let outcome = post(&body, &schema());
        serde_json::to_vec(&outcome).unwrap();
        let _ = Schema::read(&body);
    }

    #[test]
    fn any_json_gets_an_answer(body in anything(), info in anything(), prompt in prompt()) {
        let info = Schema::read(info.to_string().as_bytes()).unwrap_or_default();
        for body in [body, json!({ "prompt": prompt })] {
            for schema in [&info, &schema()] {
                let outcome = post(body.to_string().as_bytes(), schema);
                let answer = serde_json::to_value(&outcome).unwrap();
                prop_assert_eq!(answer.get("error").is_some(), !outcome.is_accepted());
            }
        }
    }

    #[test]
    fn any_entry_may_stand_in_an_inventory(entry in anything(), prompt in prompt()) {
        let mut schema = schema();
        schema.insert("Picture", &entry).unwrap();
        schema.insert("Batch", &json!({"input": {"required": entry}, "api_node": 1})).unwrap();
        if let Ok(prompt) = Prompt::from_json(&prompt) {
            validate(&prompt, &schema);
        }
    }

    #[test]
    fn only_the_classes_of_a_prompt_matter(json in prompt()) {
        if let Ok(prompt) = Prompt::from_json(&json) {
            let few = Schema::read_only(OBJECT_INFO.as_bytes(), &classes(&prompt)).unwrap();
            prop_assert_eq!(validate(&prompt, &few), validate(&prompt, &schema()));
        }
    }

    #[test]
    fn a_structure_is_faultless_or_refused(json in prompt()) {
        if let Ok(prompt) = Prompt::from_json(&json) {
            let outcome = structure(&prompt);
            prop_assert_eq!(outcome.is_accepted(), outcome.is_faultless());
        }
    }
}
