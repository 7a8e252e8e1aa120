//! `ops smoke`: ten checks that tell a broken deployment within a minute.

pub mod checks;
pub mod end;
mod gpu;
pub mod listener;
pub mod settled;
pub mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context};
use serde::Serialize;
use serde_json::{json, Value};

use crate::clock::Stopwatch;
use crate::deployment::Origin;
use crate::exit;
use crate::runpod::endpoint::Endpoint;
use crate::told;
use checks::Run;
use wire::Wire;

/// The default template takes a prompt alone.
pub fn body() -> Value {
    json!({ "prompt": "a red fox in the snow" })
}

/// Within a minute, the end of this command included.
const WITHIN_S: u64 = 55;

/// What a GPU that was asleep takes before it begins: starting an image of tens of gigabytes on a
/// machine that never had it, and loading the models, may take ten minutes.
const COLD_START: Duration = Duration::from_mins(10);

/// Run ten checks against a deployment, live or simulated
#[derive(clap::Args)]
#[command(after_help = "\
health, create, refusal, cancel, status, callback, result, expiry, webhook, cleanup: two jobs are
made, one is seen to its result, the other is canceled. On a live endpoint the first costs what such
a job costs, and is waited for as long as a cold GPU may take: ten minutes beside the usual time of
its template. Whatever else is broken is told within the minute; `LATE` says that RunPod has the job
(or that its endpoint is paused or full) and that nothing came back in time. With RUNPOD_API_KEY and
RUNPOD_ENDPOINT_ID, those of the deployment, RunPod itself is asked then: what has ended there and
not here has FAILED. With ADMIN_KEY set the jobs are the operator's; without it a session is asked
for.
`expiry` sees that the end of a link is signed, and waits for none. Outbound webhooks are received
by this command itself when the deployment is on this machine; else --webhook-url names a receiver,
and what the deployment says of the delivery is read. A deployment without outbound webhooks is told
as such, and is not broken by it.
Exit status: 0 when nothing failed, 1 when something did or was late, 2 when the command line is
wrong.

Example:
  ops smoke --url http://127.0.0.1:8787
  ADMIN_KEY=... ops smoke --url https://queue.example.com --json")]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,

    /// What to create, as in the body of a create
    #[arg(
        long,
        value_name = "JSON",
        default_value_t = body().to_string()
    )]
    body: String,

    /// The time for everything; 55 unless named, and what a cold GPU may take where it is live
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,

    /// Where the deployment is to tell the end of the job, if it is not on this machine
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,

    /// As JSON: {ok, checks: [{name, outcome, says, `took_ms`}]}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    /// The GPU's part did not come in time, and the deployment has done its own.
    Late,
    /// The deployment does not have what would be checked.
    Absent,
    /// Something before it failed.
    NotReached,
}

/// What a check says: how it went, and a sentence.
pub struct Said(pub Outcome, pub String);

#[derive(Serialize)]
pub struct Check {
    name: &'static str,
    outcome: Outcome,
    says: String,
    took_ms: u64,
}

/// A check of whatever a run is about.
pub type Make<R> = fn(&mut R) -> anyhow::Result<Said>;

/// In the order in which they are made.
const CHECKS: [(&str, Make<Run>); 10] = [
    ("health", checks::health),
    ("create", checks::create),
    ("refusal", checks::refusal),
    ("cancel", checks::cancel),
    ("status", checks::status),
    ("callback", end::callback),
    ("result", end::result),
    ("expiry", end::expiry),
    ("webhook", end::webhook),
    ("cleanup", checks::cleanup),
];

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let body = read_body(&arguments.body)?;
    let url = arguments.webhook_url.clone();
    let mut run = timed(&arguments.origin.get()?, arguments.within, body, url);
    run.runpod = Endpoint::from_environment(None).ok();
    let made = make_all(&mut run, |check| {
        if !arguments.json {
            show(check);
        }
    });
    tell(&made, arguments.json)
}

/// Where nobody answers the first, the others would only repeat it.
fn make_all(run: &mut Run, tell: impl Fn(&Check)) -> Vec<Check> {
    let (first, others) = CHECKS.split_at(1);
    let mut made = make(run, first, &tell);
    let left: &[(&'static str, Make<Run>)] = if run.is_there { others } else { &[] };
    made.extend(make(run, left, &tell));
    let skipped = others[left.len()..].iter().map(|(name, _)| Check {
        name,
        outcome: Outcome::NotReached,
        says: "nobody answered".to_owned(),
        took_ms: 0,
    });
    for check in skipped {
        tell(&check);
        made.push(check);
    }
    made
}

/// As the checks change it: an object with objects in it.
pub fn read_body(text: &str) -> anyhow::Result<Value> {
    let body: Value = serde_json::from_str(text).context("--body is no JSON")?;
    if !body.is_object() {
        bail!("--body is no JSON object");
    }
    for name in ["inputs", "labels"] {
        if !body[name].is_object() && !body[name].is_null() {
            bail!("--body: {name} is no JSON object");
        }
    }
    Ok(body)
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Sound,
    /// Nothing failed but the GPU, which did not come back in time.
    Late,
    Broken,
}

/// As whom, and whom else to ask.
pub struct Asking {
    pub admin_key: Option<String>,
    pub runpod: Option<Endpoint>,
    pub within: Option<u64>,
}

/// `tell` hears of each check.
pub fn verdict(base_url: &str, asking: Asking, tell: impl Fn(&Check)) -> Verdict {
    let mut run = timed(base_url, asking.within, body(), None);
    (run.wire.bearer, run.runpod) = (asking.admin_key, asking.runpod);
    let made = make_all(&mut run, tell);
    let has = |outcome| made.iter().any(|check| check.outcome == outcome);
    if has(Outcome::Failed) {
        Verdict::Broken
    } else if has(Outcome::Late) {
        Verdict::Late
    } else {
        Verdict::Sound
    }
}

fn timed(base_url: &str, within: Option<u64>, body: Value, webhook_url: Option<String>) -> Run {
    let time = Duration::from_secs(within.unwrap_or(WITHIN_S));
    let mut run = Run::new(Wire::new(base_url, time), body, webhook_url);
    run.cold_start = within.is_none().then_some(COLD_START);
    run
}

/// Makes every check, each in its turn, and tells of it.
pub fn make<R>(
    run: &mut R,
    checks: &[(&'static str, Make<R>)],
    tell: impl Fn(&Check),
) -> Vec<Check> {
    let make = |(name, check): &(&'static str, Make<R>)| {
        let watch = Stopwatch::start();
        let said = check(run);
        let Said(outcome, says) =
            said.unwrap_or_else(|error| Said(Outcome::Failed, format!("{error:#}")));
        let check = Check {
            name,
            outcome,
            says,
            took_ms: watch.ms(),
        };
        tell(&check);
        check
    };
    checks.iter().map(make).collect()
}

/// What the checks that failed say.
pub fn failed_of(made: &[Check]) -> Vec<String> {
    let failed = made
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Failed | Outcome::Late));
    failed
        .map(|check| format!("{}: {}", check.name, check.says))
        .collect()
}

/// The end of a run whose checks have been shown, unless they are told as JSON.
pub fn tell(made: &[Check], as_json: bool) -> anyhow::Result<ExitCode> {
    let failed = failed_of(made).len();
    if as_json {
        told::json(&json!({ "ok": failed == 0, "checks": made }))?;
    } else if failed == 0 {
        println!("nothing failed");
    } else {
        println!("{failed} of {} failed", made.len());
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

pub fn show(check: &Check) {
    println!("{}", check.line());
}

impl Check {
    pub fn line(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Late => "LATE",
            Outcome::Absent => "absent",
            Outcome::NotReached => "skipped",
        };
        let (name, took_ms, says) = (self.name, self.took_ms, &self.says);
        format!("{outcome:8} {name:9} {took_ms:>6} ms  {says}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five checks said that the connection was refused, and one that there are no webhooks.
    #[test]
    fn where_nobody_answers_it_is_said_once() {
        let mut run = timed("http://127.0.0.1:9", Some(5), body(), None);
        let made = make_all(&mut run, |_| ());
        let outcomes: Vec<Outcome> = made.iter().map(|check| check.outcome).collect();
        assert_eq!(outcomes[0], Outcome::Failed);
        assert_eq!(outcomes[1..], [Outcome::NotReached; 9]);
        assert_eq!(made.len(), CHECKS.len());
    }

    /// Whatever was no object broke the command down in the middle of its checks.
    #[test]
    fn a_body_that_the_checks_cannot_change_is_refused() {
        for text in ["[]", "7", "x", r#"{"inputs": []}"#, r#"{"labels": "a"}"#] {
            let why = read_body(text).unwrap_err().to_string();
            assert!(why.starts_with("--body"), "{why}");
        }
        assert_eq!(read_body(&body().to_string()).unwrap(), body());
    }
}
