//! `ops backup`: a database as a folder that can be given back.

mod database;
mod manifest;
mod questions;
mod restore;
mod scratch;
mod verify;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context};
use clap::Subcommand;
use serde_json::{json, Value};

use crate::clock::{self, Stopwatch};
use crate::files;
use crate::told;
use database::{Columns, Database, Which};
use manifest::{Manifest, Source, EXPORT};
use scratch::{Scratch, Table};

pub use restore::{run as restore, Arguments as Restore};

/// Keep a database as a folder: its export, and a manifest with counts and checksums
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
The folder is new: database.sql is what `wrangler d1 export` made, manifest.json says what is in it.
While a remote database is exported it answers nobody (Cloudflare, D1, Import and export): choose a
quiet moment. The counts are compared with what the database itself counts before and after.
Not in it: the files, which are in R2. docs/DISASTER_RECOVERY.md has the whole.
Tables that somebody wrote meanwhile are kept as they were exported, and named as `unconfirmed`.
It is made as DIR.part, which one that broke off leaves and the next one replaces.
Exit status: 0 when it was made, and confirmed where nobody wrote meanwhile, 1 when the database
counts otherwise, 2 when it could not be made.

Example:
  ops backup --env production --into backups/2026-11-21
  ops backup --env production --into backups/2026-11-21 --dry-run
  ops backup verify backups/2026-11-21 --url https://queue.example.com"
)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    which: Option<Which>,

    /// The folder to make
    #[arg(long, value_name = "DIR", required = true)]
    into: Option<PathBuf>,

    /// Say what would be run, and run nothing
    #[arg(long)]
    dry_run: bool,

    /// As JSON: the manifest; with --dry-run {`dry_run`, into, `would_run`}
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    Verify(verify::Arguments),
}

/// Rows and bytes of each table, as the database counts them.
type Figures = BTreeMap<String, (u64, u64)>;

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match (&arguments.verb, &arguments.which, &arguments.into) {
        (Some(Verb::Verify(verify)), _, _) => verify::run(verify),
        (None, Some(which), Some(into)) => make(arguments, which, into),
        // The command line asks for both.
        (None, _, _) => bail!("--env and --into are wanted"),
    }
}

fn make(arguments: &Arguments, which: &Which, into: &Path) -> anyhow::Result<ExitCode> {
    which.expect_state()?;
    let database = which.open()?;
    if arguments.dry_run {
        rehearse(&database, into, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if into.exists() {
        bail!(
            "{} exists: a backup is made into a new folder",
            into.display()
        );
    }
    // A folder of this name is a whole backup: one that broke off never has it.
    let part = part_of(into);
    files::remove_folder_if_there(&part)?;
    files::make_own_folder(&part)?;
    let made = export(&database, &part);
    let manifest = made.with_context(|| {
        let part = part.display();
        format!("no backup was made, and {part} has what there is of it: call this again")
    })?;
    manifest.write(&part)?;
    files::rename(&part, into)?;
    if arguments.json {
        told::json(&manifest)?;
    } else {
        print!("{}", shown(&manifest));
    }
    Ok(ExitCode::SUCCESS)
}

fn rehearse(database: &Database, into: &Path, as_json: bool) -> anyhow::Result<()> {
    let output = into.join(EXPORT).display().to_string();
    let export = ["--skip-confirmation", "--output", &output];
    let command = database.shown(&["d1", "export", &database.name], &export);
    if as_json {
        return told::json(&json!({ "dry_run": true, "into": into, "would_run": [command] }));
    }
    println!("would make the folder {}", into.display());
    println!("would run  {command}");
    println!("would count every table before and after, and write manifest.json");
    Ok(())
}

fn export(database: &Database, into: &Path) -> anyhow::Result<Manifest> {
    let (made_at, watch) = (clock::now().iso8601(), Stopwatch::start());
    eprintln!("counting the tables of {} ...", database.name);
    let columns = database.columns()?;
    if columns.is_empty() {
        bail!("the database {} has no tables", database.name);
    }
    let before = figures(database, &columns)?;
    eprintln!("exporting {} ...", database.name);
    let file = into.join(EXPORT);
    database.export(&file.canonicalize().unwrap_or_else(|_| absolute(&file)))?;
    eprintln!("counting again ...");
    let after = figures(database, &columns)?;
    let sql = String::from_utf8(files::read(&file)?).context("the export is not UTF-8 text")?;
    let scratch = Scratch::load(&sql)?;
    let source = Source {
        made_at,
        took_ms: watch.ms(),
        environment: database.environment.name().to_owned(),
        database: database.name.clone(),
        unconfirmed: unconfirmed(&before, &after),
    };
    let manifest = Manifest::of(&sql, &scratch, source)?;
    confirm(&manifest, &after)?;
    Ok(manifest)
}

fn part_of(into: &Path) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    into.with_file_name(name)
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// What every table of these holds, counted by the database: every call of `wrangler` takes
/// seconds, so it says with it which tables there are.
fn figures(database: &Database, columns: &Columns) -> anyhow::Result<Figures> {
    let counts = columns.iter().map(|(name, columns)| {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        Table::figures_sql(name, &columns)
    });
    let (now, answers) = database.columns_and(&counts.collect::<Vec<_>>())?;
    if now != *columns {
        bail!(
            "the tables of {} are not those that were expected: {:?}",
            database.name,
            now.keys()
        );
    }
    let figure = |rows: &Vec<Value>| {
        let row = rows.first().context("a count has no row")?;
        let number = |name: &str| row[name].as_u64().context("a count is no number");
        Ok((number("n")?, number("size_bytes")?))
    };
    let figures: anyhow::Result<Vec<_>> = answers.iter().map(figure).collect();
    Ok(columns.keys().cloned().zip(figures?).collect())
}

/// Tables that somebody wrote in the meantime.
fn unconfirmed(before: &Figures, after: &Figures) -> Vec<String> {
    let changed = after
        .iter()
        .filter(|(name, figure)| before.get(*name) != Some(figure));
    changed.map(|(name, _)| name.clone()).collect()
}

/// What the export holds is what the database counts, where nobody wrote meanwhile.
fn confirm(manifest: &Manifest, figures: &Figures) -> anyhow::Result<()> {
    for (name, (rows, size_bytes)) in figures {
        let Some(digest) = manifest.tables.get(name) else {
            return Err(Unlike(format!("the export has no table {name}")).into());
        };
        let is_same = (digest.rows, digest.size_bytes) == (*rows, *size_bytes);
        if !is_same && !manifest.unconfirmed.contains(name) {
            let found = format!("{} rows, {} bytes", digest.rows, digest.size_bytes);
            let wanted = format!("{rows} rows, {size_bytes} bytes");
            return Err(Unlike(format!(
                "{name}: {found} exported, {wanted} in the database"
            ))
            .into());
        }
    }
    Ok(())
}

/// A copy is not what it was made of.
#[derive(Debug)]
pub struct Unlike(pub String);

impl std::fmt::Display for Unlike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unlike {}

fn shown(manifest: &Manifest) -> String {
    let mut text = String::new();
    for (name, digest) in &manifest.tables {
        let note = if manifest.unconfirmed.contains(name) {
            "  (written meanwhile: not confirmed)"
        } else {
            ""
        };
        let (rows, size_bytes) = (digest.rows, digest.size_bytes);
        // A text takes whatever is written to it.
        let _ = writeln!(
            text,
            "{name:20} {rows:>9} rows {size_bytes:>12} bytes{note}"
        );
    }
    let Manifest {
        database,
        result_keys,
        unfinished_jobs,
        took_ms,
        ..
    } = manifest;
    let (seconds, tenths) = (took_ms / 1_000, took_ms % 1_000 / 100);
    text + &format!(
        "{database}: {} rows in {seconds}.{tenths} s; {result_keys} results in R2, which are \
         not in here; {unfinished_jobs} jobs had not ended\n",
        manifest.rows()
    )
}
