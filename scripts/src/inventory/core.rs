//! `ops inventory core`: the inventory of a ComfyUI without custom nodes that has exactly the model
//! files of our templates. The simulated GPU has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{bail, Context};
use edge_queue::workflow::inventory;
use edge_queue::workflow::template;
use serde_json::value::RawValue;
use serde_json::{json, Value};

use crate::files;
use crate::told;

/// The inputs that list each folder of models.
const LISTS: [(&str, &[(&str, &str)]); 5] = [
    ("clip_vision", &[("CLIPVisionLoader", "clip_name")]),
    ("diffusion_models", &[("UNETLoader", "unet_name")]),
    (
        "loras",
        &[
            ("CreateHookLora", "lora_name"),
            ("CreateHookLoraModelOnly", "lora_name"),
            ("LoraLoader", "lora_name"),
            ("LoraLoaderBypass", "lora_name"),
            ("LoraLoaderBypassModelOnly", "lora_name"),
            ("LoraLoaderModelOnly", "lora_name"),
            ("TrainLoraNode", "existing_lora"),
        ],
    ),
    (
        "text_encoders",
        &[
            ("CLIPLoader", "clip_name"),
            ("DualCLIPLoader", "clip_name1"),
            ("DualCLIPLoader", "clip_name2"),
            ("LTXAVTextEncoderLoader", "text_encoder"),
            ("QuadrupleCLIPLoader", "clip_name1"),
            ("QuadrupleCLIPLoader", "clip_name2"),
            ("QuadrupleCLIPLoader", "clip_name3"),
            ("QuadrupleCLIPLoader", "clip_name4"),
            ("TripleCLIPLoader", "clip_name1"),
            ("TripleCLIPLoader", "clip_name2"),
            ("TripleCLIPLoader", "clip_name3"),
        ],
    ),
    ("vae", &[("VAELoader", "vae_name")]),
];

/// Classes that only pass a job on to somebody's paid service.
const PARTNER: &str = "partner";

/// Make the inventory of the simulated GPU: ComfyUI's own classes, our templates' models
#[derive(clap::Args)]
#[command(after_help = "\
Left out are partner nodes, prose, and defaults of several lines; added are the model files that
the templates require.
Exit status: 0 when it was written, 2 when it could not be.

Example:
  ops inventory core --from object_info.json --out inventory/core.json")]
pub struct Arguments {
    /// The answer of a ComfyUI without custom nodes and without models
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Where to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// As JSON: {classes, written}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let object_info = files::read(&arguments.from)?;
    let whose: BTreeMap<String, Value> = serde_json::from_slice(&object_info)
        .with_context(|| format!("in {}", arguments.from.display()))?;
    let mut inventory = inventory::read_any_size(&object_info)
        .with_context(|| format!("in {}", arguments.from.display()))?;
    inventory.classes.retain(|name, _| {
        let entry = &whose[name];
        let category = entry["category"].as_str().unwrap_or_default();
        entry["api_node"] != true && category.split('/').next() != Some(PARTNER)
    });
    for entry in inventory.classes.values_mut() {
        leave_out_long_defaults(entry);
    }
    for (folder, models) in models() {
        let lists = LISTS.iter().find(|(known, _)| *known == folder);
        let Some((_, lists)) = lists else {
            bail!("which inputs list the folder {folder}? LISTS does not say");
        };
        for (class, input) in *lists {
            let entry = inventory.classes.get_mut(*class);
            let entry = entry.with_context(|| format!("there is no class {class}"))?;
            add_choices(entry, input, &models)
                .with_context(|| format!("{class}.{input} is no list of choices"))?;
        }
    }
    files::write(&arguments.out, &inventory.document())?;
    let count = inventory.classes.len();
    if arguments.json {
        told::json(&json!({ "classes": count, "written": arguments.out }))?;
    } else {
        println!("{count} classes");
    }
    Ok(())
}

/// The files that the templates require, by folder.
fn models() -> BTreeMap<String, BTreeSet<String>> {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for model in template::all().flat_map(|template| &template.contract.requires.models) {
        let files = folders.entry(model.folder.clone()).or_default();
        files.insert(model.file.clone());
    }
    folders
}

/// Puts files before what an input lists already; as text, so that everything else stays as it is.
fn add_choices(entry: &mut String, input: &str, files: &BTreeSet<String>) -> Option<()> {
    const OPTIONS: &str = "\"options\":[";
    let spec = format!("\"{input}\":[");
    let spec = entry.find(&spec)? + spec.len();
    let list = if entry[spec..].starts_with('[') {
        spec + 1
    } else {
        spec + entry[spec..].find(OPTIONS)? + OPTIONS.len()
    };
    let names = files
        .iter()
        .map(|file| Value::from(file.as_str()).to_string());
    let mut text = names.collect::<Vec<_>>().join(",");
    if !entry[list..].starts_with(']') {
        text.push(',');
    }
    entry.insert_str(list, &text);
    Some(())
}

/// A default of several lines is somebody's program or prose, not a fact about an input.
fn leave_out_long_defaults(entry: &mut String) {
    const DEFAULT: &str = "\"default\":";
    let mut from = 0;
    while let Some(at) = entry[from..].find(DEFAULT) {
        from += at + DEFAULT.len();
        let mut values =
            serde_json::Deserializer::from_str(&entry[from..]).into_iter::<&RawValue>();
        let Some(Ok(value)) = values.next() else {
            continue;
        };
        if value.get().starts_with('"') && value.get().contains("\\n") {
            let end = from + value.get().len();
            entry.replace_range(from..end, "\"\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_what_is_listed() {
        let check = |entry: &str, expected: &str| {
            let mut entry = entry.to_owned();
            let files = BTreeSet::from(["b".to_owned(), "a".to_owned()]);
            add_choices(&mut entry, "x", &files).unwrap();
            assert_eq!(entry, expected);
        };
        check(r#"{"x":[[],{}]}"#, r#"{"x":[["a","b"],{}]}"#);
        check(r#"{"x":[["c"]]}"#, r#"{"x":[["a","b","c"]]}"#);
        let combo = r#"{"x":["COMBO",{"k":1,"options":[]}]}"#;
        check(combo, r#"{"x":["COMBO",{"k":1,"options":["a","b"]}]}"#);
    }

    #[test]
    fn programs_are_no_defaults() {
        let mut entry = r#"{"a":{"default":"one"},"b":{"default":"two\nlines"}}"#.to_owned();
        leave_out_long_defaults(&mut entry);
        assert_eq!(entry, r#"{"a":{"default":"one"},"b":{"default":""}}"#);
    }
}
