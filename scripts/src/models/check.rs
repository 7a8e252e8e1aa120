//! `ops models check`: which model files nobody could tell from others.

use std::process::ExitCode;

use serde_json::json;

use super::Manifest;
use crate::exit;
use crate::told;

/// Say which model files gpu/models.json has no size and hash of
#[derive(clap::Args)]
#[command(after_help = "\
What has none is not compared when gpu/fetch.py fetches it: whatever its host sends is taken.
Nothing is asked and nothing is changed; `ops models fill` fills them in.
Exit status: 0 when every file has a size and a hash, 1 when one has not, 2 when gpu/models.json
could not be read.
With --json: {ok, files, unfilled: [text]}

Example:
  ops models check
  ops models check --json")]
pub struct Check {}

pub fn run(manifest: &Manifest, as_json: bool) -> anyhow::Result<ExitCode> {
    let unfilled: Vec<String> = manifest.unfilled().map(super::Model::name).collect();
    let complaint = manifest.complaint();
    let files = manifest.models.len();
    if as_json {
        let is_well = complaint.is_none();
        let told = json!({ "ok": is_well, "files": files, "unfilled": unfilled });
        told::json(&told)?;
    } else {
        for name in &unfilled {
            println!("{name}");
        }
        match &complaint {
            Some(complaint) => println!(
                "{complaint}: what is fetched is compared with nothing. ops models fill asks \
                 their hosts, and with --from reads the files"
            ),
            None => println!("all {files} model files have a size and a hash"),
        }
    }
    Ok(if complaint.is_none() {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}
