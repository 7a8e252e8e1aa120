//! What holds for every contract and every input, found out with generated ones.

// Helpers of tests may panic like the tests themselves.
#![allow(clippy::unwrap_used)]

use edge_queue::workflow::check::{check, Asked, Checked, FileFact, Files, SEED_MAX};
use edge_queue::workflow::compile::compile;
use edge_queue::workflow::contract::{lint, Contract, Kind, MediaKind};
use edge_queue::workflow::template::{self, Template};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any JSON, four levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z0-9_:/.-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z_~/]{0,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_template() -> impl Strategy<Value = &'static Template> {
    prop::sample::select(template::all().collect::<Vec<_>>())
}

/// Names that a template knows, and others, each with any value.
fn any_inputs(template: &'static Template) -> impl Strategy<Value = Map<String, Value>> {
    let inputs = template
        .contract
        .inputs
        .iter()
        .map(|input| input.name.clone());
    let names: Vec<_> = inputs
        .chain(template.contract.aliases.keys().cloned())
        .collect();
    let name = prop_oneof![4 => prop::sample::select(names), 1 => "\\PC{0,80}"];
    prop::collection::btree_map(name, any_json(), 0..12).prop_map(|map| map.into_iter().collect())
}

/// A value that the input takes; for a file, an upload.
fn good_value(kind: &Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::String(_) => "[a-zก-ฮ0-9 {}%$]{1,60}x".prop_map(Value::from).boxed(),
        Kind::Integer(limits) => {
            let (min, step) = (limits.min, limits.step.unwrap_or(1));
            let steps = 0..=(limits.max - min) / step;
            steps.prop_map(move |k| (min + k * step).into()).boxed()
        }
        Kind::Number(limits) => {
            let (min, step) = (limits.min, limits.step.unwrap_or(0.5));
            // A few steps do: adding up many decimals may pass the limit by a hair.
            let steps = 0..=4_u8;
            steps
                .prop_map(move |k| (min + f64::from(k) * step).into())
                .boxed()
        }
        Kind::Boolean(_) => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Choice(options) => {
            let values: Vec<_> = options.choices.iter().map(|c| c.value.clone()).collect();
            prop::sample::select(values).prop_map(Value::from).boxed()
        }
        Kind::Image(_) | Kind::Video(_) | Kind::Audio(_) => {
            "in_[a-z0-9]{1,12}".prop_map(Value::from).boxed()
        }
        Kind::Seed(_) => (0..=SEED_MAX).prop_map(Value::from).boxed(),
    }
}

/// Every input, so that nothing is missing and nothing is wrong.
fn good_inputs(template: &'static Template) -> impl Strategy<Value = Map<String, Value>> {
    let inputs = template.contract.inputs.iter();
    let values: Vec<_> = inputs
        .map(|input| good_value(&input.kind).prop_map(|value| (input.name.clone(), value)))
        .collect();
    values.prop_map(|values| values.into_iter().collect())
}

/// A good file for every file input.
fn good_files(contract: &Contract) -> Files {
    let files = contract
        .inputs
        .iter()
        .filter_map(|input| Some((input, input.kind.file()?)));
    let facts = files.map(|(input, (kind, limits))| {
        let sides = (kind == MediaKind::Image).then_some(800);
        let fact = FileFact {
            kind,
            content_type: limits.content_types.first().cloned().unwrap_or_default(),
            size_bytes: limits.size_bytes_max,
            width: sides,
            height: sides,
        };
        (input.name.clone(), fact)
    });
    facts.collect()
}

fn run(template: &Template, inputs: &Map<String, Value>) -> Result<Checked, Vec<String>> {
    let asked = Asked {
        inputs,
        shorthands: &Map::new(),
        files: &good_files(&template.contract),
        seed_if_random: 7,
    };
    check(&template.contract, &asked)
        .map_err(|violations| violations.into_iter().map(|v| format!("{v:?}")).collect())
}

/// The links of a prompt that lead to a node which is not in it.
fn dangling(prompt: &Value) -> Vec<&Value> {
    let nodes = prompt.as_object().unwrap();
    let inputs = nodes
        .values()
        .filter_map(|node| node["inputs"].as_object())
        .flatten();
    let links = inputs
        .map(|(_, value)| value)
        .filter(|value| value.is_array());
    links
        .filter(|link| !nodes.contains_key(link[0].as_str().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_as_a_contract_is_read_or_refused(value in any_json()) {
        let _ = Contract::parse(&value.to_string());
    }

    #[test]
    fn a_contract_with_any_json_in_it_never_panics(
        template in any_template(),
        place in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut contract = serde_json::to_value(&template.contract).unwrap();
        let mut places = Vec::new();
        collect_places(&contract, "", &mut places);
        *contract.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        if let Ok(contract) = Contract::parse(&contract.to_string()) {
            lint::lint(&contract, &template.prompt);
            let mut broken = template.clone();
            broken.contract = contract;
            if let Ok(checked) = run(&broken, &Map::new()) {
                compile(&broken, &checked);
            }
        }
    }

    #[test]
    fn any_json_as_inputs_is_checked_and_what_passes_compiles(
        (template, inputs) in any_template().prop_flat_map(|t| (Just(t), any_inputs(t))),
    ) {
        let asked = Asked {
            inputs: &inputs,
            shorthands: &inputs,
            files: &Files::new(),
            seed_if_random: u64::MAX,
        };
        match check(&template.contract, &asked) {
            Ok(checked) => drop(compile(template, &checked)),
            Err(violations) => {
                prop_assert!(!violations.is_empty());
                for violation in violations {
                    prop_assert!(violation.path.starts_with('/'), "{violation:?}");
                    prop_assert!(violation.message.chars().count() < 600, "{violation:?}");
                }
            }
        }
    }

    #[test]
    fn good_inputs_pass_and_compile_to_the_same_bytes_again_from_what_was_recorded(
        (template, inputs) in any_template().prop_flat_map(|t| (Just(t), good_inputs(t))),
    ) {
        let checked = run(template, &inputs).map_err(|e| TestCaseError::fail(e.join("\n")))?;
        let first = compile(template, &checked);
        let again = run(template, &checked.inputs).unwrap();
        prop_assert_eq!(&again, &checked);
        prop_assert_eq!(&compile(template, &again), &first);
        let prompt: Value = serde_json::from_str(&first.prompt).unwrap();
        prop_assert_eq!(prompt.to_string(), first.prompt.as_str());
        if prompt.get("task").is_none() {
            prop_assert_eq!(dangling(&prompt), Vec::<&Value>::new());
        }
        for input in &template.contract.inputs {
            for place in &input.to {
                if let (Some(found), None) = (prompt.pointer(place), input.kind.file()) {
                    prop_assert_eq!(found, &checked.inputs[&input.name]);
                }
            }
        }
    }
}

fn collect_places(value: &Value, path: &str, places: &mut Vec<String>) {
    places.push(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let step = name.replace('~', "~0").replace('/', "~1");
                collect_places(value, &format!("{path}/{step}"), places);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                collect_places(value, &format!("{path}/{i}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
