//! One English text out of choices, the caller's own words, and a baseline that is always there.

use serde_json::{Map, Value};

use super::super::contract::{Composition, Contract, FromInput, Kind, Part};

/// What may end a sentence, in the scripts our users write; else a full stop is put.
const SENTENCE_ENDS: [char; 9] = ['.', '!', '?', '…', '。', '！', '？', ':', ';'];

/// The sentences of the parts that are given, in the contract's order, then the baseline.
pub fn compose(
    contract: &Contract,
    composition: &Composition,
    inputs: &Map<String, Value>,
) -> String {
    let parts = composition.parts.iter().filter_map(|part| match part {
        Part::Literal(literal) => Some(literal.text.clone()),
        Part::Input(from) => words(contract, from, inputs),
    });
    let baseline = composition.baseline.iter().cloned();
    let sentences: Vec<String> = parts
        .chain(baseline)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(ended)
        .collect();
    sentences.join(" ")
}

fn words(contract: &Contract, from: &FromInput, inputs: &Map<String, Value>) -> Option<String> {
    let value = inputs.get(&from.input)?.as_str()?;
    let text = match &contract.input(&from.input)?.kind {
        Kind::Choice(options) => options.get(value)?.phrase.as_deref()?,
        Kind::String(_) => value,
        Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Boolean(_)
        | Kind::Image(_)
        | Kind::Video(_)
        | Kind::Audio(_)
        | Kind::Seed(_) => return None,
    };
    (!text.is_empty()).then(|| format!("{}{text}{}", from.before, from.after))
}

fn ended(mut sentence: String) -> String {
    if !sentence.ends_with(SENTENCE_ENDS) {
        sentence.push('.');
    }
    sentence
}
