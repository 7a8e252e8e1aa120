//! `ops models`: what gpu/models.json says of the model files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::admin::progress;
use crate::project::Project;
use crate::told;
use crate::{exit, files};

const MANIFEST: &str = "gpu/models.json";
/// Headers of a few kB, from a host that many ask.
const CALL_TIME: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 1 << 20;

/// Keep what gpu/models.json says of the model files
#[derive(clap::Args)]
#[command(after_help = "\
gpu/fetch.py compares what it fetches with it; gpu/README.md has the whole.

Example:
  ops models fill --dry-run
  ops models fill --from /runpod-volume/models")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Fill(Fill),
}

/// Write sizes and hashes of the model files into gpu/models.json
#[derive(clap::Args)]
#[command(after_help = "\
Each file's host is asked for its headers, in which Hugging Face gives the size and the sha256;
nothing is downloaded. With --from the files themselves are read, below DIR/<folder>/.
What is written down already is never changed: where it is another, both are told. To accept the new
one, put null in its place first.
Exit status: 0 when every file has a size and a hash (or would), 1 when one has not or is another
than written down, 2 when gpu/models.json could not be read or written.

Example:
  ops models fill --dry-run
  ops models fill --from /runpod-volume/models --json")]
struct Fill {
    /// ComfyUI's folder of models, whose files are read instead of asking their hosts
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    /// Another manifest than gpu/models.json
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// As JSON: {ok, filled, problems: [text]}
    #[arg(long)]
    json: bool,
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

/// What a file is found to be.
struct Found {
    size_bytes: u64,
    sha256: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Fill(fill) => fill.run(),
    }
}

impl Fill {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let path = match &self.manifest {
            Some(path) => path.clone(),
            None => Project::find()?.root.join(MANIFEST),
        };
        let mut manifest: Manifest = serde_json::from_slice(&files::read(&path)?)
            .with_context(|| format!("in {}", path.display()))?;
        let (mut filled, mut problems) = (0, Vec::new());
        let bar = progress("models");
        for model in &mut manifest.models {
            match self.look(model).and_then(|found| model.take(found)) {
                Ok(is_new) => filled += u32::from(is_new),
                Err(error) => problems.push(format!("{}: {error:#}", model.file)),
            }
            bar.inc(1);
            bar.set_message(format!("{filled} filled"));
        }
        bar.finish_and_clear();
        if !self.dry_run && filled > 0 {
            files::write(&path, &(serde_json::to_string_pretty(&manifest)? + "\n"))?;
        }
        self.tell(filled, &problems)?;
        Ok(if problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            exit::FOUND
        })
    }

    fn look(&self, model: &Model) -> anyhow::Result<Found> {
        match &self.from {
            Some(folder) => read(&folder.join(&model.folder).join(&model.file)),
            None => ask(&model.url),
        }
    }

    fn tell(&self, filled: u32, problems: &[String]) -> anyhow::Result<()> {
        if self.json {
            let is_well = problems.is_empty();
            let told = json!({ "ok": is_well, "filled": filled, "problems": problems });
            return told::json(&told);
        }
        for problem in problems {
            println!("{problem}");
        }
        let how = if self.dry_run { "would be " } else { "" };
        println!("{filled} {how}filled in, {} problems", problems.len());
        Ok(())
    }
}

impl Model {
    /// Whether something was written down that was not there.
    fn take(&mut self, found: Found) -> anyhow::Result<bool> {
        let Found { size_bytes, sha256 } = found;
        if self.size_bytes.is_some_and(|known| known != size_bytes) {
            bail!(
                "{size_bytes} bytes, and {:?} are written down",
                self.size_bytes
            );
        }
        if self.sha256.as_ref().is_some_and(|known| *known != sha256) {
            bail!("its sha256 is {sha256}, and another is written down");
        }
        let is_new = self.size_bytes.is_none() || self.sha256.is_none();
        (self.size_bytes, self.sha256) = (Some(size_bytes), Some(sha256));
        Ok(is_new)
    }
}

/// Hugging Face leads from a file's address to its storage, and says with that what is there.
fn ask(url: &str) -> anyhow::Result<Found> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(CALL_TIME))
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    let answer = agent.head(url).call().context("its host does not answer")?;
    let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
    let status = answer.status();
    let size_bytes = header("x-linked-size").and_then(|text| text.parse().ok());
    let sha256 = header("x-linked-etag").map(|text| text.trim_matches('"').to_lowercase());
    let sha256 = sha256.filter(|text| is_sha256(text));
    match (size_bytes, sha256) {
        (Some(size_bytes), Some(sha256)) => Ok(Found { size_bytes, sha256 }),
        _ => bail!("its host answered {status} without a size and a sha256: read it with --from"),
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read(path: &Path) -> anyhow::Result<Found> {
    let named = || format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).with_context(named)?;
    let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece).with_context(named)?;
        if length == 0 {
            let sha256 = format!("{:x}", hasher.finalize());
            return Ok(Found { size_bytes, sha256 });
        }
        hasher.update(&piece[..length]);
        size_bytes += length as u64;
    }
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

    #[test]
    fn what_is_written_down_is_never_changed() {
        let found = || Found {
            size_bytes: 3,
            sha256: "a".repeat(64),
        };
        let mut model = manifest().remove(0);
        (model.size_bytes, model.sha256) = (None, None);
        assert!(model.take(found()).unwrap());
        assert!(!model.take(found()).unwrap(), "the second time it is known");
        model.sha256 = Some("b".repeat(64));
        assert!(model.take(found()).is_err());
        assert_eq!(model.sha256, Some("b".repeat(64)));
    }
}
