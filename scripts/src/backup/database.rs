//! A D1 as `wrangler` reaches it: on this machine, or in the account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::files;
use crate::project::{Environment, Project};
use crate::wrangler::{line, Wrangler};

/// Where `make dev` keeps everything that lasts.
const STATE: &str = ".run/state";

/// Which database
#[derive(clap::Args)]
pub struct Which {
    /// Whose database
    #[arg(long, value_enum, value_name = "ENVIRONMENT")]
    env: Environment,

    /// Another database of the account than the environment's own
    #[arg(long, value_name = "NAME")]
    database: Option<String>,

    /// The state of a local server, which `wrangler dev --persist-to` was given; else that of
    /// `make dev`
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub struct Database {
    pub environment: Environment,
    pub name: String,
    /// Where `wrangler.toml` sends new jobs of the environment, if it says so.
    pub endpoint: Option<String>,
    wrangler: Wrangler,
    /// Of a local one: a folder that makes `wrangler` use its state.
    _folder: Option<tempfile::TempDir>,
}

/// The tables that are ours: D1 and SQLite keep some of their own.
const COLUMNS_SQL: &str = "SELECT m.name AS \"table\", p.name AS \"column\" FROM sqlite_master m, \
    pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' \
    AND m.name NOT LIKE '~_cf~_%' ESCAPE '~' ORDER BY m.name, p.cid";

/// Every table with its columns, in their order; generated ones are computed again, not kept.
pub type Columns = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Column {
    table: String,
    column: String,
}

impl Which {
    /// Where a local server keeps its databases; `None`: it is no local one.
    fn state(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.env != Environment::Local {
            return Ok(None);
        }
        let given = self.state.clone();
        let own = || anyhow::Ok(Project::find()?.root.join(STATE));
        given.map_or_else(own, Ok).map(Some)
    }

    pub fn expect_state(&self) -> anyhow::Result<()> {
        match self.state()? {
            Some(state) if !state.is_dir() => {
                bail!("no local server has kept anything in {}", state.display())
            }
            _ => Ok(()),
        }
    }

    pub fn make_state(&self) -> anyhow::Result<()> {
        self.state()?
            .map_or(Ok(()), |state| files::make_folder(&state))
    }

    /// A local one of which nothing is kept is empty; opening it makes nothing.
    pub fn open(&self) -> anyhow::Result<Database> {
        let project = Project::find()?;
        let configured = project.database(self.env, "database_name")?;
        let name = self.database.clone().unwrap_or(configured);
        let (folder, wrangler) = if let Some(state) = self.state()? {
            let folder = local_folder(&project, &name, &state)?;
            let wrangler = Wrangler::new(&project.root, folder.path())?;
            (Some(folder), wrangler)
        } else if self.state.is_some() {
            bail!(
                "--state is of a local database: {} has none",
                self.env.name()
            );
        } else {
            (None, Wrangler::new(&project.root, &project.root)?)
        };
        Ok(Database {
            environment: self.env,
            name,
            endpoint: project.endpoint(self.env).map(str::to_owned),
            wrangler,
            _folder: folder,
        })
    }
}

/// `wrangler d1 export` takes no `--persist-to`: it looks below the folder of its configuration.
fn local_folder(project: &Project, name: &str, state: &Path) -> anyhow::Result<tempfile::TempDir> {
    let id = project.database(Environment::Local, "database_id")?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let config = format!(
        "name = \"ops\"\ncompatibility_date = \"2026-11-01\"\n\n[[d1_databases]]\n\
         binding = \"DB\"\ndatabase_name = \"{name}\"\ndatabase_id = \"{id}\"\n"
    );
    files::write(&folder.path().join("wrangler.toml"), &config)?;
    files::make_folder(&folder.path().join(".wrangler"))?;
    if !state.exists() {
        return Ok(folder);
    }
    let state = state
        .canonicalize()
        .with_context(|| format!("no folder {}", state.display()))?;
    let link = folder.path().join(".wrangler/state");
    std::os::unix::fs::symlink(&state, &link).context("cannot link the state")?;
    Ok(folder)
}

impl Database {
    pub fn columns(&self) -> anyhow::Result<Columns> {
        Ok(self.columns_and(&[])?.0)
    }

    /// What the columns are, and the rows of each of `statements`, in one call.
    pub fn columns_and(&self, statements: &[String]) -> anyhow::Result<(Columns, Vec<Vec<Value>>)> {
        let sql = [&[COLUMNS_SQL.to_owned()], statements].concat().join("; ");
        let mut answers = self.ask(&sql)?;
        if answers.len() != statements.len() + 1 {
            bail!(
                "wrangler answered {} of {}",
                answers.len(),
                statements.len() + 1
            );
        }
        let rows = Value::Array(answers.remove(0));
        let found = Vec::<Column>::deserialize(rows).context("wrangler answered something else")?;
        let mut columns = Columns::new();
        for Column { table, column } in found {
            columns.entry(table).or_default().push(column);
        }
        Ok((columns, answers))
    }

    /// The rows of each statement.
    pub fn ask(&self, sql: &str) -> anyhow::Result<Vec<Vec<Value>>> {
        let told = self.run(
            &["d1", "execute", &self.name],
            &["--json", "--command", sql],
        )?;
        // Local databases are announced before the answer.
        let start = told.find('[').context("wrangler answered no JSON")?;
        let answers: Vec<Map<String, Value>> =
            serde_json::from_str(&told[start..]).context("wrangler answered no JSON")?;
        let rows = |mut answer: Map<String, Value>| match answer.remove("results") {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        Ok(answers.into_iter().map(rows).collect())
    }

    pub fn export(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.display().to_string();
        let more = ["--skip-confirmation", "--output", &file];
        self.run(&["d1", "export", &self.name], &more).map(drop)
    }

    pub fn import(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.display().to_string();
        let more = ["--yes", "--file", &file];
        self.run(&["d1", "execute", &self.name], &more).map(drop)
    }

    fn run(&self, what: &[&str], more: &[&str]) -> anyhow::Result<String> {
        let words = self.words(what, more);
        self.wrangler
            .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn words(&self, what: &[&str], more: &[&str]) -> Vec<String> {
        let place: &[&str] = match self.environment {
            Environment::Local => &["--local"],
            other => &["--remote", "--env", other.name()],
        };
        let words = what.iter().chain(place).chain(more);
        words.map(|word| (*word).to_owned()).collect()
    }

    /// A command of it, as one would type it.
    pub fn shown(&self, what: &[&str], more: &[&str]) -> String {
        let words = self.words(what, more);
        line(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
