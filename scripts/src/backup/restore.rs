//! `ops restore`: a backup into a fresh database.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::database::{Database, Which};
use super::manifest::Backup;
use super::{confirm, figures};
use crate::clock::{self, Stopwatch};
use crate::files;
use crate::told;

/// What a restore leaves that broke off behind its import.
const UNSEEN: &str = "everything was imported, and nothing is paused: do not serve this database, \
     restore into another new one";

/// Where a pause is written down.
const ENDPOINTS: &str = "endpoints";

/// Where the callers' keys are.
const KEYS: &str = "api_keys";

/// Show how a backup would be restored into a fresh database, and with --apply do it
#[derive(clap::Args)]
#[command(after_help = "\
The database must have no tables: make a new one by `wrangler d1 create NAME`, name it with
--database, and put its id into wrangler.toml when all is well. What is restored is counted by the
database itself and compared with the manifest.
Jobs that had not ended when the backup was made would go on from where they were then, and be
paid for twice: so submission is left paused, to the endpoints of those jobs and to that of
wrangler.toml. `POST /api/admin/resume` ends the pause. The API keys that open the backup are named,
because one that was revoked since opens it again. docs/DISASTER_RECOVERY.md has the steps.
Exit status: 0 when it was restored (or would be), 1 when the backup is not as it was made, or the
database counts otherwise or is not empty, 2 when it could not be done.

Example:
  wrangler d1 create edge-queue-restored
  ops restore backups/2026-11-21 --env production --database edge-queue-restored
  ops restore backups/2026-11-21 --env production --database edge-queue-restored --apply")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Restore, and do not only say how
    #[arg(long)]
    apply: bool,

    /// As JSON: {restored, database, rows, `took_ms`, `unfinished_jobs`, paused, keys: [text]}
    #[arg(long)]
    json: bool,

    /// The folder of a backup
    #[arg(value_name = "DIR")]
    backup: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let backup = Backup::read(&arguments.backup)?;
    if arguments.apply {
        arguments.which.make_state()?;
    }
    let database = arguments.which.open()?;
    let (watch, keys) = (Stopwatch::start(), keys(&backup)?);
    empty(&database)?;
    let paused = if arguments.apply {
        apply(&backup, &database)?;
        pause(&backup, &database)?
    } else {
        if !arguments.json {
            rehearse(arguments, &database);
        }
        Vec::new()
    };
    let took_ms = watch.ms();
    let (rows, unfinished) = (backup.manifest.rows(), backup.manifest.unfinished_jobs);
    if arguments.json {
        let answer = json!({
            "restored": arguments.apply,
            "database": database.name,
            "rows": rows,
            "took_ms": took_ms,
            "unfinished_jobs": unfinished,
            "paused": paused,
            "keys": keys,
        });
        told::json(&answer)?;
    } else if arguments.apply {
        let (seconds, tenths) = (took_ms / 1_000, took_ms % 1_000 / 100);
        println!(
            "{}: {rows} rows restored and counted in {seconds}.{tenths} s",
            database.name
        );
        println!("{unfinished} jobs had not ended when the backup was made");
        println!("submission is paused to: {}", paused.join(", "));
    }
    if !arguments.json && !keys.is_empty() {
        println!("these keys open it: revoke again what was revoked since");
        for key in &keys {
            println!("  {key}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Id, owner and name of every key that was not revoked when the backup was made.
fn keys(backup: &Backup) -> anyhow::Result<Vec<String>> {
    if !backup.scratch.columns()?.contains_key(KEYS) {
        return Ok(Vec::new());
    }
    backup.scratch.texts(&format!(
        "SELECT id || ' ' || owner || ' ' || name FROM {KEYS} WHERE revoked_at IS NULL ORDER BY id"
    ))
}

fn rehearse(arguments: &Arguments, database: &Database) {
    println!(
        "would make {}/import.sql, each statement of a size that D1 takes",
        arguments.backup.display()
    );
    let file = ["--yes", "--file", "import.sql"];
    println!(
        "would run  {}",
        database.shown(&["d1", "execute", &database.name], &file)
    );
    println!("would count every table and compare it with the manifest");
    println!("would pause submission to the endpoints of jobs that had not ended: add --apply");
}

fn empty(database: &Database) -> anyhow::Result<()> {
    eprintln!("looking whether {} is empty ...", database.name);
    let columns = database.columns()?;
    let Some(table) = columns.keys().next() else {
        return Ok(());
    };
    let why = format!(
        "{} is not empty: it has the table {table}. Restore into a new database",
        database.name
    );
    Err(super::Unlike(why).into())
}

fn apply(backup: &Backup, database: &Database) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let file = folder.path().join("import.sql");
    files::write(&file, &backup.scratch.import_sql()?)?;
    eprintln!(
        "restoring {} rows into {} ...",
        backup.manifest.rows(),
        database.name
    );
    database.import(&file).with_context(|| {
        let name = &database.name;
        format!("{name} may hold a part of it: restore into another new database")
    })?;
    eprintln!("counting ...");
    let figures = figures(database, &backup.scratch.columns()?).context(UNSEEN)?;
    // What was written while it was exported is in the backup as it was exported.
    confirm(&backup.manifest.confirmed(), &figures).context(UNSEEN)
}

/// Nothing is submitted from the restored rows until the operator says so. Answers to where.
fn pause(backup: &Backup, database: &Database) -> anyhow::Result<Vec<String>> {
    let columns = backup.scratch.columns()?;
    if !columns.contains_key(ENDPOINTS) {
        let why = "the backup is from before there were pauses: its database is restored, and \
             nothing is paused. Apply the migrations, then pause before it is served";
        return Err(super::Unlike(why.to_owned()).into());
    }
    eprintln!("pausing submission ...");
    let now = clock::now().get();
    let configured = database.endpoint.as_ref().map_or_else(String::new, |id| {
        format!(" UNION SELECT '{}'", id.replace('\'', "''"))
    });
    // Jobs that have work left are due.
    let sql = format!(
        "INSERT INTO {ENDPOINTS} (endpoint, paused_at) SELECT endpoint, {now} FROM \
         (SELECT DISTINCT endpoint FROM jobs WHERE due_at IS NOT NULL{configured}) WHERE true \
         ON CONFLICT (endpoint) DO UPDATE SET paused_at = coalesce(paused_at, {now}); \
         SELECT endpoint FROM {ENDPOINTS} WHERE paused_at IS NOT NULL ORDER BY endpoint"
    );
    let answers = database.ask(&sql);
    let answers = answers.context(UNSEEN)?;
    let rows = answers.last().into_iter().flatten();
    let names = rows.filter_map(|row| row["endpoint"].as_str().map(str::to_owned));
    Ok(names.collect())
}
