use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::workflow::prompt::Prompt;
use crate::workflow::validate::validate;

fn read_json(info: &Value) -> Result<Inventory, InventoryError> {
    read(info.to_string().as_bytes())
}

fn class_with(choices: &[String]) -> Value {
    let inputs = json!({"file": [choices, {"tooltip": "words"}], "n": ["INT", {"max": 5}]});
    json!({"input": {"required": inputs}, "output": ["X"]})
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|i| format!("model-number-{i:06}.safetensors"))
        .collect()
}

#[test]
fn what_is_read_of_a_class_is_kept_as_it_was_written_and_prose_is_not() {
    let info = br#"{"B": {"input": {"required": {"z": ["FLOAT", {"default": 1.0,
        "max": 18446744073709551616, "tooltip": "A \"word\" about z"}],
        "a": [["x y", "\\\""], {}]}, "hidden": {"p": "PROMPT"}},
        "input_order": {"required": ["z", "a"]}, "output": ["IMAGE"], "output_node": true,
        "output_name": ["picture"], "description": "prose", "display_name": "The B",
        "api_node": false}}"#;
    let inventory = read(info).unwrap();
    let expected =
        r#"{"input":{"required":{"z":["FLOAT",{"default":1.0,"max":18446744073709551616}],"#;
    let rest = concat!(
        r#""a":[["x y","\\\""],{}]}},"input_order":{"required":["z","a"]},"#,
        r#""output":["IMAGE"],"output_node":true,"api_node":false,"display_name":"The B"}"#
    );
    assert_eq!(inventory.classes["B"], format!("{expected}{rest}"));
    assert_eq!(inventory.lists, 1);
}

#[test]
fn reading_what_was_cut_already_changes_nothing() {
    let first =
        read_json(&json!({"A": class_with(&names(4_000)), "B": class_with(&names(3))})).unwrap();
    assert_eq!(first.lists_left_out, ["A.file"]);
    let mut again = read(first.document().as_bytes()).unwrap();
    // The list that is not there any more can no longer be named.
    again.lists_left_out.clone_from(&first.lists_left_out);
    again.lists = first.lists;
    assert_eq!(again, first);
}

#[test]
fn a_list_that_is_too_long_is_left_out_and_its_values_are_not_checked() {
    let inventory = read_json(&json!({"A": class_with(&names(4_000))})).unwrap();
    let schema = Schema::read(inventory.document().as_bytes()).unwrap();
    let inputs = &schema.class("A").unwrap().inputs;
    assert!(inputs[0].spec.is_left_out() && inputs[0].spec.choices().is_none());
    assert!(inventory.classes["A"].contains(r#""options":["model-number-000000.safetensors"]"#));
}

/// The input folder of a worker in use has thousands of pictures.
#[test]
fn a_picture_from_a_folder_that_is_too_long_to_list_counts_as_there() {
    let mut load = class_with(&names(4_000));
    load["input"]["required"] = json!({"image": [names(4_000), {"image_upload": true}]});
    load["output_node"] = true.into();
    let inventory = read_json(&json!({"LoadImage": load})).unwrap();
    let schema = Schema::read(inventory.document().as_bytes()).unwrap();
    let prompt = json!({"1": {"class_type": "LoadImage", "inputs": {"image": "any.png"}}});
    let prompt = Prompt::from_json(&prompt).unwrap();
    let outcome = validate(&prompt, &schema);
    assert!(outcome.is_faultless(), "{outcome:#?}");
}

#[test]
fn a_class_of_many_long_lists_is_kept_without_them() {
    let choices = names(2_000);
    let inputs: serde_json::Map<_, _> = (0..50)
        .map(|i| (format!("lora_{i}"), json!([choices])))
        .collect();
    let stacker = json!({"Stacker": {"input": {"required": inputs}, "output": []}});
    let inventory = read_json(&stacker).unwrap();
    assert_eq!(inventory.lists_left_out.len(), 50);
    assert!(inventory.size_bytes() < CLASS_BYTES_MAX);
}

#[test]
fn every_class_that_is_none_is_named() {
    let info = json!({"A": class_with(&[]), "B": 5, "C": {"input": []}, "D\n": {"input": {}},
        "E": {"input": {}}});
    let Err(InventoryError::Classes(faults)) = read_json(&info) else {
        panic!("accepted");
    };
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["/B", "/C", "/D\n"]);
}

#[test]
fn what_is_no_inventory_is_refused_in_words() {
    let check = |text: &str, expected: &str| {
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "line 1");
    check("{\"A\": {\"input\": {}", "line 1");
    check("[]", "an object with a member for every node class");
    check("{}", "an object with a member for every node class");
    check("<html>", "not JSON");
    let many: serde_json::Map<_, _> = (0..=CLASSES_MAX)
        .map(|i| (i.to_string(), json!({"input": {}})))
        .collect();
    check(&Value::from(many).to_string(), "10001 node classes");
}

#[test]
fn more_than_is_kept_is_refused_and_the_largest_are_named() {
    let text = "x".repeat(CLASS_BYTES_MAX - 1_000);
    let entry = json!({"input": {"required": {"t": ["STRING", {"default": text}]}}});
    let many: serde_json::Map<_, _> = (0..17)
        .map(|i| (format!("C{i:02}"), entry.clone()))
        .collect();
    let error = read_json(&many.into()).unwrap_err().to_string();
    assert!(error.contains("C00 ("), "{error}");
    let text = "x".repeat(CLASS_BYTES_MAX);
    let entry = json!({"input": {"required": {"t": ["STRING", {"default": text}]}}});
    let Err(InventoryError::Classes(faults)) = read_json(&json!({"Big": entry})) else {
        panic!("accepted");
    };
    assert!(faults[0].message.starts_with("Big takes"), "{faults:?}");
}

#[test]
fn nesting_without_end_is_refused_rather_than_kept() {
    let deep = format!(
        r#"{{"A": {{"input": {{"required": {}{}}}}}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert!(matches!(
        read(deep.as_bytes()),
        Err(InventoryError::Classes(_))
    ));
}

/// Any JSON, and JSON that looks like an inventory.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("input".to_owned()),
        Just("required".to_owned()),
        Just("optional".to_owned()),
        Just("options".to_owned()),
        Just("options_left_out".to_owned()),
        Just("COMBO".to_owned()),
        Just("tooltip".to_owned()),
        "\\PC{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_json_is_read_or_refused_and_what_is_kept_stays_the_same(info in any_json()) {
        if let Ok(inventory) = read_json(&info) {
            let again = read(inventory.document().as_bytes());
            prop_assert_eq!(again.map(|again| again.classes), Ok(inventory.classes));
        }
        let wrapped = json!({"A": {"input": {"required": {"x": info.clone()}, "optional": info}}});
        if let Ok(inventory) = read_json(&wrapped) {
            let again = read(inventory.document().as_bytes()).map(|again| again.hash);
            prop_assert_eq!(again, Ok(inventory.hash));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        drop(read(text.as_bytes()));
        drop(read(format!("{{\"A\": {{\"input\": {text}}}}}").as_bytes()));
    }
}
