//! Every way the rules can switch a template: no link leads to a removed node, an output remains.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::super::compile::switch;
use super::super::{Condition, Contract, Input, Kind};
use super::Report;

/// The most combinations we try. Each copies the prompt, and the operator waits.
const COMBINATIONS_MAX: usize = 4_096;

pub fn lint(contract: &Contract, template: &Value, report: &mut Report) {
    let mut combinations = vec![Map::new()];
    for (input, conditions) in by_input(contract).into_values() {
        let states = states(input, &conditions);
        if combinations.len() * states.len() > COMBINATIONS_MAX {
            let message = format!("the rules have more than {COMBINATIONS_MAX} combinations");
            report.flaw("/rules", "too_many", message);
            return;
        }
        combinations = extended(&combinations, &input.name, &states);
    }
    for inputs in combinations {
        let mut prompt = template.clone();
        switch(contract, &inputs, &mut prompt);
        let Some((code, broken)) = broken(contract, &prompt) else {
            continue;
        };
        let inputs = Value::Object(inputs);
        report.flaw(
            "/rules",
            code,
            format!("{broken}, when the inputs are {inputs}"),
        );
        return;
    }
}

fn by_input(contract: &Contract) -> BTreeMap<&str, (&Input, Vec<&Condition>)> {
    let mut found: BTreeMap<&str, (&Input, Vec<&Condition>)> = BTreeMap::new();
    for rule in &contract.rules {
        if let Some(input) = contract.input(rule.when.input()) {
            let entry = found.entry(&input.name).or_insert((input, Vec::new()));
            entry.1.push(&rule.when);
        }
    }
    found
}

/// Values that tell the conditions apart; `None` stands for an input that is not given.
fn states(input: &Input, conditions: &[&Condition]) -> Vec<Option<Value>> {
    let mut states: Vec<Option<Value>> = match &input.kind {
        Kind::Choice(options) => {
            let values = options.choices.iter().map(|choice| choice.value.as_str());
            values.map(|value| Some(value.into())).collect()
        }
        Kind::Boolean(_) => vec![Some(true.into()), Some(false.into())],
        Kind::String(_)
        | Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Image(_)
        | Kind::Video(_)
        | Kind::Audio(_)
        | Kind::Seed(_) => {
            let named = conditions.iter().filter_map(|condition| match condition {
                Condition::Given(_) => None,
                Condition::Equals(equals) => Some(equals.equals.clone()),
                Condition::Not(not) => Some(not.not.clone()),
            });
            named.chain(["any other value".into()]).map(Some).collect()
        }
    };
    let filled = input.kind.default_value().is_some() || input.kind.default_from().is_some();
    if !input.required && !filled && !matches!(input.kind, Kind::Seed(_)) {
        states.push(None);
    }
    states
}

fn extended(
    combinations: &[Map<String, Value>],
    name: &str,
    states: &[Option<Value>],
) -> Vec<Map<String, Value>> {
    let pairs = combinations
        .iter()
        .flat_map(|inputs| states.iter().map(move |s| (inputs, s)));
    let extended = pairs.map(|(inputs, state)| {
        let mut inputs = inputs.clone();
        if let Some(value) = state {
            inputs.insert(name.to_owned(), value.clone());
        }
        inputs
    });
    extended.collect()
}

/// What is wrong with a switched prompt, if anything.
fn broken(contract: &Contract, prompt: &Value) -> Option<(&'static str, String)> {
    let nodes = prompt.as_object()?;
    for (id, node) in nodes {
        let inputs = node["inputs"].as_object().into_iter().flatten();
        for (name, value) in inputs {
            let source = value.as_array().and_then(|link| link.first()?.as_str());
            if source.is_some_and(|source| !nodes.contains_key(source)) {
                let message = format!("{name} of node {id} is linked to a removed node");
                return Some(("bad_template", message));
            }
        }
    }
    let remains = |node: &String| nodes.contains_key(node);
    let any = contract
        .outputs
        .iter()
        .filter_map(|o| o.node.as_ref())
        .any(remains);
    (!any).then(|| ("empty", "no output is left".to_owned()))
}
