//! `ops validate`: what ComfyUI would answer to bodies of `POST /prompt`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::validate;
use serde_json::{json, Value};

use crate::files;
use crate::told;

/// Tell what ComfyUI would answer to bodies of `POST /prompt`, without a ComfyUI
#[derive(clap::Args)]
#[command(after_help = "\
For each BODY.json, DIR gets BODY.json: {\"status\": 200|400, \"body\": ComfyUI's response}.
Exit status: 0 when every body was answered, whatever the answers.

Example:
  curl -s -o object_info.json http://127.0.0.1:8188/object_info
  ops validate --object-info object_info.json --out answers body.json")]
pub struct Arguments {
    /// What ComfyUI answers to `GET /object_info`; a later file covers classes of an earlier one
    #[arg(long, required = true, value_name = "FILE")]
    object_info: Vec<PathBuf>,

    /// Where to write; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// As JSON: a list of {body, written, status}
    #[arg(long)]
    json: bool,

    /// Bodies of `POST /prompt`
    #[arg(required = true, value_name = "BODY.json")]
    bodies: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let schema = read_schema(&arguments.object_info)?;
    files::make_folder(&arguments.out)?;
    let (answers, ended) = files::each(&arguments.bodies, |body| {
        answer(body, &arguments.out, &schema)
    });
    if arguments.json {
        told::json(&answers)?;
    }
    ended
}

fn read_schema(files: &[PathBuf]) -> anyhow::Result<Schema> {
    let mut schema = Schema::default();
    for file in files {
        let later =
            Schema::read(&files::read(file)?).with_context(|| format!("in {}", file.display()))?;
        schema.overlay(later);
    }
    Ok(schema)
}

fn answer(body: &Path, out: &Path, schema: &Schema) -> anyhow::Result<Value> {
    let outcome = validate::post(&files::read(body)?, schema);
    let status = if outcome.is_accepted() { 200 } else { 400 };
    let response = serde_json::to_string(&outcome).context("cannot write the answer as JSON")?;
    let stem = body
        .file_stem()
        .with_context(|| format!("{} has no name", body.display()))?;
    let mut name = stem.to_owned();
    name.push(".json");
    // Put together as text: a JSON value would round whole numbers beyond 64 bits.
    let text = format!("{{\"status\":{status},\"body\":{response}}}\n");
    let written = out.join(name);
    files::write(&written, &text)?;
    Ok(json!({ "body": body, "written": written, "status": status }))
}
