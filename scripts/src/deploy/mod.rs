//! `ops deploy`: an environment from what lies here, or back to what it was.

pub mod config;
pub mod migrations;
mod pipeline;
mod proof;
mod way_back;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use crate::deployment::variable;
use crate::exit;
use crate::project::{Environment, Project};
use crate::steps::Steps;
use crate::wrangler::Wrangler;
pub use pipeline::Pipeline;
pub use proof::Proof;

/// An upload is everywhere within seconds; the first name of a Worker takes longer.
pub const SETTLE_S: u64 = 60;

/// Check, migrate, deploy and smoke an environment, and go back if it does not hold
#[derive(clap::Args)]
#[command(after_help = "\
1. wrangler.toml has no placeholders for it, and every binding. 2. Its secrets are set; only names
are asked for; where the endpoint is a real one, ADMIN_KEY is here. 3. Contracts have no flaws and
golden prompts are as written down. 4. The Worker builds and bundles. 5. What runs is asked for: it
is the way back, and migrations that are pending are safe under it. 6. They are applied. 7. The
Worker is uploaded. 8. The version that was uploaded answers, within --settle, and `ops smoke`
passes. Nothing is changed before 6.
If 8 fails, the Worker goes back to the version before; migrations stay, because the code before
lives with them. Cloudflare goes back neither across a migration of Durable Objects nor to the draft
that `wrangler secret put` makes: then step 5 says NO WAY BACK, and if 8 fails the version that
failed stays live, and what to do instead is said.
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
