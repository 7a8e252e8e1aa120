//! `ops compile`: the prompt that a template makes of inputs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context};
use edge_queue::media;
use edge_queue::workflow::check::{check, Asked, Checked, FileFact, Files, SEED_MAX};
use edge_queue::workflow::compile::{compile, Compiled};
use edge_queue::workflow::contract::{Contract, Kind, Protocol};
use edge_queue::workflow::prompt::Prompt;
use edge_queue::workflow::template::{self, Template};
use edge_queue::workflow::validate::{expect_uploads, validate};
use edge_queue::workflow::violation::Violation;
use serde_json::{json, Map, Value};

use crate::folder::Folder;
use crate::told;
use crate::{exit, files};

/// Print the prompt that a template makes of inputs, as it would be sent to the GPU
#[derive(clap::Args)]
#[command(after_help = "\
The prompt is printed byte for byte as the Worker stores and sends it; its blake3 is the job's
prompt_hash. Its file name prefixes are eq0, eq1, ...: by them a returned file is led back to its
node, and the caller sees the prefix of the template.
A value is read as JSON where it is JSON, else as text; the value of a text or a choice is text
unless it stands in quotes. A file input takes @FILE. Without a seed, or with \"random\", the seed
is that of --seed. What is wrong with the inputs is told on standard error; a template on disk that
has a schema.json is also judged as ComfyUI would judge it.
Exit status: 0 with a prompt, 1 when the inputs are at fault, 2 when something could not be read.

Example:
  ops compile text-to-image --input prompt='a red fox' --input ratio=16:9 --seed 7
  ops compile qwen-image-edit --input image=@photo.png --input hair=bob --json")]
pub struct Arguments {
    /// One input; given again, it replaces what --inputs says
    #[arg(long = "input", value_name = "NAME=VALUE")]
    input: Vec<String>,

    /// An object of inputs, as in the body of a create
    #[arg(long, value_name = "FILE.json")]
    inputs: Option<PathBuf>,

    /// The seed where the inputs give none
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: u64,

    /// As JSON: {ok, prompt, `prompt_hash`, seed, inputs, files, outputs, ...} or {ok, details}
    #[arg(long)]
    json: bool,

    /// A template that is built in, or a folder with template.json and contract.json
    #[arg(value_name = "NAME|DIR")]
    template: String,
}

/// Inputs as `check` wants them.
#[derive(Default)]
struct Given {
    inputs: Map<String, Value>,
    files: Files,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (template, folder) = find(&arguments.template)?;
    let given = given(arguments, &template.contract)?;
    let asked = Asked {
        inputs: &given.inputs,
        shorthands: &Map::new(),
        files: &given.files,
        seed_if_random: arguments.seed,
    };
    let checked = match check(&template.contract, &asked) {
        Ok(checked) => checked,
        Err(violations) => return refuse(arguments, &violations),
    };
    let compiled = compile(&template, &checked);
    let faults = faults(&compiled, folder.as_ref())?;
    if !faults.is_empty() {
        return refuse(arguments, &faults);
    }
    print(arguments, &template, &checked, &compiled)?;
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> anyhow::Result<(Template, Option<Folder>)> {
    if let Some(template) = template::find(name) {
        return Ok((template.clone(), None));
    }
    if !Path::new(name).exists() {
        let known: Vec<_> = template::names().collect();
        let known = known.join(", ");
        bail!("{name} is no folder, and no template that is built in: there are {known}");
    }
    let folder = Folder::read(Path::new(name))?;
    let template = Template::parse(&folder.contract, &folder.template)
        .with_context(|| format!("in {name}: ops contract check {name} says more"))?;
    Ok((template, Some(folder)))
}

fn given(arguments: &Arguments, contract: &Contract) -> anyhow::Result<Given> {
    let mut given = Given::default();
    if let Some(file) = &arguments.inputs {
        let value = serde_json::from_slice(&files::read(file)?);
        let Ok(Value::Object(inputs)) = value else {
            bail!("{} holds no JSON object of inputs", file.display());
        };
        given.inputs = inputs;
    }
    for input in &arguments.input {
        let Some((name, text)) = input.split_once('=') else {
            bail!("--input wants NAME=VALUE, not {input:?}");
        };
        given
            .inputs
            .insert(name.to_owned(), value(contract, name, text));
    }
    for (name, value) in &mut given.inputs {
        let input = contract
            .resolve(name)
            .filter(|input| input.kind.file().is_some());
        let path = value.as_str().and_then(|text| text.strip_prefix('@'));
        if let (Some(input), Some(path)) = (input, path) {
            let bytes = files::read(Path::new(path))?;
            if let Some(flaw) = media::sniff(&bytes).and_then(|media| media.flaw()) {
                anyhow::bail!("{path}: {flaw}");
            }
            // As the Worker names an upload: by its content.
            *value = blake3::hash(&bytes).to_hex().to_string().into();
            given.files.insert(input.name.clone(), fact(&bytes));
        }
    }
    Ok(given)
}

/// `prompt=2024` is a text although it is JSON, and `steps=8` a number although it is text.
fn value(contract: &Contract, name: &str, text: &str) -> Value {
    let read = serde_json::from_str::<Value>(text).ok();
    let holds_text = contract
        .resolve(name)
        .is_some_and(|input| match input.kind {
            Kind::String(_)
            | Kind::Choice(_)
            | Kind::Image(_)
            | Kind::Video(_)
            | Kind::Audio(_) => true,
            Kind::Integer(_) | Kind::Number(_) | Kind::Boolean(_) | Kind::Seed(_) => false,
        });
    let read = read.filter(|read| !holds_text || read.is_string() || read.is_null());
    read.unwrap_or_else(|| text.into())
}

fn fact(bytes: &[u8]) -> FileFact {
    let media = media::sniff(bytes).unwrap_or_else(|| media::unknown(""));
    FileFact {
        kind: media.kind,
        content_type: media.content_type.to_owned(),
        size_bytes: bytes.len() as u64,
        width: media.width,
        height: media.height,
    }
}

/// What ComfyUI with the folder's node classes would refuse.
fn faults(compiled: &Compiled, folder: Option<&Folder>) -> anyhow::Result<Vec<Violation>> {
    let Some(mut schema) = folder.map(Folder::schema).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    if compiled.protocol != Protocol::Comfyui {
        return Ok(Vec::new());
    }
    let prompt: Value = serde_json::from_str(&compiled.prompt)?;
    let places = compiled.files.iter().flat_map(|file| &file.places);
    expect_uploads(&mut schema, &prompt, places);
    let prompt = Prompt::from_json(&prompt).context("the template is no prompt")?;
    Ok(validate(&prompt, &schema).violations("prompt:"))
}

fn refuse(arguments: &Arguments, violations: &[Violation]) -> anyhow::Result<ExitCode> {
    if arguments.json {
        told::json(&json!({"ok": false, "details": violations}))?;
    }
    for violation in violations {
        let Violation {
            path,
            code,
            message,
        } = violation;
        eprintln!("{path}  {code}  {message}");
    }
    Ok(exit::FOUND)
}

fn print(
    arguments: &Arguments,
    template: &Template,
    checked: &Checked,
    compiled: &Compiled,
) -> anyhow::Result<()> {
    if arguments.json {
        let prompt: Value = serde_json::from_str(&compiled.prompt)?;
        let answer = json!({
            "ok": true,
            "template": template.name(),
            "template_version": template.contract.version,
            "template_hash": template.hash(),
            "prompt_hash": compiled.hash,
            "seed": checked.seed,
            "inputs": checked.inputs,
            "files": compiled.files,
            "outputs": compiled.outputs,
            "prompt": prompt,
        });
        return told::json(&answer);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", compiled.prompt)?;
    // A file gets the bytes alone, so that their hash is the job's.
    if out.is_terminal() {
        writeln!(out)?;
    }
    Ok(())
}
