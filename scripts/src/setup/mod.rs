//! `ops setup`: an account from nothing to a running deployment. Each step looks whether it is done
//! already, so that one which broke off is simply called again.

mod account;
mod answers;
mod config_file;
mod first_key;
mod secrets;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::deploy::{Pipeline, Stopped, Target, SETTLE_S};
use crate::project::Project;
use crate::runpod::check;
use crate::smoke::wire::Wire;
use crate::smoke::Check;
use crate::steps::Steps;
use crate::wrangler::{line, Wrangler};
use answers::Answers;

const NOBODY: &str = "You are not authenticated";

/// Take a new Cloudflare account from nothing to a running deployment
#[derive(clap::Args)]
#[command(after_help = "\
It asks at the beginning, once, for what is neither in wrangler.toml nor in the environment:
PUBLIC_URL, RUNPOD_ENDPOINT_ID, RUNPOD_API_KEY; it says whence it has each. What wrangler.toml has
stays, whatever is exported. Then: the database and the bucket are made and written into
wrangler.toml, the RunPod endpoint is asked whether it is there, secrets are made and set, and
`ops deploy` does its steps. At the end the first API key is made and shown, once, and a job goes
through the deployment to the endpoint and back. TOKEN_SECRETS and ADMIN_KEY are made here, also
where the environment has some, which may be another deployment's; they are written into
.run/setup-ENVIRONMENT.secrets, for your password store.
What is there already is left as it is: a setup that broke off is called again.
`wrangler login` comes before it. With --dry-run nothing is asked, made or sent; the Worker is
built all the same, which takes minutes the first time.
Exit status: 0 when it runs (or would), 1 when a check failed (or would), 2 when a step could not be
done.

Example:
  ops setup --env production --dry-run
  ops setup --env production")]
pub struct Arguments {
    /// Which environment to set up
    #[arg(long, value_name = "ENVIRONMENT", value_enum)]
    env: Target,

    /// Say every step and why, and do none
    #[arg(long)]
    dry_run: bool,

    /// As JSON, at the end: {ok, error, steps: [{step, lines}]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    let steps = Steps::new(arguments.json);
    let setup = Setup {
        wrangler: Wrangler::new(&project.root, &project.root)?,
        name: arguments.env.environment().name(),
        project,
        target: arguments.env,
        dry_run: arguments.dry_run,
        steps: &steps,
    };
    let ended = setup.run();
    steps.end(&ended)?;
    ended.map(|()| ExitCode::SUCCESS)
}

struct Setup<'a> {
    project: Project,
    wrangler: Wrangler,
    target: Target,
    name: &'static str,
    dry_run: bool,
    steps: &'a Steps,
}

impl Setup<'_> {
    fn run(&self) -> anyhow::Result<()> {
        if self.dry_run {
            self.say(
                "This is a rehearsal: nothing is asked, made in the account or sent; step 7.4 \
                 builds the Worker here, which takes minutes the first time.",
            );
        }
        let answers = self.ask()?;
        self.say("1. Whose Cloudflare account this is; `wrangler login` comes before");
        self.account()?;
        self.database()?;
        self.bucket()?;
        self.say("4. The origin and the endpoint go into wrangler.toml; they are no secrets");
        self.write_vars(&answers)?;
        self.say("5. Whether RunPod knows the endpoint, and how its workers are");
        self.endpoint(&answers)?;
        self.secrets(&answers)?;
        self.deploy(&answers)?;
        self.first_key(&answers)?;
        self.say(
            "9. A job goes through the deployment to the endpoint, and its callback comes back",
        );
        self.job_comes_back(&answers)
    }

    /// `wrangler whoami` succeeds for nobody, too.
    fn account(&self) -> anyhow::Result<()> {
        let whoami = ["whoami"];
        self.would(&format!("run {}", line(&whoami)));
        if self.dry_run {
            return Ok(());
        }
        let told = self.wrangler.run(&whoami)?;
        if told.contains(NOBODY) {
            return Err(
                Stopped("nobody is logged in: call wrangler login first".to_owned()).into(),
            );
        }
        let rows = told
            .lines()
            .filter(|line| line.contains('@') || line.starts_with('│'));
        rows.for_each(|row| self.steps.line(row));
        Ok(())
    }

    fn say(&self, what: &str) {
        self.steps.begin(what);
    }

    fn would(&self, what: &str) {
        let how = if self.dry_run { "would " } else { "" };
        self.steps.line(&format!("{how}{what}"));
    }

    /// Told with its command, and done outside a rehearsal.
    fn change(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.would(&format!("run {}", line(arguments)));
        if self.dry_run {
            return Ok(());
        }
        self.wrangler.run(arguments).map(drop)
    }

    fn endpoint(&self, answers: &Answers) -> anyhow::Result<()> {
        if self.dry_run {
            let what = "ask RunPod for the endpoint's health; stops if the key does not open it";
            self.would(what);
            return Ok(());
        }
        let (id, key) = (answers.endpoint()?, answers.key()?);
        stopped(&check::first_look(id, key, |check| self.checked(check)))
    }

    /// wrangler.toml is another one by now.
    fn deploy(&self, answers: &Answers) -> anyhow::Result<()> {
        self.say("7. `ops deploy` does its steps: checks, migrations, upload, smoke");
        let project = Project::at(&self.project.root)?;
        let pipeline = Pipeline {
            wrangler: Wrangler::new(&project.root, &project.root)?,
            project: &project,
            target: self.target,
            dry_run: self.dry_run,
            admin_key: self.admin_key(),
            runpod_key: answers.get("RUNPOD_API_KEY").map(str::to_owned),
            settle: Duration::from_secs(SETTLE_S),
            within: None,
            steps: self.steps,
            number: "7.",
            faults: Cell::new(0),
        };
        // What is not proven here is asked for again by the last step.
        pipeline.run().map(drop)
    }

    fn job_comes_back(&self, answers: &Answers) -> anyhow::Result<()> {
        if self.dry_run {
            self.would("run ops runpod check --url <the origin>: one picture, which RunPod bills");
            return Ok(());
        }
        let mut wire = Wire::new(answers.origin()?, check::JOB_TIME);
        wire.bearer = self.admin_key();
        let (id, key) = (answers.endpoint()?, answers.key()?);
        stopped(&check::through(id, key, wire, |check| self.checked(check)))
    }

    fn checked(&self, check: &Check) {
        self.steps.line(&check.line());
    }

    fn wrangler_toml(&self) -> anyhow::Result<&toml::Table> {
        let section = self.project.section(self.target.environment());
        section.with_context(|| format!("wrangler.toml has no [env.{}]", self.name))
    }
}

fn stopped(failed: &[String]) -> anyhow::Result<()> {
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(Stopped(first.clone()).into()),
    }
}
