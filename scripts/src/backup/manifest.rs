//! What a backup says of itself, so that it can be doubted later.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, Context};
use serde::{Deserialize, Serialize};

use super::scratch::{Digest, Scratch, Table};
use super::Unlike;
use crate::files;

pub const EXPORT: &str = "database.sql";
const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// One folder: the export, and this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// ISO 8601, before the export began: what was committed by then is in it.
    pub made_at: String,
    pub took_ms: u64,
    pub environment: String,
    pub database: String,
    /// The last migration that the database had.
    pub migration: Option<String>,
    pub export: Export,
    pub tables: BTreeMap<String, Digest>,
    /// Tables that somebody wrote while they were exported: the database did not confirm their
    /// figures.
    pub unconfirmed: Vec<String>,
    pub result_keys: u64,
    pub unfinished_jobs: u64,
    pub newest_job: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    pub size_bytes: u64,
    pub blake3: String,
}

/// When it was made, how long that took, and of what.
pub struct Source {
    pub made_at: String,
    pub took_ms: u64,
    pub environment: String,
    pub database: String,
    pub unconfirmed: Vec<String>,
}

/// A backup that is what its manifest says.
pub struct Backup {
    pub manifest: Manifest,
    pub scratch: Scratch,
}

impl Manifest {
    pub fn of(sql: &str, scratch: &Scratch, source: Source) -> anyhow::Result<Self> {
        let one = |sql: &str| Ok::<_, anyhow::Error>(scratch.texts(sql)?.into_iter().next());
        let count = |of: &str| {
            let count = one(&format!("SELECT CAST(count(*) AS TEXT) FROM {of}"))?;
            Ok::<u64, anyhow::Error>(count.unwrap_or_default().parse()?)
        };
        Ok(Self {
            format: FORMAT,
            migration: one("SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1")?,
            export: Export::of(sql.as_bytes()),
            tables: digests(scratch)?,
            result_keys: count("outputs")?,
            unfinished_jobs: count("jobs WHERE completed_at IS NULL")?,
            newest_job: one("SELECT id FROM jobs ORDER BY id DESC LIMIT 1")?,
            made_at: source.made_at,
            took_ms: source.took_ms,
            environment: source.environment,
            database: source.database,
            unconfirmed: source.unconfirmed,
        })
    }

    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        files::write(&folder.join(MANIFEST), &(text + "\n"))
    }

    /// The same for a copy of the export, which nobody writes.
    pub fn confirmed(&self) -> Self {
        let unconfirmed = Vec::new();
        Self {
            unconfirmed,
            ..self.clone()
        }
    }

    pub fn rows(&self) -> u64 {
        self.tables.values().map(|digest| digest.rows).sum()
    }
}

impl Export {
    fn of(bytes: &[u8]) -> Self {
        Self {
            size_bytes: bytes.len() as u64,
            blake3: blake3::hash(bytes).to_hex().to_string(),
        }
    }
}

impl Backup {
    /// Fails when a bit of the export is not as it was made.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(MANIFEST);
        let bytes = files::read(&file);
        let bytes = bytes.with_context(|| format!("{} is no backup", folder.display()))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no manifest of a backup", file.display()))?;
        if manifest.format != FORMAT {
            bail!(
                "{} has format {}, and {FORMAT} is known",
                file.display(),
                manifest.format
            );
        }
        let export = files::read(&folder.join(EXPORT))?;
        if Export::of(&export) != manifest.export {
            let export = folder.join(EXPORT).display().to_string();
            let why = format!("{export} is not the file that the manifest describes");
            return Err(Unlike(why).into());
        }
        let sql = String::from_utf8(export).context("the export is not UTF-8 text")?;
        let scratch = Scratch::load(&sql)?;
        Ok(Self { manifest, scratch })
    }
}

pub fn digests(scratch: &Scratch) -> anyhow::Result<BTreeMap<String, Digest>> {
    let tables = scratch.tables()?;
    let digest = |table: &Table| Ok((table.name.clone(), scratch.digest(table)?));
    tables.iter().map(digest).collect()
}
