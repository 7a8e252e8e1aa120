//! A caller's inputs against a contract: every violation at once, or inputs that surely compile.
//!
//! Pure: the random seed and the facts about files come in as arguments. What comes out is what is
//! recorded with the job, so that it can be repeated: defaults filled in, the seed decided, texts
//! trimmed, numbers in one form, keys in order.
//!
//! **Files.** The value of a file input is a string. When it names an upload (an `input_key`, or
//! whatever name the caller of `check` gave to bytes that came with the request), `files` has the
//! facts about it under the name of the *input*; [`file_references`] lists what to resolve. When
//! it is an https URL it is taken as it is, where the contract says that the worker takes URLs.

mod compose;
mod file;
mod gather;
mod value;

use std::collections::BTreeMap;

use litemap::LiteMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::contract::{Contract, Input, Kind, MediaKind};
use super::violation::{Violation, VIOLATIONS_MAX};

pub use gather::{file_references, from_form, FileReference};
pub use value::{accepts, rounded, DECIMAL_MAX, SEED_MAX};

use gather::Given;

/// What the caller of a create asked for, and what we know about it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The object `inputs` of the body; violations point to `/inputs/<name>`.
    pub inputs: &'a Map<String, Value>,
    /// Shorthands of the body's top level (`prompt`, `ratio`, …); violations point to `/<name>`.
    pub shorthands: &'a Map<String, Value>,
    /// The uploads, by the name of the input that they are for.
    pub files: &'a Files,
    /// The seed to record when the caller wants a random one; only its lower 53 bits are used.
    pub seed_if_random: u64,
}

/// What is known of the files, by their inputs.
pub type Files = LiteMap<String, FileFact>;

/// What is known about an uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    pub kind: MediaKind,
    /// What the bytes are, not what the uploader said.
    pub content_type: String,
    pub size_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

/// Inputs that passed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// As recorded with the job. Given back to `check`, they give the same result.
    pub inputs: Map<String, Value>,
    /// Looked up or computed from the inputs: width, height, frames.
    pub derived: BTreeMap<String, Value>,
    /// The texts made of choices, free words and the baseline, for people to see.
    pub composed: BTreeMap<String, String>,
    /// The uploads in use, by input. Inputs that are URLs are not here.
    pub files: Files,
    /// The seed, if the template has one; also in `inputs`.
    pub seed: Option<u64>,
    /// What every callback gives back to the caller.
    pub echo: Map<String, Value>,
}

/// Checks everything, then derives and composes.
pub fn check(contract: &Contract, asked: &Asked) -> Result<Checked, Vec<Violation>> {
    let mut violations = Vec::new();
    let given = gather::gather(contract, asked, &mut violations);
    if violations
        .iter()
        .any(|violation| violation.code == "too_many_inputs")
    {
        return Err(violations);
    }
    let mut checked = Checked::default();
    for input in &contract.inputs {
        let found = given.get(input.name.as_str());
        match settle_input(input, found, asked) {
            Ok(Some(value)) => {
                checked.inputs.insert(input.name.clone(), value);
            }
            Ok(None) => {}
            Err(mut broken) => violations.append(&mut broken),
        }
    }
    violations.extend(gather::missing_any(contract, &given));
    violations.extend(gather::missing_needs(contract, &given));
    if !violations.is_empty() {
        violations.truncate(VIOLATIONS_MAX);
        return Err(violations);
    }
    fill_dependent_defaults(contract, &mut checked.inputs);
    complete(contract, asked, &mut checked);
    Ok(checked)
}

/// The value an input ends up with; `None` when it is optional and not given.
fn settle_input(
    input: &Input,
    given: Option<&Given>,
    asked: &Asked,
) -> Result<Option<Value>, Vec<Violation>> {
    let Some(given) = given else {
        return match &input.kind {
            Kind::Seed(_) => Ok(Some((asked.seed_if_random & SEED_MAX).into())),
            _ if input.required => Err(vec![gather::missing(input)]),
            kind => Ok(kind.default_value()),
        };
    };
    if matches!(input.kind, Kind::Seed(_)) && given.value == "random" {
        return Ok(Some((asked.seed_if_random & SEED_MAX).into()));
    }
    let settled = match input.kind.file() {
        Some((kind, limits)) => {
            let fact = asked.files.get(&input.name);
            file::check_file(kind, limits, given, fact).map(Value::from)
        }
        None => value::check_value(&input.kind, given).map_err(|broken| vec![broken]),
    };
    settled.map(Some)
}

/// Defaults that depend on a choice, once the choice is known.
fn fill_dependent_defaults(contract: &Contract, inputs: &mut Map<String, Value>) {
    for input in &contract.inputs {
        let Some(from) = input.kind.default_from() else {
            continue;
        };
        if inputs.contains_key(&input.name) {
            continue;
        }
        if let Some(value) = chosen_value(contract, inputs, from, &input.name) {
            inputs.insert(input.name.clone(), value::normalised(&input.kind, value));
        }
    }
}

/// What the chosen value of a choice input has under a name.
fn chosen_value<'a>(
    contract: &'a Contract,
    inputs: &Map<String, Value>,
    from: &str,
    name: &str,
) -> Option<&'a Value> {
    let Kind::Choice(options) = &contract.input(from)?.kind else {
        return None;
    };
    options.get(inputs.get(from)?.as_str()?)?.values.get(name)
}

fn complete(contract: &Contract, asked: &Asked, checked: &mut Checked) {
    for derived in &contract.derived {
        let value = match derived.linear {
            None => chosen_value(contract, &checked.inputs, &derived.from, &derived.name).cloned(),
            Some(linear) => checked
                .inputs
                .get(&derived.from)
                .and_then(Value::as_i64)
                .map(|from| {
                    from.saturating_mul(linear.times)
                        .saturating_add(linear.plus)
                        .into()
                }),
        };
        if let Some(value) = value {
            checked.derived.insert(derived.name.clone(), value);
        }
    }
    for composition in &contract.compose {
        let text = compose::compose(contract, composition, &checked.inputs);
        checked.composed.insert(composition.name.clone(), text);
    }
    for input in &contract.inputs {
        let Some(value) = checked.inputs.get(&input.name) else {
            continue;
        };
        if matches!(input.kind, Kind::Seed(_)) {
            checked.seed = value.as_u64();
        }
        let is_url = value.as_str().is_some_and(file::is_url);
        if let (Some(_), Some(fact), false) =
            (input.kind.file(), asked.files.get(&input.name), is_url)
        {
            checked.files.insert(input.name.clone(), fact.clone());
        }
        if contract.echo.contains(&input.name) {
            checked.echo.insert(input.name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::template;
    use super::*;

    fn contract(name: &str) -> &'static Contract {
        &template::find(name).unwrap().contract
    }

    #[test]
    fn a_form_says_what_json_says() {
        let fields = [
            ("prompt", "a fox"),
            ("steps", "8"),
            ("cfg", " 1.5 "),
            ("negative_prompt", ""),
        ];
        let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let inputs = Value::Object(from_form(contract("text-to-image"), fields));
        let said = json!({"prompt": "a fox", "steps": 8, "cfg": 1.5, "negative_prompt": null});
        assert_eq!(inputs, said);
    }

    #[test]
    fn the_uploads_to_resolve_are_listed_with_their_places() {
        let inputs =
            json!({"image2": "in_b", "image3": "https://example.com/c.png", "hair": "bob"});
        let shorthands = json!({"input_key": "in_a"});
        let asked = Asked {
            inputs: inputs.as_object().unwrap(),
            shorthands: shorthands.as_object().unwrap(),
            files: &Files::new(),
            seed_if_random: 0,
        };
        let found = file_references(contract("qwen-image-edit"), &asked);
        let found = found
            .iter()
            .map(|f| [&f.input, &f.path, &f.reference].map(String::as_str));
        let wanted = [
            ["image", "/input_key", "in_a"],
            ["image2", "/inputs/image2", "in_b"],
        ];
        assert_eq!(found.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_random_seed_keeps_to_what_json_carries_exactly() {
        let inputs = json!({"prompt": "a fox", "seed": "random"});
        let asked = Asked {
            inputs: inputs.as_object().unwrap(),
            shorthands: &Map::new(),
            files: &Files::new(),
            seed_if_random: u64::MAX,
        };
        let checked = check(contract("text-to-image"), &asked).unwrap();
        assert_eq!(checked.seed, Some(SEED_MAX));
        assert_eq!(checked.inputs["seed"], SEED_MAX);
    }
}
