//! `ops backup verify`: whether a backup would serve the same jobs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use edge_queue::testing::sqlite::SqliteDb;
use serde::Serialize;
use serde_json::json;

use super::manifest::{digests, Backup};
use super::questions::{self, Answers};
use super::scratch::Scratch;
use crate::admin::{progress, Admin};
use crate::deployment::Deployment;
use crate::exit;
use crate::told;

/// Keys of one question: the deployment asks R2 for each.
const KEYS_MAX: usize = 200;

/// Restore a backup into a scratch database, and compare everything
#[derive(clap::Args)]
#[command(after_help = "\
1. The export is the file that the manifest describes. 2. Restored as `ops restore` would restore
it, every table has the same rows, bytes and checksum. 3. The product's own queries read every job,
list, key, upload and inventory, and each prompt has the hash that was accepted. 4. The deployment
has every result in R2, with the size that its row says; this needs ADMIN_KEY, and --without-files
leaves it out. Nothing is changed anywhere. The scratch database is in memory.
Exit status: 0 when all is well, 1 when something is not, 2 when it could not be looked at.

Example:
  export ADMIN_KEY=...
  ops backup verify backups/2026-11-21 --url https://queue.example.com
  ops backup verify backups/2026-11-21 --without-files --json")]
pub struct Arguments {
    #[command(flatten)]
    deployment: Deployment,

    /// Do not ask the deployment for the files
    #[arg(long)]
    without_files: bool,

    /// As JSON: {ok, jobs, `result_keys`, `files_looked_for`, findings: [{about, subject, says}]}
    #[arg(long)]
    json: bool,

    /// The folder of a backup
    #[arg(value_name = "DIR")]
    backup: PathBuf,
}

/// One thing that is not as it should be.
#[derive(Debug, Serialize)]
pub struct Finding {
    about: &'static str,
    subject: String,
    says: String,
}

impl Finding {
    pub fn new(about: &'static str, subject: &impl ToString, says: &str) -> Self {
        Self {
            about,
            subject: subject.to_string(),
            says: says.to_owned(),
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let backup = Backup::read(&arguments.backup)?;
    let mut answers = look(&backup)?;
    let looked_for = if arguments.without_files {
        0
    } else {
        files(&Admin(&arguments.deployment), &mut answers)?;
        answers.results.len()
    };
    let is_well = answers.findings.is_empty();
    if arguments.json {
        let answer = json!({
            "ok": is_well,
            "made_at": backup.manifest.made_at,
            "jobs": answers.jobs,
            "result_keys": answers.results.len(),
            "files_looked_for": looked_for,
            "findings": answers.findings,
        });
        told::json(&answer)?;
    } else {
        for finding in &answers.findings {
            println!("{} {}: {}", finding.about, finding.subject, finding.says);
        }
        let tables = backup.manifest.tables.len();
        println!(
            "{tables} tables compared, {} jobs read, {looked_for} of {} results looked for in R2: \
             {}",
            answers.jobs,
            answers.results.len(),
            if is_well {
                "all is well"
            } else {
                "not all is well"
            },
        );
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// The backup against its manifest, restored.
fn look(backup: &Backup) -> anyhow::Result<Answers> {
    let import = backup.scratch.import_sql()?;
    let restored = digests(&Scratch::load(&import)?)?;
    let db = SqliteDb::new(&import).context("the restored database cannot be opened")?;
    db.stop_counting();
    let bar = progress("jobs");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut answers = runtime.block_on(questions::ask(&db, &bar))?;
    bar.finish_and_clear();
    for (name, wanted) in &backup.manifest.tables {
        let says = match restored.get(name) {
            None => "the table is not there".to_owned(),
            Some(found) if found != wanted => {
                format!(
                    "{} rows restored, {} in the manifest, or not the same",
                    found.rows, wanted.rows
                )
            }
            Some(_) => continue,
        };
        answers.findings.push(Finding::new("table", name, &says));
    }
    Ok(answers)
}

/// Every result is in R2, as long as its row says.
fn files(admin: &Admin<'_>, answers: &mut Answers) -> anyhow::Result<()> {
    let bar = progress("results");
    let results: Vec<(&String, &u64)> = answers.results.iter().collect();
    for asked in results.chunks(KEYS_MAX) {
        let keys: Vec<&str> = asked.iter().map(|(key, _)| key.as_str()).collect();
        let answer = admin.post("/api/admin/objects", &json!({ "keys": keys }))?;
        let sizes = answer["sizes"]
            .as_array()
            .context("the deployment answered no sizes")?;
        for ((key, size_bytes), found) in asked.iter().zip(sizes) {
            let says = match found.as_u64() {
                None => "it is not in R2".to_owned(),
                Some(found) if found != **size_bytes => {
                    format!("it has {found} bytes in R2, and {size_bytes} by its row")
                }
                Some(_) => continue,
            };
            answers.findings.push(Finding::new("result", *key, &says));
        }
        bar.inc(asked.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}
