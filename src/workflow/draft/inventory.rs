//! `schema.json`: of a server's whole `object_info` the classes of one prompt, and of their lists
//! of model files those that the prompt names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::files::is_model;
use crate::workflow::python::{Dict, Reader, Unreadable, Value};

/// What of a class is kept: all that judging and converting a prompt asks for, no prose.
const KEPT: [&str; 11] = [
    "input",
    "input_order",
    "is_input_list",
    "output",
    "output_is_list",
    "output_name",
    "output_matchtypes",
    "name",
    "display_name",
    "output_node",
    "api_node",
];

/// How a server marks lists of files that were uploaded to it.
const UPLOADS: [&str; 4] = [
    "image_upload",
    "video_upload",
    "audio_upload",
    "file_upload",
];

/// The classes of a prompt, cut from an inventory.
pub struct Cut {
    /// The text of `schema.json`, one class a line.
    pub text: String,
    /// Classes of the prompt that the server does not have.
    pub unknown: Vec<String>,
    /// Model files of the prompt that the server does not have, as far as it lists any.
    pub absent: Vec<String>,
}

/// Model files by class and input.
type Named<'p> = BTreeMap<(&'p str, &'p str), BTreeSet<&'p str>>;

pub fn cut(object_info: &[u8], prompt: &Map<String, Json>) -> Result<Cut, Unreadable> {
    let (classes, named) = used(prompt);
    let members = Reader::new(object_info)?.members(|name| classes.contains(name))?;
    let found: BTreeMap<_, _> = members.into_iter().collect();
    let unknown = classes.iter().filter(|name| !found.contains_key(**name));
    let mut cutting = Cutting {
        class: "",
        named: &named,
        absent: BTreeSet::new(),
    };
    let mut lines = Vec::new();
    for class in &classes {
        if let Some(Value::Dict(entry)) = found.get(*class) {
            cutting.class = class;
            lines.push(format!("{}: {}", text(class), text(&cutting.entry(entry))));
        }
    }
    Ok(Cut {
        text: format!("{{\n{}\n}}\n", lines.join(",\n")),
        unknown: unknown.map(|&name| name.to_owned()).collect(),
        absent: cutting.absent.into_iter().collect(),
    })
}

fn used(prompt: &Map<String, Json>) -> (BTreeSet<&str>, Named<'_>) {
    let (mut classes, mut named) = (BTreeSet::new(), Named::new());
    for node in prompt.values() {
        let Some(class) = node["class_type"].as_str() else {
            continue;
        };
        classes.insert(class);
        for (input, value) in node["inputs"].as_object().into_iter().flatten() {
            if let Some(file) = value.as_str().filter(|text| is_model(text)) {
                named.entry((class, input)).or_default().insert(file);
            }
        }
    }
    (classes, named)
}

/// A value of ours never fails to become JSON; the empty text would not be read back.
fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

struct Cutting<'p> {
    class: &'p str,
    named: &'p Named<'p>,
    absent: BTreeSet<String>,
}

impl Cutting<'_> {
    fn entry<'v>(&mut self, entry: &Dict<'v>) -> Dict<'v> {
        let mut kept = Dict::default();
        for (key, value) in entry.iter().filter(|(key, _)| KEPT.contains(&key.as_ref())) {
            let value = match (key.as_ref(), value) {
                ("input", Value::Dict(groups)) => Value::Dict(self.groups(groups)),
                _ => value.clone(),
            };
            kept.push(key.clone(), value);
        }
        kept
    }

    /// Required, optional and hidden inputs.
    fn groups<'v>(&mut self, groups: &Dict<'v>) -> Dict<'v> {
        let mut kept = Dict::default();
        for (group, inputs) in groups.iter() {
            let value = match inputs {
                Value::Dict(inputs) => {
                    let mut kept = Dict::default();
                    for (name, spec) in inputs.iter() {
                        kept.push(name.clone(), self.spec(name, spec));
                    }
                    Value::Dict(kept)
                }
                other => other.clone(),
            };
            kept.push(group.clone(), value);
        }
        kept
    }

    /// `[type, options]`, where a list of choices is the type itself or stands in the options.
    fn spec<'v>(&mut self, name: &str, spec: &Value<'v>) -> Value<'v> {
        let Value::List(parts) = spec else {
            return spec.clone();
        };
        let marked = |options: &Dict| {
            let is_set = |mark: &&str| options.get(mark).is_some_and(Value::is_truthy);
            UPLOADS.iter().any(is_set)
        };
        let options = parts.get(1).and_then(Value::as_dict);
        let is_upload = options.is_some_and(marked);
        let parts = parts.iter().map(|part| match part {
            Value::List(choices) => Value::List(self.choices(name, choices, is_upload)),
            Value::Dict(options) => Value::Dict(self.options(name, options, is_upload)),
            other => other.clone(),
        });
        Value::List(parts.collect())
    }

    fn options<'v>(&mut self, name: &str, options: &Dict<'v>, is_upload: bool) -> Dict<'v> {
        let mut kept = Dict::default();
        for (key, value) in options.iter().filter(|(key, _)| *key != "tooltip") {
            let value = match (key.as_ref(), value) {
                ("options", Value::List(choices)) => {
                    Value::List(self.choices(name, choices, is_upload))
                }
                _ => value.clone(),
            };
            kept.push(key.clone(), value);
        }
        kept
    }

    /// Of a list of files those that the prompt names, also where this server lacks them.
    fn choices<'v>(
        &mut self,
        name: &str,
        choices: &[Value<'v>],
        is_upload: bool,
    ) -> Vec<Value<'v>> {
        if is_upload {
            return Vec::new();
        }
        let listed = |file: &str| choices.iter().any(|choice| choice.as_text() == Some(file));
        let files = self.named.get(&(self.class, name));
        if let Some(files) = files {
            let absent = files.iter().filter(|file| !listed(file));
            self.absent.extend(absent.map(|file| (*file).to_owned()));
            return files
                .iter()
                .map(|file| Value::from((*file).to_owned()))
                .collect();
        }
        let is_file = |choice: &Value| choice.as_text().is_some_and(is_model);
        if choices.iter().any(is_file) {
            let others = choices.iter().filter(|choice| !is_file(choice));
            return others.cloned().collect();
        }
        choices.to_vec()
    }
}
