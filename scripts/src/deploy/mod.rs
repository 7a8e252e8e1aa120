//! `ops deploy`: an environment from what lies here, or back to what it was.

pub mod config;
pub mod migrations;

use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use crate::contract::flaws_of_all;
use crate::deployment::variable;
use crate::golden;
use crate::project::{Environment, Project};
use crate::smoke;
use crate::steps::Steps;
use crate::wrangler::{line, Wrangler};

/// Check, migrate, deploy and smoke an environment, and go back if it does not hold
#[derive(clap::Args)]
#[command(after_help = "\
1. wrangler.toml has no placeholders for it, and every binding; ADMIN_KEY is here. 2. Its secrets
are set; only names are asked for. 3. Contracts have no flaws and golden prompts are as written
down. 4. The Worker builds and bundles. 5. Migrations that are pending are safe under the code that
runs. 6. They are applied. 7. The Worker is uploaded. 8. `ops smoke` passes. If 8 fails, the Worker
goes back to the version before; migrations stay, because the code before lives with them. Nothing
is changed before 6.
With --dry-run every step says what it would run, those that change nothing are done as far as this
machine can, and no account is needed.
ADMIN_KEY makes the smoke run's jobs the operator's; production needs it.
Exit status: 0 when it is deployed (or would be), 1 when a check failed or it went back, 2 when a
step could not be done.

Example:
  ops deploy --env staging --dry-run
  ADMIN_KEY=... ops deploy --env production")]
pub struct Arguments {
    /// Where
    #[arg(long, value_name = "ENVIRONMENT", value_enum)]
    env: Target,

    /// Say what would be run
    #[arg(long)]
    dry_run: bool,

    /// As JSON, at the end: {ok, error, steps: [{step, lines}]}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    Staging,
    Production,
}

impl Target {
    pub const fn environment(self) -> Environment {
        match self {
            Self::Staging => Environment::Staging,
            Self::Production => Environment::Production,
        }
    }
}

/// A check that failed: nothing was changed, or it was taken back.
#[derive(Debug)]
pub struct Stopped(pub String);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stopped {}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (project, steps) = (Project::find()?, Steps::new(arguments.json));
    let pipeline = Pipeline {
        wrangler: Wrangler::new(&project.root, &project.root)?,
        project: &project,
        target: arguments.env,
        dry_run: arguments.dry_run,
        admin_key: variable("ADMIN_KEY"),
        steps: &steps,
        number: "",
    };
    let ended = pipeline.run();
    steps.end(&ended);
    ended.map(|()| ExitCode::SUCCESS)
}

pub struct Pipeline<'a> {
    pub project: &'a Project,
    pub wrangler: Wrangler,
    pub target: Target,
    pub dry_run: bool,
    /// Whose jobs those of the smoke run are.
    pub admin_key: Option<String>,
    pub steps: &'a Steps,
    /// Before the number of each step, when all of it is one step of something.
    pub number: &'static str,
}

impl Pipeline<'_> {
    pub fn run(&self) -> anyhow::Result<()> {
        self.step("1. settings and bindings in wrangler.toml");
        self.expect(&self.settings())?;
        self.step("2. secrets, by name");
        self.secrets()?;
        self.step("3. contracts and golden prompts");
        self.expect(&flaws_of_all())?;
        self.expect(&golden::differences(&self.project.root)?)?;
        self.step("4. the Worker builds and bundles");
        let rehearsal = [
            "deploy",
            "--dry-run",
            "--env",
            self.name(),
            "--outdir",
            ".run/deploy",
        ];
        self.steps.line(&line(&rehearsal));
        self.wrangler.run(&rehearsal)?;
        self.step("5. pending migrations are safe under the code that runs");
        self.expect(&self.unsafe_migrations()?)?;
        self.step("6. they are applied to the database");
        self.change(&[
            "d1",
            "migrations",
            "apply",
            "DB",
            "--remote",
            "--env",
            self.name(),
        ])?;
        self.step("7. the Worker is uploaded");
        let before = self.version_now();
        self.change(&["deploy", "--env", self.name()])?;
        self.step("8. the smoke run; when it fails, the Worker goes back to the version before");
        self.smoke(before.as_deref())
    }

    fn settings(&self) -> Vec<String> {
        if self.dry_run && !self.number.is_empty() {
            self.steps
                .line("bindings alone: the steps before fill in the rest");
            return config::unbound(self.project, self.target);
        }
        let mut problems = config::problems(self.project, self.target);
        if self.target == Target::Production && self.admin_key.is_none() {
            let why = "without it the smoke run fails, and takes a good Worker back";
            problems.push(format!("ADMIN_KEY is not in the environment: {why}"));
        }
        problems
    }

    fn name(&self) -> &'static str {
        self.target.environment().name()
    }

    /// In a rehearsal all are told, and it goes on.
    fn expect(&self, problems: &[String]) -> anyhow::Result<()> {
        for problem in problems {
            self.steps.line(problem);
        }
        if problems.is_empty() || self.dry_run {
            if !problems.is_empty() {
                self.steps
                    .line("a deploy would stop here: nothing was changed");
            }
            return Ok(());
        }
        let count = problems.len();
        Err(Stopped(format!("{count} things are wrong; nothing was changed")).into())
    }

    /// Only outside a rehearsal.
    fn change(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.shown(arguments);
        if self.dry_run {
            return Ok(());
        }
        self.wrangler.run(arguments).map(drop)
    }

    /// What an account answers; nothing in a rehearsal.
    fn ask(&self, arguments: &[&str]) -> anyhow::Result<Option<Value>> {
        self.shown(arguments);
        if self.dry_run {
            return Ok(None);
        }
        let told = self.wrangler.run(arguments)?;
        let start = told.find(['[', '{']).context("wrangler answered no JSON")?;
        let value = serde_json::from_str(&told[start..]).context("wrangler answered no JSON")?;
        Ok(Some(value))
    }

    fn secrets(&self) -> anyhow::Result<()> {
        let list = ["secret", "list", "--env", self.name(), "--format", "json"];
        let Some(found) = self.ask(&list)? else {
            let wanted = config::secrets(self.target).join(", ");
            self.steps.line(&format!("wanted: {wanted}"));
            return Ok(());
        };
        let found = found.as_array().cloned().unwrap_or_default();
        let is_set = |name: &&&str| found.iter().any(|one| one["name"] == ***name);
        let missing = config::secrets(self.target)
            .iter()
            .filter(|name| !is_set(name));
        let missing: Vec<String> = missing
            .map(|name| {
                format!(
                    "{name} is not set: wrangler secret put {name} --env {}",
                    self.name()
                )
            })
            .collect();
        self.expect(&missing)
    }

    fn unsafe_migrations(&self) -> anyhow::Result<Vec<String>> {
        let list = [
            "d1",
            "migrations",
            "list",
            "DB",
            "--remote",
            "--env",
            self.name(),
        ];
        self.shown(&list);
        // In a rehearsal nobody knows what is pending: all are judged.
        let told = if self.dry_run {
            None
        } else {
            Some(self.wrangler.run(&list)?)
        };
        migrations::unsafe_ones(&self.project.root, told.as_deref())
    }

    /// What would be gone back to; `None`: nothing is deployed yet.
    fn version_now(&self) -> Option<String> {
        let status = ["deployments", "status", "--env", self.name(), "--json"];
        self.shown(&status);
        if self.dry_run {
            return None;
        }
        // It fails when there is no deployment yet.
        let told = self.wrangler.run(&status).unwrap_or_default();
        let start = told.find('{').unwrap_or(told.len());
        let status: Value = serde_json::from_str(&told[start..]).unwrap_or(Value::Null);
        let version = &status["versions"][0]["version_id"];
        version.as_str().map(str::to_owned)
    }

    fn smoke(&self, before: Option<&str>) -> anyhow::Result<()> {
        let section = self.project.section(self.target.environment());
        let url = section.and_then(|it| it.get("vars")?.get("PUBLIC_URL")?.as_str());
        let url = url.context("wrangler.toml has no PUBLIC_URL")?;
        let how = if self.dry_run { "would run " } else { "" };
        self.steps.line(&format!("{how}ops smoke --base-url {url}"));
        if self.dry_run {
            let back = format!(
                "wrangler rollback <the version before> --env {}",
                self.name()
            );
            self.steps.line(&format!("if it fails: {back}"));
            return Ok(());
        }
        let tell = |check: &smoke::Check| self.steps.line(&check.line());
        if smoke::passes(url, self.admin_key.clone(), tell) {
            self.steps.line("deployed");
            return Ok(());
        }
        let Some(before) = before else {
            let why = "the smoke run failed, and there is no version before to go back to";
            return Err(Stopped(why.to_owned()).into());
        };
        let why = "the smoke run after the deploy failed";
        self.change(&[
            "rollback",
            before,
            "--env",
            self.name(),
            "--yes",
            "--message",
            why,
        ])?;
        Err(Stopped(format!("{why}; it is back at {before}")).into())
    }

    fn step(&self, what: &str) {
        self.steps.begin(&format!("{}{what}", self.number));
    }

    /// A command that is not run in a rehearsal.
    fn shown(&self, arguments: &[&str]) {
        let how = if self.dry_run { "would run " } else { "" };
        self.steps.line(&format!("{how}{}", line(arguments)));
    }
}
