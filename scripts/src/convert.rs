//! `ops convert`: editor graphs to API prompts.

use std::path::{Path, PathBuf};

use anyhow::Context;
use edge_queue::workflow::convert::{self, ConvertError, Definitions, Options};
use edge_queue::workflow::graph::Graph;
use serde_json::{json, Map, Value};

use crate::clock;
use crate::files;
use crate::told;

/// Turn graphs saved by ComfyUI's editor into API prompts, as its frontend would
#[derive(clap::Args)]
#[command(after_help = "\
For each GRAPH.json, DIR gets GRAPH.json, the prompt. Where the frontend would refuse, it gets
GRAPH.error.json instead: {\"error\": {\"code\", \"message\"}}.
Of {a|b} in a prompt the first alternative is taken.
Exit status: 0 when every graph was answered, whatever the answers.

Example:
  curl -s -o object_info.json http://127.0.0.1:8188/object_info
  ops convert --object-info object_info.json --out prompts portrait.json upscale.json")]
pub struct Arguments {
    /// What ComfyUI answers to `GET /object_info`
    #[arg(long, value_name = "FILE")]
    object_info: PathBuf,

    /// Where to write; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// As JSON: a list of {graph, written, error}
    #[arg(long)]
    json: bool,

    /// Graphs as the editor saves them
    #[arg(required = true, value_name = "GRAPH.json")]
    graphs: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let object_info = &arguments.object_info;
    let definitions = Definitions::parse(&files::read(object_info)?)
        .with_context(|| format!("in {}", object_info.display()))?;
    files::make_folder(&arguments.out)?;
    let (answers, ended) = files::each(&arguments.graphs, |graph| {
        let answer = answer(&files::read(graph)?, &definitions);
        let written = write(&arguments.out, graph, &answer)?;
        let error = answer.err().map(|error| error.code());
        Ok(json!({ "graph": graph, "written": written, "error": error }))
    });
    if arguments.json {
        told::json(&answers)?;
    }
    ended
}

fn answer(text: &[u8], definitions: &Definitions) -> Result<Map<String, Value>, ConvertError> {
    let options = Options {
        now: Some(clock::now()),
        ..Options::default()
    };
    convert::convert(&Graph::parse(text)?, definitions, &options)
}

/// Writes the answer under the graph's name and removes what an earlier run said otherwise.
fn write(
    folder: &Path,
    graph: &Path,
    answer: &Result<Map<String, Value>, ConvertError>,
) -> anyhow::Result<PathBuf> {
    let name = graph.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    let prompt = folder.join(format!("{stem}.json"));
    let refusal = folder.join(format!("{stem}.error.json"));
    let (written, stale, value) = match answer {
        Ok(nodes) => (prompt, refusal, serde_json::to_string_pretty(nodes)?),
        Err(error) => {
            let value = json!({"error": {"code": error.code(), "message": error.to_string()}});
            (refusal, prompt, serde_json::to_string_pretty(&value)?)
        }
    };
    files::remove_if_there(&stale)?;
    files::write(&written, &(value + "\n"))?;
    Ok(written)
}
