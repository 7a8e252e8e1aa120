//! `ops models`: what gpu/models.json says of the model files.

mod check;
mod fill;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::project::Project;

const MANIFEST: &str = "gpu/models.json";

/// Keep what gpu/models.json says of the model files
#[derive(clap::Args)]
#[command(after_help = "\
gpu/fetch.py compares what it fetches with it; gpu/README.md has the whole.

Example:
  ops models check
  ops models fill --dry-run
  ops models fill --from /runpod-volume/models")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    /// Another manifest than gpu/models.json
    #[arg(long, global = true, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// The answer as JSON, on one line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    Check(check::Check),
    Fill(fill::Fill),
}

#[derive(Deserialize, Serialize)]
struct Manifest {
    models: Vec<Model>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Model {
    /// Under ComfyUI's `models/`.
    folder: String,
    file: String,
    url: String,
    size_bytes: Option<u64>,
    /// Lower-case hexadecimal.
    sha256: Option<String>,
    templates: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = match &arguments.manifest {
        Some(path) => path.clone(),
        None => Project::find()?.root.join(MANIFEST),
    };
    let manifest = Manifest::read(&path)?;
    match &arguments.verb {
        Verb::Check(_) => check::run(&manifest, arguments.json),
        Verb::Fill(fill) => fill.run(manifest, &path, arguments.json),
    }
}

/// How many files have no hash yet, in a sentence; `None`: all have one, or this is another folder.
pub fn unfilled() -> Option<String> {
    let manifest = Manifest::read(&Project::find().ok()?.root.join(MANIFEST)).ok()?;
    manifest.complaint()
}

impl Manifest {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = files::read(path)?;
        serde_json::from_slice(&bytes).with_context(|| format!("in {}", path.display()))
    }

    fn unfilled(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|model| !model.is_filled())
    }

    fn complaint(&self) -> Option<String> {
        let (unfilled, all) = (self.unfilled().count(), self.models.len());
        (unfilled > 0)
            .then(|| format!("{unfilled} of {all} model files have no size and hash in {MANIFEST}"))
    }
}

impl Model {
    fn name(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    const fn is_filled(&self) -> bool {
        self.size_bytes.is_some() && self.sha256.is_some()
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use edge_queue::workflow::template;

    use super::*;

    fn gpu(file: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gpu");
        std::fs::read_to_string(folder.join(file)).unwrap()
    }

    fn manifest() -> Vec<Model> {
        serde_json::from_str::<Manifest>(&gpu("models.json"))
            .unwrap()
            .models
    }

    #[test]
    fn the_files_are_those_that_the_contracts_name_for_the_same_templates() {
        let mut wanted = BTreeMap::<_, BTreeSet<String>>::new();
        for template in template::all() {
            for model in &template.contract.requires.models {
                let file = (model.folder.clone(), model.file.clone());
                wanted
                    .entry(file)
                    .or_default()
                    .insert(template.name().to_owned());
            }
        }
        let models = manifest();
        let listed = models.iter().map(|model| {
            let templates = model.templates.iter().cloned().collect();
            ((model.folder.clone(), model.file.clone()), templates)
        });
        assert_eq!(listed.collect::<BTreeMap<_, BTreeSet<_>>>(), wanted);
        assert_eq!(models.len(), wanted.len(), "each once");
    }

    #[test]
    fn every_file_has_a_source_of_its_own_name_and_no_half_known_hash() {
        for model in manifest() {
            assert!(model.url.starts_with("https://"), "{}", model.file);
            assert!(
                model.url.ends_with(&format!("/{}", model.file)),
                "{}",
                model.url
            );
            assert_eq!(
                model.size_bytes.is_some(),
                model.sha256.is_some(),
                "{}",
                model.file
            );
            assert!(
                model.sha256.iter().all(|hash| is_sha256(hash)),
                "{}",
                model.file
            );
        }
    }

    #[test]
    fn the_network_volume_has_a_path_for_every_folder() {
        let paths = gpu("extra_model_paths.yaml");
        assert!(paths.contains("  base_path: /runpod-volume\n"));
        for model in manifest() {
            let line = format!("  {0}: models/{0}/\n", model.folder);
            assert!(paths.contains(&line), "{}", model.folder);
        }
    }

    #[test]
    fn the_image_is_built_on_a_fixed_version_of_the_worker() {
        let text = gpu("Dockerfile");
        let base = text.lines().find(|line| line.starts_with("FROM ")).unwrap();
        let version = base
            .strip_prefix("FROM runpod/worker-comfyui:")
            .and_then(|tag| tag.strip_suffix("-base"))
            .unwrap();
        let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 3, "{version}");
        for file in ["extra_model_paths.yaml", "models.json", "fetch.py"] {
            assert!(text.contains(file), "{file}");
        }
    }
}
