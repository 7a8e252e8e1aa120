//! `ops inventory pull`: from a ComfyUI to a deployment.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use edge_queue::workflow::inventory::{self, Inventory, InventoryError};
use serde_json::{json, Value};

use super::remote;
use crate::deployment::Deployment;
use crate::files;
use crate::told;

/// Lists that are named when they were too long to keep.
const NAMED_MAX: usize = 10;

/// Read a ComfyUI's `/object_info` and make it the inventory of an endpoint
#[derive(clap::Args)]
#[command(after_help = "\
Only what is judged leaves this machine: classes, inputs, ranges, choices, no tooltips.
Run it again whenever nodes or model files of the endpoint change; the same inventory twice
changes nothing. Exit status: 0 when the inventory counts (or would, with --dry-run), 1 when it was
refused, 2 when it could not be read or nobody answered; then the one before still counts.

Example:
  ops inventory pull --from http://127.0.0.1:8188 --dry-run
  ADMIN_KEY=... ops inventory pull --from object_info.json --url https://queue.example.com")]
pub struct Arguments {
    /// A ComfyUI's address, or a file with what it answers to `GET /object_info`
    #[arg(long, value_name = "URL|FILE")]
    from: String,

    #[command(flatten)]
    deployment: Deployment,

    /// Whose inventory it is; the deployment's current endpoint unless named
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,

    /// Say what was found and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Say it as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let object_info = read(&arguments.from)?;
    let inventory = check(&object_info).with_context(|| format!("in {}", arguments.from))?;
    let answer = if arguments.dry_run {
        None
    } else {
        Some(put(arguments, &inventory)?)
    };
    if arguments.json {
        let found = found(&inventory, object_info.len());
        let answer = answer.map_or(Value::Null, |mut answer| answer["inventory"].take());
        let both = json!({ "dry_run": arguments.dry_run, "found": found, "inventory": answer });
        told::json(&both)?;
    } else {
        let mut out = std::io::stdout().lock();
        write!(out, "{}", told(&inventory, object_info.len()))?;
        writeln!(out, "{}", outcome(arguments, answer.as_ref())?)?;
    }
    Ok(())
}

/// What a ComfyUI has: `http://host:8188` is the server, `http://host:8188/object_info` its answer.
pub fn read(from: &str) -> anyhow::Result<Vec<u8>> {
    if !from.starts_with("http://") && !from.starts_with("https://") {
        return files::read(Path::new(from));
    }
    let bare = from.trim_end_matches('/');
    if bare.ends_with("/object_info") {
        return remote::get(bare);
    }
    remote::get(&format!("{bare}/object_info"))
}

/// The limit on what a deployment reads is for what is sent, so a larger answer is cut here first.
fn check(object_info: &[u8]) -> anyhow::Result<Inventory> {
    inventory::read_any_size(object_info).map_err(|error| match error {
        InventoryError::Classes(faults) => {
            let lines = faults.iter();
            let lines: Vec<_> = lines
                .map(|f| format!("\n  {} {}", f.path, f.message))
                .collect();
            anyhow::anyhow!("{} classes cannot be read:{}", faults.len(), lines.concat())
        }
        other => other.into(),
    })
}

fn put(arguments: &Arguments, inventory: &Inventory) -> anyhow::Result<Value> {
    let query = match &arguments.endpoint {
        Some(endpoint) => format!("?endpoint={endpoint}"),
        None => String::new(),
    };
    let path = format!("/api/admin/inventory{query}");
    arguments.deployment.put(&path, inventory.document())
}

fn found(inventory: &Inventory, read_bytes: usize) -> Value {
    json!({
        "classes": inventory.classes.len(),
        "lists": inventory.lists,
        "lists_left_out": inventory.lists_left_out,
        "read_bytes": read_bytes,
        "size_bytes": inventory.size_bytes(),
        "hash": inventory.hash,
    })
}

fn told(inventory: &Inventory, read_bytes: usize) -> String {
    let found = format!(
        "found {} node classes with {} lists of choices: {} of {read_bytes} bytes are kept\n",
        inventory.classes.len(),
        inventory.lists,
        inventory.size_bytes(),
    );
    let left_out = &inventory.lists_left_out;
    if left_out.is_empty() {
        return found;
    }
    let named = left_out[..left_out.len().min(NAMED_MAX)].join(", ");
    let count = left_out.len();
    format!("{found}{count} lists are too long to keep, their values go unchecked: {named}\n")
}

fn outcome(arguments: &Arguments, answer: Option<&Value>) -> anyhow::Result<String> {
    let Some(answer) = answer else {
        return Ok("nothing was changed: --dry-run".to_owned());
    };
    let endpoint = answer["inventory"]["endpoint"].as_str().unwrap_or_default();
    let base_url = arguments.deployment.origin()?;
    Ok(if answer["changed"] == true {
        format!("{base_url} now checks workflows for the endpoint {endpoint} against it")
    } else {
        format!("{base_url} had the same inventory of the endpoint {endpoint} already")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_in_words() {
        let choices: Vec<String> = (0..9_000).map(|i| format!("model-{i:09}.bin")).collect();
        let info = json!({"A": {"input": {"required": {"file": [choices], "n": [["x"]]}}}});
        let inventory = check(info.to_string().as_bytes()).unwrap();
        let text = told(&inventory, 5_000);
        assert!(text.contains("1 node classes with 1 lists"), "{text}");
        assert!(text.contains("unchecked: A.file"), "{text}");
    }

    #[test]
    fn a_broken_class_is_named() {
        let error = check(br#"{"A": {"input": {}}, "B": null}"#).unwrap_err();
        assert!(
            error.to_string().contains("/B B is no node class"),
            "{error}"
        );
    }
}
