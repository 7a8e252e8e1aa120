//! Every way the rules can switch a template: no link leads to a removed node, an output remains.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::super::compile::{switch, Changes};
use super::super::{Choice, Condition, Contract, Input, Kind};
use super::Report;

/// The most combinations we try. Each copies the prompt, and the operator waits.
const COMBINATIONS_MAX: usize = 4_096;

/// Faults that are told: each in one combination, for others have it as well.
const TOLD_MAX: usize = 20;

pub fn lint(contract: &Contract, template: &Value, report: &mut Report) {
    unfilled(contract, template, report);
    let mut told = BTreeSet::new();
    let is_counted = each_way(contract, template, |inputs, prompt| {
        for (code, broken) in broken(contract, prompt) {
            if told.len() < TOLD_MAX && told.insert(broken.clone()) {
                let inputs = Value::Object(inputs.clone());
                let message = format!("{broken}, when the inputs are {inputs}");
                report.flaw("/rules", code, message);
            }
        }
    });
    let message = format!("the rules have more than {COMBINATIONS_MAX} combinations");
    report.expect(is_counted, "/rules", "too_many", &message);
}

/// Shows every prompt that the rules can make of the template, with the inputs that make it; false
/// when there are too many to try.
pub fn each_way(
    contract: &Contract,
    template: &Value,
    mut show: impl FnMut(&Map<String, Value>, &Value),
) -> bool {
    let mut combinations = vec![Map::new()];
    for (input, conditions) in by_input(contract).into_values() {
        let states = states(input, &conditions);
        if combinations.len() * states.len() > COMBINATIONS_MAX {
            return false;
        }
        combinations = extended(&combinations, &input.name, &states);
    }
    for inputs in combinations {
        show(&inputs, &switched(contract, template, &inputs));
    }
    true
}

fn switched(contract: &Contract, template: &Value, inputs: &Map<String, Value>) -> Value {
    let mut changes = Changes::of(template);
    switch(contract, inputs, &mut changes);
    changes.whole()
}

/// A choice without a derived value leaves what stands in the template, unless its place goes.
fn unfilled(contract: &Contract, template: &Value, report: &mut Report) {
    let looked_up = contract.derived.iter().enumerate();
    for (i, derived) in looked_up.filter(|(_, derived)| derived.linear.is_none()) {
        let Some(Kind::Choice(options)) = contract.input(&derived.from).map(|it| &it.kind) else {
            continue;
        };
        let has_value = |choice: &&Choice| choice.values.contains_key(&derived.name);
        for choice in options.choices.iter().filter(|choice| !has_value(choice)) {
            let mut inputs = Map::new();
            inputs.insert(derived.from.clone(), choice.value.clone().into());
            let prompt = switched(contract, template, &inputs);
            let set = |place: &String| {
                let mut rules = contract.rules.iter();
                rules.any(|rule| rule.set.contains_key(place))
            };
            let stays = |place: &&String| prompt.pointer(place).is_some() && !set(place);
            if let Some(place) = derived.to.iter().find(stays) {
                let message = format!(
                    "the choice {} has no values.{}, so {place} would keep what the template has",
                    choice.value, derived.name
                );
                report.flaw(format!("/derived/{i}/from"), "bad_reference", message);
            }
        }
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

/// Everything that is wrong with a switched prompt.
fn broken(contract: &Contract, prompt: &Value) -> Vec<(&'static str, String)> {
    let Some(nodes) = prompt.as_object() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (id, node) in nodes {
        let inputs = node["inputs"].as_object().into_iter().flatten();
        for (name, value) in inputs {
            let source = value.as_array().and_then(|link| link.first()?.as_str());
            if source.is_some_and(|source| !nodes.contains_key(source)) {
                let message = format!("{name} of node {id} is linked to a removed node");
                found.push(("bad_template", message));
            }
        }
    }
    let remains = |node: &String| nodes.contains_key(node);
    let any = contract
        .outputs
        .iter()
        .filter_map(|o| o.node.as_ref())
        .any(remains);
    if !any {
        found.push(("empty", "no output is left".to_owned()));
    }
    found
}
