//! Which value is meant for which input: names, aliases, what is missing, what is too much.

use litemap::LiteMap;

use serde_json::{Map, Value};

use super::super::contract::{Contract, Input, Kind};
use super::super::violation::{nearest, pointer_step, quoted, Violation};
use super::value::from_text;
use super::Asked;

/// The most fields we look at: several times what any template has.
pub const INPUTS_MAX: usize = 100;

/// A value, the name that the caller gave it, and where it stands in the body.
pub struct Given<'a> {
    pub name: &'a str,
    pub path: String,
    pub value: &'a Value,
}

impl Given<'_> {
    /// What is wrong with this value, in a sentence that names its input.
    pub fn violation(&self, code: &'static str, message: &str) -> Violation {
        Violation::new(&self.path, code, format!("{}: {message}", self.name))
    }
}

/// A file input that names a file, for the caller of `check` to resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReference {
    /// The name of the input.
    pub input: String,
    /// Where the reference stands in the body.
    pub path: String,
    pub reference: String,
}

/// The file inputs that were given as a string which is not a URL.
pub fn file_references(contract: &Contract, asked: &Asked) -> Vec<FileReference> {
    let given = gather(contract, asked, &mut Vec::new());
    let files = contract.inputs.iter().filter(|i| i.kind.file().is_some());
    files
        .filter_map(|input| {
            let given = given.get(input.name.as_str())?;
            let reference = given.value.as_str()?;
            (!super::file::is_url(reference)).then(|| FileReference {
                input: input.name.clone(),
                path: given.path.clone(),
                reference: reference.to_owned(),
            })
        })
        .collect()
}

/// The fields of a form as inputs: each text as what its input wants, an empty one as not given.
pub fn from_form(
    contract: &Contract,
    fields: impl IntoIterator<Item = (String, String)>,
) -> Map<String, Value> {
    let value = |name: &str, text: &str| match contract.resolve(name) {
        _ if text.is_empty() => Value::Null,
        Some(input) => from_text(&input.kind, text),
        None => text.into(),
    };
    fields
        .into_iter()
        .map(|(name, text)| {
            let value = value(&name, &text);
            (name, value)
        })
        .collect()
}

/// The values by input. `null` counts as not given: form builders send it for empty fields.
pub fn gather<'a>(
    contract: &'a Contract,
    asked: &Asked<'a>,
    violations: &mut Vec<Violation>,
) -> LiteMap<&'a str, Given<'a>> {
    let mut given: LiteMap<&str, Given> = LiteMap::new();
    for (prefix, fields) in [("/inputs", asked.inputs), ("", asked.shorthands)] {
        if fields.len() > INPUTS_MAX {
            violations.push(too_many(prefix, fields));
            continue;
        }
        let present = fields.iter().filter(|(_, value)| !value.is_null());
        for (name, value) in present {
            let path = format!("{prefix}/{}", pointer_step(name));
            let Some(input) = contract.resolve(name) else {
                violations.push(unknown(contract, path, name));
                continue;
            };
            match given.get(input.name.as_str()) {
                Some(first) if first.value != value => {
                    violations.push(twice(input, &first.path, path));
                }
                Some(_) => {}
                None => {
                    given.insert(&input.name, Given { name, path, value });
                }
            }
        }
    }
    given
}

pub fn missing(input: &Input) -> Violation {
    let message = format!("{} is required ({})", input.name, input.label.en);
    Violation::new(
        format!("/inputs/{}", input.name),
        "missing_required",
        message,
    )
}

/// The groups of which none was given. A default that is spelt out asks for nothing.
pub fn missing_any(contract: &Contract, given: &LiteMap<&str, Given>) -> Vec<Violation> {
    let asks = |name: &String| {
        let default = contract
            .input(name)
            .and_then(|input| input.kind.default_value());
        let given = given.get(name.as_str());
        given.is_some_and(|given| Some(given.value) != default.as_ref())
    };
    let groups = contract
        .require_any
        .iter()
        .filter(|group| !group.iter().any(asks));
    groups
        .map(|group| {
            let message = format!("give at least one of {}", group.join(", "));
            Violation::new("/inputs", "missing_any_of", message)
        })
        .collect()
}

/// The inputs that a chosen value needs and that are not given.
pub fn missing_needs(contract: &Contract, given: &LiteMap<&str, Given>) -> Vec<Violation> {
    let mut missing = Vec::new();
    for input in &contract.inputs {
        let Kind::Choice(options) = &input.kind else {
            continue;
        };
        let chosen = given
            .get(input.name.as_str())
            .and_then(|given| given.value.as_str());
        let Some((value, needed)) =
            chosen.and_then(|value| Some((value, options.get(value)?.needs.as_ref()?)))
        else {
            continue;
        };
        if !given.contains_key(needed.as_str()) {
            let message = format!("{} {value} needs {needed}, which is not given", input.name);
            missing.push(Violation::new(
                format!("/inputs/{needed}"),
                "missing_required",
                message,
            ));
        }
    }
    missing
}

fn too_many(prefix: &str, fields: &Map<String, Value>) -> Violation {
    let message = format!(
        "{} fields were given, the most is {INPUTS_MAX}",
        fields.len()
    );
    Violation::new(prefix, "too_many_inputs", message)
}

fn unknown(contract: &Contract, path: String, name: &str) -> Violation {
    let inputs = contract.inputs.iter().map(|input| input.name.as_str());
    let known = inputs.chain(contract.aliases.keys().map(String::as_str));
    let hint = if let Some(near) = nearest(name, known) {
        format!("did you mean {near}?")
    } else {
        let names: Vec<_> = contract.inputs.iter().map(|i| i.name.as_str()).collect();
        format!("it has {}", names.join(", "))
    };
    let message = format!(
        "the template {} has no input {}; {hint}",
        contract.name,
        quoted(name)
    );
    Violation::new(path, "unknown_input", message)
}

fn twice(input: &Input, first: &str, path: String) -> Violation {
    let message = format!(
        "{} is already given by {first}, with another value",
        input.name
    );
    Violation::new(path, "given_twice", message)
}
