//! `ops restore`: a backup into a fresh database.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::database::{Database, Which};
use super::manifest::Backup;
use super::{confirm, figures};
use crate::clock::Stopwatch;
use crate::files;

/// Show how a backup would be restored into a fresh database, and with --apply do it
#[derive(clap::Args)]
#[command(after_help = "\
The database must have no tables: make a new one by `wrangler d1 create NAME`, name it with
--database, and put its id into wrangler.toml when all is well. What is restored is counted by the
database itself and compared with the manifest.
Jobs that had not ended when the backup was made go on from where they were then: pause submission
before the restored database is served. docs/DISASTER_RECOVERY.md has the steps.
Exit status: 0 when it was restored (or would be), 1 when the database counts otherwise or is not
empty, 2 when it could not be done.

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

    /// As JSON: {restored, database, rows, `took_ms`, `unfinished_jobs`}
    #[arg(long)]
    json: bool,

    /// The folder of a backup
    #[arg(value_name = "DIR")]
    backup: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let backup = Backup::read(&arguments.backup)?;
    let database = arguments.which.open()?;
    let watch = Stopwatch::start();
    empty(&database)?;
    if arguments.apply {
        apply(&backup, &database)?;
    } else if !arguments.json {
        println!(
            "would make {}/import.sql, each statement of a size that D1 takes",
            arguments.backup.display()
        );
        let file = ["--yes", "--file", "import.sql"];
        println!(
            "would run  {}",
            database.shown(&["d1", "execute", &database.name], &file)
        );
        println!("would count every table and compare it with the manifest: add --apply");
    }
    let took_ms = watch.ms();
    let (rows, unfinished) = (backup.manifest.rows(), backup.manifest.unfinished_jobs);
    if arguments.json {
        let answer = json!({
            "restored": arguments.apply,
            "database": database.name,
            "rows": rows,
            "took_ms": took_ms,
            "unfinished_jobs": unfinished,
        });
        println!("{answer}");
    } else if arguments.apply {
        let (seconds, tenths) = (took_ms / 1_000, took_ms % 1_000 / 100);
        println!(
            "{}: {rows} rows restored and counted in {seconds}.{tenths} s",
            database.name
        );
        println!("{unfinished} jobs had not ended when the backup was made");
    }
    Ok(ExitCode::SUCCESS)
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
    database.import(&file)?;
    eprintln!("counting ...");
    let figures = figures(database, &backup.scratch.columns()?)?;
    // What was written while it was exported is in the backup as it was exported.
    confirm(&backup.manifest.confirmed(), &figures)
}
