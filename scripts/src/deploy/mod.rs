//! `ops deploy`: an environment from what lies here, or back to what it was.

pub mod config;
pub mod migrations;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::contract::flaws_of_all;
use crate::deployment::variable;
use crate::project::{Environment, Project};
use crate::runpod::endpoint::Endpoint;
use crate::smoke::{self, Asking, Verdict};
use crate::steps::Steps;
use crate::wrangler::{line, Absent, Wrangler};
use crate::{exit, golden};

/// An upload is everywhere within seconds; the first name of a Worker takes longer.
pub const SETTLE_S: u64 = 60;

/// Check, migrate, deploy and smoke an environment, and go back if it does not hold
#[derive(clap::Args)]
#[command(after_help = "\
1. wrangler.toml has no placeholders for it, and every binding. 2. Its secrets are set; only names
are asked for; where the endpoint is a real one, ADMIN_KEY is here. 3. Contracts have no flaws and
golden prompts are as written down. 4. The Worker builds and bundles. 5. Migrations that are pending
are safe under the code that runs. 6. They are applied. 7. The Worker is uploaded. 8. It answers,
within --settle, and `ops smoke` passes. Nothing is changed before 6.
If 8 fails, the Worker goes back to the version before; migrations stay, because the code before
lives with them. Where it cannot go back, that is said: the version that failed is live. Cloudflare
refuses to go back across a migration of Durable Objects, and behind the first upload is nothing.
One thing alone is told and takes nothing back: RunPod has the job of the smoke run, or its endpoint
is paused or full, and no picture came in the time that a cold GPU may take. That is no fault of the
Worker's, and the version before would wait as long. With RUNPOD_API_KEY RunPod itself is asked: a
job that ended there and not here is the Worker's fault. Outbound webhooks are not looked at here:
`ops smoke --webhook-url` does it.
With --dry-run every step says what it would run, those that change nothing are done as far as this
machine can, and no account is needed.
ADMIN_KEY makes the smoke run's jobs the operator's; production needs it, and staging with a real
endpoint, where nobody is served without a key.
Exit status: 0 when it is deployed (or would be), 1 when a check failed (or would) or it went back,
2 when a step could not be done, 3 when it is deployed and the GPU did not come back in time.

Example:
  ops deploy --env staging --dry-run
  ADMIN_KEY=... ops deploy --env production")]
pub struct Arguments {
    /// Where
    #[arg(long, value_name = "ENVIRONMENT", value_enum)]
    env: Target,

    /// How long the uploaded Worker may take until it answers
    #[arg(long, value_name = "SECONDS", default_value_t = SETTLE_S)]
    settle: u64,

    /// The time of the smoke run; as `ops smoke` takes it unless named
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,

    /// Say what would be run
    #[arg(long)]
    dry_run: bool,

    /// As JSON, at the end: {ok, error, steps: [{step, lines}], proof: complete or `without_gpu`}
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

const NO_KEY: &str = "ADMIN_KEY is not in the environment: without it the smoke run fails, and \
     takes a good Worker back";

const NOT_BACK: &str = "the smoke run after the deploy failed, and the Worker could not go back: \
     the version that failed is LIVE. Cloudflare goes back neither across a migration of Durable \
     Objects nor to the draft that `wrangler secret put` makes before the first upload";

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
        runpod_key: variable("RUNPOD_API_KEY"),
        settle: Duration::from_secs(arguments.settle),
        within: arguments.within,
        steps: &steps,
        number: "",
        faults: Cell::new(0),
    };
    let ended = pipeline.run();
    steps.end(&ended)?;
    Ok(match ended? {
        Proof::Complete => ExitCode::SUCCESS,
        Proof::WithoutGpu => exit::unproven(),
    })
}

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

/// What is known of a Worker that is deployed and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Complete,
    /// All but the GPU's part, which did not come back in time.
    WithoutGpu,
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
        let rehearsal = [
            "deploy",
            "--dry-run",
            "--env",
            self.name(),
            "--outdir",
            ".run/deploy",
        ];
        self.steps.line(&line(&rehearsal));
        self.steps
            .line("a build from nothing takes minutes; what it says:");
        self.wrangler.run_aloud(&rehearsal)?;
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
        let before = self.version_now()?;
        self.change(&["deploy", "--env", self.name()])?;
        if let Some(before) = &before {
            let back = line(&["rollback", before, "--env", self.name()]);
            self.steps.line(&format!("the way back, later: {back}"));
        }
        self.step("8. the smoke run; when it fails, the Worker goes back to the version before");
        let proof = self.smoke(before.as_deref())?;
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
                self.faults.set(self.faults.get() + problems.len());
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

    fn secrets(&self) -> anyhow::Result<()> {
        let list = ["secret", "list", "--env", self.name(), "--format", "json"];
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
    fn version_now(&self) -> anyhow::Result<Option<String>> {
        let status = ["deployments", "status", "--env", self.name(), "--json"];
        self.shown(&status);
        if self.dry_run {
            return Ok(None);
        }
        let Some(told) = self.wrangler.find(&status, Absent::Worker)? else {
            return Ok(None);
        };
        let status = json_in(&told, '{')?;
        let version = &status["versions"][0]["version_id"];
        Ok(version.as_str().map(str::to_owned))
    }

    fn smoke(&self, before: Option<&str>) -> anyhow::Result<Proof> {
        let section = self.project.section(self.target.environment());
        let url = section.and_then(|it| it.get("vars")?.get("PUBLIC_URL")?.as_str());
        let url = url.context("wrangler.toml has no PUBLIC_URL")?;
        // In the rehearsal of a setup nobody has given it yet.
        let is_asked_for = self.dry_run && !self.number.is_empty();
        let url = if is_asked_for { "<the origin>" } else { url };
        let how = if self.dry_run { "would run " } else { "" };
        let settle_s = self.settle.as_secs();
        self.steps.line(&format!(
            "{how}ops smoke --base-url {url}, once it answers, for which it has {settle_s} s"
        ));
        if self.dry_run {
            let back = format!(
                "wrangler rollback <the version before> --env {}",
                self.name()
            );
            self.steps.line(&format!("if it fails: {back}"));
            self.steps
                .line("if the GPU alone is late: nothing goes back, and it is told");
            return Ok(Proof::Complete);
        }
        let tell = |check: &smoke::Check| self.steps.line(&check.line());
        smoke::settled(url, self.settle);
        let endpoint = self.project.endpoint(self.target.environment());
        let runpod = endpoint.zip(self.runpod_key.clone());
        let asking = Asking {
            admin_key: self.admin_key.clone(),
            runpod: runpod.map(|(id, key)| Endpoint::new(id.to_owned(), key)),
            within: self.within,
        };
        match smoke::verdict(url, asking, tell) {
            Verdict::Sound => {
                self.steps.line("deployed");
                Ok(Proof::Complete)
            }
            Verdict::Late => {
                let advice = "ops runpod check says what is wrong with the endpoint";
                self.steps.line(&format!(
                    "deployed, and it stays: the GPU alone did not come back; {advice}"
                ));
                Ok(Proof::WithoutGpu)
            }
            Verdict::Broken => Err(self.go_back(before)?.into()),
        }
    }

    fn go_back(&self, before: Option<&str>) -> anyhow::Result<Stopped> {
        let Some(before) = before else {
            let why = "the smoke run failed, and there is no version before to go back to: the \
                 version that failed is LIVE";
            return Ok(Stopped(why.to_owned()));
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
        ])
        .context(NOT_BACK)?;
        Ok(Stopped(format!("{why}; it is back at {before}")))
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

/// The JSON behind whatever else `wrangler` prints.
fn json_in(told: &str, begin: char) -> anyhow::Result<Value> {
    let start = told.find(begin).context("wrangler answered no JSON")?;
    serde_json::from_str(&told[start..]).context("wrangler answered no JSON")
}
