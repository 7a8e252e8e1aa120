//! The steps of a deploy, up to the upload.

use std::cell::Cell;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::proof::Proof;
use super::way_back::Before;
use super::{config, migrations, Stopped, Target};
use crate::contract::flaws_of_all;
use crate::golden;
use crate::project::Project;
use crate::steps::Steps;
use crate::wrangler::{line, Absent, Wrangler};

const NO_KEY: &str = "ADMIN_KEY is not in the environment: without it the smoke run fails, and \
     takes a good Worker back";

/// What a failure of the two steps that change something leaves behind.
const MIGRATED_IN_PART: &str =
    "what ran before still serves, with the migrations that were applied \
     before the one that failed: mend that one, and call this again";
const NOT_UPLOADED: &str =
    "what ran before still serves, and lives with the migrations, which are \
     applied: call this again once it can be uploaded";

/// How `wrangler deploy` names what it uploaded.
const UPLOADED: &str = "Current Version ID: ";

pub struct Pipeline<'a> {
    pub project: &'a Project,
    pub wrangler: Wrangler,
    pub target: Target,
    pub dry_run: bool,
    /// Whose jobs those of the smoke run are.
    pub admin_key: Option<String>,
    /// With which RunPod is asked about a job that does not end.
    pub runpod_key: Option<String>,
    pub settle: Duration,
    /// Seconds of the smoke run.
    pub within: Option<u64>,
    pub steps: &'a Steps,
    /// Before the number of each step, when all of it is one step of something.
    pub number: &'static str,
    /// What a rehearsal has found that would stop a deploy.
    pub faults: Cell<usize>,
}

impl Pipeline<'_> {
    pub fn run(&self) -> anyhow::Result<Proof> {
        self.step("1. settings and bindings in wrangler.toml");
        self.expect(&self.settings())?;
        self.step("2. secrets, by name");
        self.secrets()?;
        self.step("3. contracts and golden prompts");
        self.expect(&flaws_of_all())?;
        self.expect(&golden::differences(&self.project.root)?)?;
        self.step("4. the Worker builds and bundles");
        self.bundle()?;
        self.step("5. what runs: the way back to it, and pending migrations are safe under it");
        let mut problems = Vec::new();
        let before = self.before(&mut problems)?;
        problems.extend(self.unsafe_migrations()?);
        self.expect(&problems)?;
        self.step("6. they are applied to the database");
        let apply = self.words("d1 migrations apply DB --remote");
        self.change(&apply).context(MIGRATED_IN_PART)?;
        self.step("7. the Worker is uploaded");
        let uploaded = self.upload(&before)?;
        self.step(
            "8. the uploaded version answers, and the smoke run; when it fails, the way back",
        );
        let proof = self.prove(&uploaded, &before.way_back)?;
        match self.faults.get() {
            0 => Ok(proof),
            count => Err(Stopped(format!("a deploy would stop: {count} things are wrong")).into()),
        }
    }

    fn settings(&self) -> Vec<String> {
        if self.dry_run && !self.number.is_empty() {
            self.steps
                .line("bindings alone: the steps before fill in the rest");
            return config::unbound(self.project, self.target);
        }
        let mut problems = config::problems(self.project, self.target);
        if self.target == Target::Production && self.admin_key.is_none() {
            problems.push(NO_KEY.to_owned());
        }
        problems
    }

    pub fn name(&self) -> &'static str {
        self.target.environment().name()
    }

    /// The words of a command, for this environment.
    pub fn words<'w>(&self, command: &'w str) -> Vec<&'w str> {
        command.split(' ').chain(["--env", self.name()]).collect()
    }

    /// In a rehearsal all are told, and it goes on.
    fn expect(&self, problems: &[String]) -> anyhow::Result<()> {
        for problem in problems {
            self.steps.line(problem);
        }
        if problems.is_empty() || self.dry_run {
            if !problems.is_empty() {
                self.faults.set(self.faults.get() + problems.len());
                self.steps
                    .line("a deploy would stop here: nothing was changed");
            }
            return Ok(());
        }
        let count = problems.len();
        Err(Stopped(format!("{count} things are wrong; nothing was changed")).into())
    }

    /// What it printed; nothing in a rehearsal, in which it is not run.
    pub fn change(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.shown(arguments);
        if self.dry_run {
            return Ok(String::new());
        }
        self.wrangler.run(arguments)
    }

    fn secrets(&self) -> anyhow::Result<()> {
        let list = self.words("secret list --format json");
        self.shown(&list);
        if self.dry_run {
            let wanted = config::secrets(self.target).join(", ");
            self.steps.line(&format!("wanted: {wanted}"));
            return Ok(());
        }
        // Where there is no Worker yet, none is set.
        let told = self.wrangler.find(&list, Absent::Worker)?;
        let found = told.map_or(Ok(Value::Array(Vec::new())), |told| json_in(&told, '['))?;
        let found = found.as_array().cloned().unwrap_or_default();
        let is_set = |name: &str| found.iter().any(|one| one["name"] == *name);
        let is_live =
            self.project.endpoint(self.target.environment()).is_some() && is_set("RUNPOD_API_KEY");
        let mut wanted = config::secrets(self.target).to_vec();
        if is_live && !wanted.contains(&"ADMIN_KEY") {
            wanted.push("ADMIN_KEY");
        }
        let missing = wanted.iter().filter(|name| !is_set(name));
        let mut problems: Vec<String> = missing
            .map(|name| {
                let put = format!("wrangler secret put {name} --env {}", self.name());
                format!("{name} is not set: {put}")
            })
            .collect();
        if is_live && self.admin_key.is_none() {
            problems.push(NO_KEY.to_owned());
        }
        self.expect(&problems)
    }

    fn bundle(&self) -> anyhow::Result<()> {
        let rehearsal = self.words("deploy --dry-run --outdir .run/deploy");
        self.steps.line(&line(&rehearsal));
        self.steps
            .line("a build from nothing takes minutes; what it says:");
        self.wrangler.run_aloud(&rehearsal)
    }

    fn unsafe_migrations(&self) -> anyhow::Result<Vec<String>> {
        let list = self.words("d1 migrations list DB --remote");
        self.shown(&list);
        // In a rehearsal nobody knows what is pending: all are judged.
        let told = if self.dry_run {
            None
        } else {
            Some(self.wrangler.run(&list)?)
        };
        migrations::unsafe_ones(&self.project.root, told.as_deref())
    }

    /// The version that was uploaded, as `wrangler` names it: one that asks itself a question and
    /// answers no ends well, too, and has uploaded nothing.
    fn upload(&self, before: &Before) -> anyhow::Result<String> {
        let told = self.change(&self.words("deploy"));
        let told = told.map_err(|error| error.context(self.left_by_upload(before)))?;
        if self.dry_run {
            return Ok("<what was uploaded>".to_owned());
        }
        let mut lines = told.lines();
        let version = lines.find_map(|line| line.trim().strip_prefix(UPLOADED));
        let version = version.with_context(|| {
            let list = line(&self.words("deployments list"));
            format!("wrangler deploy named no version, and says:\n{told}\nWhat runs: {list}")
        })?;
        Ok(version.trim().to_owned())
    }

    /// It may have failed behind the upload, at its crons or its address.
    fn left_by_upload(&self, before: &Before) -> String {
        match self.running() {
            Ok(running) if running == before.running => NOT_UPLOADED.to_owned(),
            Ok(Some(uploaded)) => format!(
                "the version {uploaded} was uploaded and is LIVE, what comes behind its upload \
                 failed, and nobody has judged it: call this again, or go back"
            ),
            Ok(None) | Err(_) => {
                "nobody knows what serves now: look, and call this again".to_owned()
            }
        }
    }

    fn step(&self, what: &str) {
        self.steps.begin(&format!("{}{what}", self.number));
    }

    /// A command that is not run in a rehearsal.
    pub fn shown(&self, arguments: &[&str]) {
        self.steps
            .line(&format!("{}{}", self.would_run(), line(arguments)));
    }

    pub const fn would_run(&self) -> &'static str {
        if self.dry_run {
            "would run "
        } else {
            ""
        }
    }
}

/// The JSON behind whatever else `wrangler` prints.
pub fn json_in(told: &str, begin: char) -> anyhow::Result<Value> {
    let start = told.find(begin).context("wrangler answered no JSON")?;
    serde_json::from_str(&told[start..]).context("wrangler answered no JSON")
}
