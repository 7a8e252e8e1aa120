//! `ops validate`: what ComfyUI would answer to bodies of `POST /prompt`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::validate;

/// Tell what ComfyUI would answer to bodies of POST /prompt, without a ComfyUI
#[derive(Args)]
#[command(after_help = "\
Example:
  curl -s http://127.0.0.1:8188/object_info > object_info.json
  ops validate --object-info object_info.json --out answers body.json
  cat answers/body.json     # {\"status\": 200|400, \"body\": ComfyUI's response}

Exit status: 0 when every file was answered, whatever the answers.")]
pub struct Validate {
    /// What a server says about its node classes; a later file covers classes of an earlier one
    #[arg(long, required = true, value_name = "FILE")]
    object_info: Vec<PathBuf>,

    /// The folder that gets an answer <stem>.json for each body
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Files that each hold a body of POST /prompt
    #[arg(required = true, value_name = "BODY.json")]
    bodies: Vec<PathBuf>,
}

pub fn run(arguments: &Validate) -> anyhow::Result<()> {
    let schema = read_schema(&arguments.object_info)?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    for body in &arguments.bodies {
        answer(body, &arguments.out, &schema)?;
    }
    Ok(())
}

fn read_schema(files: &[PathBuf]) -> anyhow::Result<Schema> {
    let mut schema = Schema::default();
    for file in files {
        let text = read(file)?;
        let later = Schema::read(&text).with_context(|| format!("in {}", file.display()))?;
        schema.overlay(later);
    }
    Ok(schema)
}

fn answer(body: &Path, out: &Path, schema: &Schema) -> anyhow::Result<()> {
    let outcome = validate::post(&read(body)?, schema);
    let status = if outcome.is_accepted() { 200 } else { 400 };
    let response = serde_json::to_string(&outcome).context("cannot write the answer as JSON")?;
    let stem = body
        .file_stem()
        .with_context(|| format!("{} has no name", body.display()))?;
    let mut name = stem.to_owned();
    name.push(".json");
    let to = out.join(name);
    // Put together as text: a JSON value would round whole numbers beyond 64 bits.
    let text = format!("{{\"status\":{status},\"body\":{response}}}\n");
    fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
