//! The product's own folder: `wrangler.toml`, and what it says of each environment.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context};
use clap::ValueEnum;

use crate::files;

const CONFIG: &str = "wrangler.toml";

/// An endpoint that nobody has filled in.
pub const NO_ENDPOINT: &str = "replace-me";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    Local,
    Staging,
    Production,
}

impl Environment {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

pub struct Project {
    pub root: PathBuf,
    config: toml::Table,
}

impl Project {
    /// The folder that holds `wrangler.toml`: this one, or the nearest above it.
    pub fn find() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("this folder is gone")?;
        let root = here.ancestors().find(|folder| folder.join(CONFIG).exists());
        let Some(root) = root else {
            bail!("no {CONFIG} here or above: call this inside the product's folder");
        };
        Self::at(root)
    }

    pub fn at(root: &Path) -> anyhow::Result<Self> {
        let file = root.join(CONFIG);
        let text = String::from_utf8(files::read(&file)?)
            .with_context(|| format!("{} is not UTF-8 text", file.display()))?;
        let config = toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        Ok(Self {
            root: root.to_owned(),
            config,
        })
    }

    /// The section of an environment; that of `local` is the file itself.
    pub fn section(&self, environment: Environment) -> Option<&toml::Table> {
        if environment == Environment::Local {
            return Some(&self.config);
        }
        let all = self.config.get("env")?.as_table()?;
        all.get(environment.name())?.as_table()
    }

    /// The endpoint of `RunPod` that runs the jobs; `None`: nobody has filled it in.
    pub fn endpoint(&self, environment: Environment) -> Option<&str> {
        let vars = self.section(environment)?.get("vars")?;
        let id = vars.get("RUNPOD_ENDPOINT_ID")?.as_str()?;
        Some(id).filter(|id| !id.is_empty() && *id != NO_ENDPOINT)
    }

    /// The migrations of Durable Objects by their tags, in order; every environment has them.
    pub fn object_migrations(&self) -> Vec<String> {
        let all = self
            .config
            .get("migrations")
            .and_then(toml::Value::as_array);
        let tags = all.into_iter().flatten();
        let tags = tags.filter_map(|one| one.get("tag")?.as_str());
        tags.map(str::to_owned).collect()
    }

    /// `key` of the binding DB, of `environment`.
    pub fn database(&self, environment: Environment, key: &str) -> anyhow::Result<String> {
        let value = self.section(environment).and_then(|section| {
            let databases = section.get("d1_databases")?.as_array()?;
            let is_ours = |one: &&toml::Value| one.get("binding").is_some_and(|it| is(it, "DB"));
            databases.iter().find(is_ours)?.get(key)?.as_str()
        });
        let value = value.with_context(|| {
            let name = environment.name();
            format!("{CONFIG} has no {key} of a database with the binding DB for {name}")
        })?;
        Ok(value.to_owned())
    }
}

fn is(value: &toml::Value, text: &str) -> bool {
    value.as_str() == Some(text)
}
