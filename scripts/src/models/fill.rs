//! `ops models fill`: sizes and hashes, asked of each file's host or read from the files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{is_sha256, Manifest, Model};
use crate::admin::progress;
use crate::deployment::variable;
use crate::told;
use crate::{exit, files};

/// Headers of a few kB, from a host that many ask.
const CALL_TIME: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 1 << 20;
/// A repository that was renamed answers with its new name first.
const REDIRECTS_MAX: usize = 3;

/// Write sizes and hashes of the model files into gpu/models.json
#[derive(clap::Args)]
#[command(after_help = "\
Each file's host is asked for its headers, in which Hugging Face gives the size and the sha256;
nothing is downloaded. HF_TOKEN, if it is set, is shown to it, as by gpu/fetch.py. With --from the
files themselves are read, below DIR/<folder>/. What is written down already is never changed: where
it is another, both are told. To accept the new one, put null in its place first.
Exit status: 0 when every file has a size and a hash (or would), 1 when one has not or is another
than written down, 2 when gpu/models.json could not be read or written.
With --json: {ok, filled, problems: [text]}

Example:
  ops models fill --dry-run
  ops models fill --from /runpod-volume/models --json")]
pub struct Fill {
    /// ComfyUI's folder of models, whose files are read instead of asking their hosts
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,

    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a file is found to be.
struct Found {
    size_bytes: u64,
    sha256: String,
}

impl Fill {
    pub fn run(
        &self,
        mut manifest: Manifest,
        path: &Path,
        as_json: bool,
    ) -> anyhow::Result<ExitCode> {
        let (mut filled, mut problems) = (0, Vec::new());
        let bar = progress("models");
        for model in &mut manifest.models {
            match self.look(model).and_then(|found| model.take(found)) {
                Ok(is_new) => filled += u32::from(is_new),
                Err(error) => problems.push(format!("{}: {error:#}", model.name())),
            }
            bar.inc(1);
            bar.set_message(format!("{filled} filled"));
        }
        bar.finish_and_clear();
        if !self.dry_run && filled > 0 {
            files::write(path, &(serde_json::to_string_pretty(&manifest)? + "\n"))?;
        }
        self.tell(filled, &problems, as_json)?;
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

    fn tell(&self, filled: u32, problems: &[String], as_json: bool) -> anyhow::Result<()> {
        if as_json {
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
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let mut request = agent.head(&url);
        if let Some(token) = variable("HF_TOKEN") {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().context("its host does not answer")?;
        let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let size_bytes = header("x-linked-size").and_then(|text| text.parse().ok());
        let sha256 = header("x-linked-etag").map(|text| text.trim_matches('"').to_lowercase());
        let sha256 = sha256.filter(|text| is_sha256(text));
        if let (Some(size_bytes), Some(sha256)) = (size_bytes, sha256) {
            return Ok(Found { size_bytes, sha256 });
        }
        match header("location").and_then(|location| on_the_same_host(&url, &location)) {
            Some(next) => url = next,
            None => bail!(
                "its host answered {} without a size and a sha256: read it with --from",
                answer.status()
            ),
        }
    }
    bail!("its host leads in circles: read it with --from")
}

/// Nobody else is shown the token, and only the host of the address says what it should be.
fn on_the_same_host(url: &str, location: &str) -> Option<String> {
    let path = url.find("://")? + "://".len();
    let end = url[path..].find('/').map_or(url.len(), |end| path + end);
    let origin = &url[..end];
    let rest = location.strip_prefix(origin).unwrap_or(location);
    rest.starts_with('/').then(|| format!("{origin}{rest}"))
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
    use super::*;

    #[test]
    fn only_the_same_host_is_followed() {
        let next = |location| on_the_same_host("https://a.example/x/y", location);
        let expected = Some("https://a.example/z".to_owned());
        assert_eq!(next("/z"), expected);
        assert_eq!(next("https://a.example/z"), expected);
        for other in ["https://b.example/z", "https://a.example.b/z", "z"] {
            assert_eq!(next(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_down_is_never_changed() {
        let found = || Found {
            size_bytes: 3,
            sha256: "a".repeat(64),
        };
        let mut model = Model {
            folder: "vae".to_owned(),
            file: "a.safetensors".to_owned(),
            url: String::new(),
            size_bytes: None,
            sha256: None,
            templates: Vec::new(),
        };
        assert!(model.take(found()).unwrap());
        assert!(!model.take(found()).unwrap(), "the second time it is known");
        model.sha256 = Some("b".repeat(64));
        assert!(model.take(found()).is_err());
        assert_eq!(model.sha256, Some("b".repeat(64)));
    }
}
