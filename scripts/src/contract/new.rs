//! `ops contract new`: a first contract, guessed from a workflow.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context};
use edge_queue::id::TemplateName;
use edge_queue::workflow::convert::{self, Definitions, Options};
use edge_queue::workflow::draft::{self, Draft};
use edge_queue::workflow::graph::Graph;
use edge_queue::workflow::json;
use edge_queue::workflow::prompt::is_editor_graph;
use edge_queue::workflow::schema::Schema;
use serde_json::{json, Map, Value};

use super::check;
use crate::folder::{self, Folder, CONTRACT, SCHEMA, TEMPLATE};
use crate::told;
use crate::{exit, files};

/// The editor's schema of contracts, as a template among the built-in ones names it.
const JSON_SCHEMA: &str = "../../../../docs/contract.schema.json";

/// Make a first contract from a workflow: its prompts, seed, size, pictures and outputs
#[derive(clap::Args)]
#[command(after_help = "\
GRAPH.json is a workflow as the editor saves it, or a prompt in API format. DIR gets template.json,
contract.json and, with --object-info, schema.json. What was guessed is told; read the contract,
take away what callers should not change, and check it again.
Exit status: 0 when the contract has no flaw, 1 when it has, 2 when none could be made.

Example:
  curl -s -o object_info.json http://127.0.0.1:8188/object_info
  ops contract new street-portrait.json --object-info object_info.json --out street-portrait")]
pub struct Arguments {
    /// What ComfyUI answers to `GET /object_info`; a graph cannot be read without it
    #[arg(long, value_name = "FILE")]
    object_info: Option<PathBuf>,

    /// Name of the template; else that of DIR, which must bear it once the template is built in
    #[arg(long)]
    name: Option<String>,

    /// Where to write; made if missing. Else a folder here with the name of GRAPH.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// As JSON: {ok, folder, name, version, inputs, outputs, notes, flaws}
    #[arg(long)]
    json: bool,

    /// A workflow as the editor saves it, or as it exports it in API format
    #[arg(value_name = "GRAPH.json")]
    workflow: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let out = out(arguments);
    let name = name(arguments, &out)?;
    for file in [CONTRACT, TEMPLATE, SCHEMA] {
        let file = out.join(file);
        if file.exists() {
            bail!(
                "{} is there already: remove it, or choose another --out",
                file.display()
            );
        }
    }
    let object_info = arguments
        .object_info
        .as_deref()
        .map(files::read)
        .transpose()?;
    let prompt = prompt(&arguments.workflow, object_info.as_deref())?;
    let schema = match (&object_info, &arguments.object_info) {
        (Some(bytes), Some(file)) => {
            Schema::read(bytes).with_context(|| format!("in {}", file.display()))?
        }
        _ => Schema::default(),
    };
    let mut draft = draft::draft(&name, &prompt, &schema).with_context(|| {
        format!(
            "no contract can be made of {}",
            arguments.workflow.display()
        )
    })?;
    write(&out, &mut draft, object_info.as_deref())?;
    let flaws = check::flaws(&Folder::read(&out)?)?;
    if arguments.json {
        told::json(&as_json(&out, &draft, &flaws))?;
    } else {
        tell(&out, &draft, &flaws);
    }
    Ok(if flaws.is_empty() {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// The folder that was asked for, or one here with the workflow's name.
fn out(arguments: &Arguments) -> PathBuf {
    let stem = || arguments.workflow.file_stem().unwrap_or_default().into();
    arguments.out.clone().unwrap_or_else(stem)
}

/// The template's name, which is its folder's.
fn name(arguments: &Arguments, out: &Path) -> anyhow::Result<TemplateName> {
    let folder = || Some(out.file_name()?.to_string_lossy().into_owned());
    let Some(name) = arguments.name.clone().or_else(folder) else {
        bail!("give the template a name with --name");
    };
    TemplateName::try_from(name.clone())
        .map_err(|rule| anyhow::anyhow!("{name:?} names no template: {rule}; give one with --name"))
}

/// The workflow in API format, whatever it was.
fn prompt(file: &Path, object_info: Option<&[u8]>) -> anyhow::Result<Map<String, Value>> {
    let text = files::read(file)?;
    let value: Value =
        json::parse(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    if is_editor_graph(&value) {
        let Some(object_info) = object_info else {
            bail!(
                "{} is a workflow as the editor saves it, and only the server knows what its \
                 widgets are called: give its node classes with --object-info (curl -s -o \
                 object_info.json http://127.0.0.1:8188/object_info), or use Export (API)",
                file.display()
            );
        };
        let definitions =
            Definitions::parse(object_info).context("in the file of --object-info")?;
        let graph = Graph::parse(&text).with_context(|| format!("in {}", file.display()))?;
        // The moment is left open: a name with a date in it stays as it is.
        return convert::convert(&graph, &definitions, &Options::default())
            .with_context(|| format!("{} gives no prompt", file.display()));
    }
    match value {
        Value::Object(mut body) => match body.remove("prompt") {
            // The body of a `POST /prompt`.
            Some(Value::Object(prompt)) if !prompt.contains_key("class_type") => Ok(prompt),
            Some(other) => {
                body.insert("prompt".to_owned(), other);
                Ok(body)
            }
            None => Ok(body),
        },
        _ => bail!(
            "{} holds no workflow: an object of nodes is wanted",
            file.display()
        ),
    }
}

fn write(out: &Path, draft: &mut Draft, object_info: Option<&[u8]>) -> anyhow::Result<()> {
    files::make_folder(out)?;
    if out.join(JSON_SCHEMA).exists() {
        draft.contract.schema = Some(JSON_SCHEMA.to_owned());
    }
    let pretty = |value: &Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    let template = Value::Object(draft.template.clone());
    files::write(&out.join(TEMPLATE), &pretty(&template)?)?;
    let contract = serde_json::to_string_pretty(&draft.contract)? + "\n";
    files::write(&out.join(CONTRACT), &contract)?;
    let Some(object_info) = object_info else {
        let note = "without --object-info there is no schema.json, and ranges are guessed";
        draft.notes.push(note.to_owned());
        return Ok(());
    };
    let cut = draft::cut(object_info, &draft.template).context("in the file of --object-info")?;
    files::write(&out.join(SCHEMA), &cut.text)?;
    let unknown = cut.unknown.iter();
    let unknown = unknown.map(|class| format!("the server has no node class {class}"));
    let absent = cut.absent.iter();
    let absent = absent.map(|file| format!("the server has no model file {file}"));
    draft.notes.extend(unknown.chain(absent));
    Ok(())
}

/// What was found, what was guessed, and what is wrong with it.
fn tell(out: &Path, draft: &Draft, flaws: &[check::Flaw]) {
    let (shown, contract) = (out.display(), &draft.contract);
    println!("{shown}: version {} of {}", contract.version, contract.name);
    let inputs = contract.inputs.iter().map(|input| {
        let required = if input.required { " (required)" } else { "" };
        format!("{}{required}", input.name)
    });
    println!("  inputs: {}", inputs.collect::<Vec<_>>().join(", "));
    let outputs = contract.outputs.iter().map(|output| {
        let node = output.node.as_deref().unwrap_or_default();
        format!("{} of node {node}", output.kind.as_str())
    });
    println!("  outputs: {}", outputs.collect::<Vec<_>>().join(", "));
    for note in &draft.notes {
        eprintln!("note: {note}");
    }
    if !flaws.is_empty() {
        check::show_flaws(&shown.to_string(), flaws);
        return;
    }
    println!(
        "next: read {shown}/{}, then ops contract check {shown}",
        folder::CONTRACT
    );
}

fn as_json(out: &Path, draft: &Draft, flaws: &[check::Flaw]) -> Value {
    let contract = &draft.contract;
    let inputs = contract.inputs.iter().map(|input| &input.name);
    let outputs = contract.outputs.iter().map(|output| output.kind.as_str());
    json!({
        "ok": flaws.is_empty(),
        "folder": out,
        "name": contract.name,
        "version": contract.version,
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "notes": draft.notes,
        "flaws": flaws,
    })
}
