//! `ops runpod check`: whether an endpoint can run our jobs, told before a caller finds out.

use std::process::ExitCode;
use std::time::Duration;

use edge_queue::providers::runpod::read_health;
use edge_queue::workflow::schema::Schema;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::known::{self, Known};
use super::needs;
use super::submit::{follow, order};
use crate::inventory::read_object_info;
use crate::models;
use crate::smoke::listener::Listener;
use crate::smoke::wire::Wire;
use crate::smoke::Outcome::{Absent, Failed, NotReached, Passed};
use crate::smoke::{self, checks, end, Said};
use crate::templates::expect_known;

/// A picture without a model: what comes back says that ComfyUI runs, and costs a second.
const PROMPT: &str = r#"{"1":{"class_type":"EmptyImage","inputs":{"width":64,"height":64,
"batch_size":1,"color":0}},"2":{"class_type":"SaveImage","inputs":{"images":["1",0],
"filename_prefix":"check"}}}"#;
/// RunPod sends a callback at once, and repeats it 5 and 20 s later.
const CALLBACK_TIME_MAX: Duration = Duration::from_secs(30);

/// Check that an endpoint of RunPod can run our jobs, and that we hear of their end
#[derive(clap::Args)]
#[command(after_help = "\
endpoint: it is there, and the key opens it. workers: none is unhealthy, and if jobs wait there is
one; whether a sleeping endpoint may start any is only seen with a job. inventory: it has the node
classes and model files of our templates, by --object-info (the address of a ComfyUI with the
endpoint's image and volume, or a file with its answer), and by the inventory of the deployment of
--url, which is asked to judge each template's prompt with a fault in it: none becomes a job. job:
one comes back with its file. callback: we hear of its end by RunPod's callback.
With --url the job goes through that deployment, a picture of its default template. Without it a
picture without any model is ordered from RunPod directly; then callbacks can only be checked
against a mock on this machine.
RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID come from the environment, ADMIN_KEY for --url.
Exit status: 0 when nothing failed, 1 when something did, 2 when the command line or the environment
is wrong.

Example:
  export RUNPOD_API_KEY=... RUNPOD_ENDPOINT_ID=... ADMIN_KEY=...
  ops runpod check --url https://queue.example.com --object-info http://127.0.0.1:8188
  ops runpod check --without-job --json")]
pub struct Arguments {
    /// The deployment that the job goes through, which RunPod calls back
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// The endpoint's ComfyUI: its address, or a file with its answer to `GET /object_info`
    #[arg(long, value_name = "URL|FILE")]
    object_info: Option<String>,

    /// Only what these templates need; all unless named
    #[arg(long = "template", value_name = "NAME")]
    templates: Vec<String>,

    /// Another endpoint than `RUNPOD_ENDPOINT_ID`
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,

    /// The time for the job; a cold endpoint may take minutes
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    within: u64,

    /// Order nothing: look at endpoint, workers and inventory alone
    #[arg(long)]
    without_job: bool,

    /// As JSON: {ok, checks: [{name, outcome, says, `took_ms`}]}
    #[arg(long)]
    json: bool,
}

pub struct Run {
    endpoint: Endpoint,
    object_info: Option<String>,
    templates: Vec<String>,
    within: Duration,
    without_job: bool,
    /// A deployment that the job goes through.
    through: Option<checks::Run>,
    listener: Option<Listener>,
    has_ended: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    expect_known(&arguments.templates)?;
    let endpoint = Endpoint::from_environment(arguments.endpoint.as_deref())?;
    let mut run = Run::new(endpoint, Duration::from_secs(arguments.within));
    if let Some(url) = &arguments.url {
        // The callback needs some time, too.
        let wire = Wire::new(url, run.within + CALLBACK_TIME_MAX);
        run.through = Some(through_deployment(&run.endpoint, wire));
    }
    run.object_info.clone_from(&arguments.object_info);
    run.templates.clone_from(&arguments.templates);
    run.without_job = arguments.without_job;
    let made = smoke::make(&mut run, &CHECKS, |check| {
        if !arguments.json {
            smoke::show(check);
        }
    });
    smoke::tell(&made, arguments.json)
}

/// The endpoint and its workers, before anything is ordered; a sentence for each check that failed.
pub fn first_look(id: &str, key: &str, tell: impl Fn(&smoke::Check)) -> Vec<String> {
    let endpoint = Endpoint::new(id.to_owned(), key.to_owned());
    let mut run = Run::new(endpoint, Duration::ZERO);
    smoke::failed_of(&smoke::make(&mut run, &CHECKS[..2], tell))
}

/// Everything, through the deployment that `wire` speaks to.
pub fn through(id: &str, key: &str, wire: Wire, tell: impl Fn(&smoke::Check)) -> Vec<String> {
    let endpoint = Endpoint::new(id.to_owned(), key.to_owned());
    let mut run = Run::new(endpoint, JOB_TIME);
    run.through = Some(through_deployment(&run.endpoint, wire));
    smoke::failed_of(&smoke::make(&mut run, &CHECKS, tell))
}

/// What a cold endpoint may take for its first job, and its callback after that.
pub const JOB_TIME: Duration = Duration::from_mins(10);

const CHECKS: [(&str, smoke::Make<Run>); 5] = [
    ("endpoint", is_there),
    ("workers", has_workers),
    ("inventory", has_what_is_needed),
    ("job", comes_back),
    ("callback", calls_back),
];

impl Run {
    fn new(endpoint: Endpoint, within: Duration) -> Self {
        Self {
            endpoint,
            object_info: None,
            templates: Vec::new(),
            within,
            without_job: false,
            through: None,
            listener: None,
            has_ended: false,
        }
    }
}

/// The picture of the smoke run.
fn through_deployment(endpoint: &Endpoint, wire: Wire) -> checks::Run {
    let mut run = checks::Run::new(wire, smoke::body(), None);
    run.runpod = Some(endpoint.clone());
    run
}

#[allow(clippy::unnecessary_wraps)] // As every check.
fn said(outcome: smoke::Outcome, says: impl Into<String>) -> anyhow::Result<Said> {
    Ok(Said(outcome, says.into()))
}

fn is_there(run: &mut Run) -> anyhow::Result<Said> {
    let health = run.endpoint.get("health");
    match health.complaint() {
        Some(why) => said(Failed, why),
        None => said(
            Passed,
            format!("{} is there, and the key opens it", run.endpoint.id),
        ),
    }
}

/// No worker at all is how an endpoint sleeps, unless somebody waits for one.
fn has_workers(run: &mut Run) -> anyhow::Result<Said> {
    let health = run.endpoint.get("health");
    if let Some(why) = health.complaint() {
        return said(NotReached, why);
    }
    let Some(health) = read_health(health.record.response_body.as_bytes()) else {
        return said(Failed, "it does not say how its workers are");
    };
    let at_work = health.workers_idle + health.workers_running + health.workers_starting;
    let waiting = health.jobs_queued;
    let says = format!(
        "{} idle, {} running, {} starting, {} throttled, {} unhealthy; {waiting} jobs wait",
        health.workers_idle,
        health.workers_running,
        health.workers_starting,
        health.workers_throttled,
        health.workers_unhealthy,
    );
    if health.workers_unhealthy > 0 {
        return said(
            Failed,
            format!("{says}: one breaks down again and again, see its log"),
        );
    }
    if at_work == 0 && health.workers_throttled > 0 {
        return said(Failed, format!("{says}: no GPU is free in its regions"));
    }
    if at_work == 0 && waiting > 0 {
        let advice =
            "raise its most workers in the console, which RunPod sets to 0 after 7 idle days";
        return said(Failed, format!("{says}, and nobody comes: {advice}"));
    }
    if at_work == 0 {
        let warning = "whether any may come, or its most workers are 0, is seen with the first job";
        return said(Passed, format!("{says}. Nobody is there: {warning}"));
    }
    said(Passed, says)
}

/// By what its ComfyUI says, and by what the deployment knows of it: jobs need both.
fn has_what_is_needed(run: &mut Run) -> anyhow::Result<Said> {
    let (mut compared, mut missing, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(from) = &run.object_info {
        let schema = Schema::read(&read_object_info(from)?)?;
        missing.extend(needs::missing(&schema, &run.templates));
        compared.push("its ComfyUI");
    }
    if let Some(deployed) = &run.through {
        match known::missing(&deployed.wire, &run.endpoint.id, &run.templates)? {
            Known::Nothing(why) => unknown.push(why),
            Known::Missing(more) => {
                let by = |one| format!("by the deployment's inventory, {one}");
                missing.extend(more.into_iter().map(by));
                compared.push("the deployment's inventory");
            }
        }
    }
    if !missing.is_empty() {
        return said(Failed, missing.join("; "));
    }
    if compared.is_empty() {
        unknown.push("no --object-info was given".to_owned());
        return said(Absent, unknown.join("; "));
    }
    let by = compared.join(" and ");
    let has_all = format!("every node class and model file of our templates is there, by {by}");
    unknown.insert(0, has_all);
    unknown.extend(models::unfilled().map(|why| format!("files by their names alone: {why}")));
    said(Passed, unknown.join("; "))
}

fn comes_back(run: &mut Run) -> anyhow::Result<Said> {
    if run.without_job {
        return said(Absent, "nothing was ordered: --without-job");
    }
    if let Some(deployed) = &mut run.through {
        let Said(outcome, says) = checks::create(deployed)?;
        if outcome != Passed {
            return said(outcome, says);
        }
        return checks::status(deployed);
    }
    let mut body: Value = serde_json::from_str(&order(PROMPT)?)?;
    if run.endpoint.is_here() {
        let listener = Listener::start()?;
        body["webhook"] = listener.url.as_str().into();
        run.listener = Some(listener);
    }
    let submitted = run.endpoint.post("run", body.to_string(), None);
    let id = match (submitted.complaint(), submitted.json["id"].as_str()) {
        (None, Some(id)) => id.to_owned(),
        (why, _) => return said(Failed, why.unwrap_or_else(|| "it named no id".to_owned())),
    };
    let last = follow(&run.endpoint, &id, run.within);
    let (status, output) = (&last.json["status"], &last.json["output"]);
    if status != "COMPLETED" {
        let error = &last.json["error"];
        return said(Failed, format!("{id} is {status}: {error}"));
    }
    run.has_ended = true;
    let is_delivered = output["images"]
        .as_array()
        .is_some_and(|images| !images.is_empty());
    if !is_delivered {
        return said(Failed, format!("{id} completed without a file: {output}"));
    }
    let took_ms = &last.json["executionTime"];
    said(
        Passed,
        format!("{id} came back with its file, {took_ms} ms of work"),
    )
}

fn calls_back(run: &mut Run) -> anyhow::Result<Said> {
    if run.without_job {
        return said(Absent, "nothing was ordered: --without-job");
    }
    if let Some(deployed) = &mut run.through {
        // Whatever is heard, nothing that was ordered goes on.
        let heard = end::callback(deployed);
        let cleaned = checks::cleanup(deployed)?;
        let is_clean = cleaned.0 == Passed;
        return if is_clean { heard } else { Ok(cleaned) };
    }
    match &run.listener {
        None => said(Absent, "through which deployment? --url names it"),
        Some(_) if !run.has_ended => said(NotReached, "no job came back"),
        Some(listener) => match listener.wait(CALLBACK_TIME_MAX.min(run.within)) {
            Some(_) => said(Passed, "it arrived"),
            None => said(Failed, "it did not arrive"),
        },
    }
}
