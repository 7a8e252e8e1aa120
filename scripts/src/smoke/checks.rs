//! The checks up to a job's end, and what they share. Each says what it saw; one that cannot begin
//! says why.

use std::time::Duration;

use anyhow::{bail, Context};
use edge_queue::gate::Reason;
use edge_queue::workflow::template;
use serde_json::{json, Value};

use super::gpu::{Place, NEWS_TIME_MAX};
use super::listener::Listener;
use super::wire::{Answered, Wire};
use super::Outcome::{Absent, Failed, NotReached, Passed};
use super::Said;
use crate::admin::waiting;
use crate::clock::{self, wait, Stopwatch};
use crate::runpod::endpoint::Endpoint;

/// The longest that a status is held for us.
const HOLD_S: u64 = 5;

/// The simulated GPU confirms a cancel at once; the other job needs the rest of the time.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(20);

/// RunPod confirms one within seconds, and may first have to answer the submit.
const LIVE_CANCEL_TIME_MAX: Duration = Duration::from_secs(45);

const ENDED: [&str; 4] = ["succeeded", "failed", "canceled", "expired"];

pub struct Run {
    pub wire: Wire,
    body: Value,
    pub webhook_url: Option<String>,
    pub listener: Option<Listener>,
    pub has_webhooks: bool,
    /// What a job of a live deployment may take beside the time of the run.
    pub cold_start: Option<Duration>,
    /// Whom to ask about a job that does not end.
    pub runpod: Option<Endpoint>,
    /// What the job may take, beside what is left for all.
    pub status_time: Duration,
    /// What the news of its end at RunPod may take.
    pub news_time: Duration,
    /// Somebody answers.
    pub is_there: bool,
    /// Its jobs go to a GPU that is no part of it.
    pub is_live: bool,
    /// What was created, to be ended.
    pub ids: Vec<String>,
    /// The first of them, as it is by now.
    job: Option<Value>,
}

impl Run {
    pub fn new(wire: Wire, body: Value, webhook_url: Option<String>) -> Self {
        Self {
            wire,
            body,
            webhook_url,
            listener: None,
            has_webhooks: false,
            cold_start: None,
            runpod: None,
            status_time: Duration::MAX,
            news_time: NEWS_TIME_MAX,
            is_there: false,
            is_live: false,
            ids: Vec::new(),
            job: None,
        }
    }

    pub fn ended(&self) -> Result<&Value, Said> {
        let job = self.job.as_ref();
        let job = job.filter(|job| job["status"] == "succeeded");
        job.ok_or_else(|| Said(NotReached, "no job has succeeded".to_owned()))
    }

    /// The job that a create made: it is ended by the last check, whatever comes between.
    fn made(&mut self, answer: &Answered) -> anyhow::Result<String> {
        let id = answer.json()["job_id"].as_str().map(str::to_owned);
        let id = id.context("no job_id")?;
        self.ids.push(id.clone());
        Ok(id)
    }

    fn status(&self, id: &str, hold_s: u64) -> anyhow::Result<Value> {
        let path = format!("/api/queue/status/{id}?wait={hold_s}");
        let answer = self.wire.get(&path)?;
        if answer.status != 200 {
            bail!("status: {}", answer.complaint());
        }
        Ok(answer.json()["job"].take())
    }

    /// The job once it has ended, or as it is when `time` is over or none is left.
    fn see_through(&self, id: &str, time: Duration) -> anyhow::Result<Value> {
        let (bar, watch) = (waiting("job"), Stopwatch::start());
        loop {
            let job = self.status(id, HOLD_S)?;
            bar.set_message(job["phase"].as_str().unwrap_or_default().to_owned());
            // What is left must do for the checks behind.
            let is_late = watch.time() > time || self.wire.left() < Duration::from_secs(HOLD_S + 5);
            // It goes on when somebody resumes, and not before.
            let is_paused = job["wait_reason"] == Reason::Paused.text();
            if is_late || is_paused || ENDED.iter().any(|status| job["status"] == *status) {
                return Ok(job);
            }
            wait(Duration::from_millis(200));
        }
    }

    /// A GPU that sleeps is woken by the job, which waits for it.
    fn allow_for_gpu(&mut self) {
        let name = self.body["template"].as_str().unwrap_or(template::DEFAULT);
        let usual_ms =
            template::find(name).map_or(0, |found| found.contract.limits.usual_duration_ms);
        if let Some(cold_start) = self.cold_start.take() {
            self.wire
                .allow(cold_start + Duration::from_millis(usual_ms));
        }
    }

    fn is_here(&self) -> bool {
        let host = self.wire.base.split("://").nth(1).unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|here| host.starts_with(here))
    }
}

/// A mistake of the deployment, rather than of the way to it.
#[allow(clippy::unnecessary_wraps)] // So that a check ends with it.
pub fn failed(says: impl Into<String>) -> anyhow::Result<Said> {
    Ok(Said(Failed, says.into()))
}

#[allow(clippy::unnecessary_wraps)] // Likewise.
pub fn passed(says: impl Into<String>) -> anyhow::Result<Said> {
    Ok(Said(Passed, says.into()))
}

/// It answers, and says that its configuration, database and object store do.
pub fn health(run: &mut Run) -> anyhow::Result<Said> {
    let answer = run.wire.get_with("/api/health", &[], None)?;
    run.is_there = true;
    let body = answer.json();
    if answer.status != 200 || body["ok"] != true {
        let checks = &body["checks"];
        return failed(format!("{} {checks}", answer.complaint()));
    }
    run.is_live = body["mode"] == "live";
    if run.is_live {
        run.allow_for_gpu();
    }
    if run.wire.bearer.is_none() {
        // So that a job is somebody's, and a link of it is worth something.
        let session = run.wire.post("/api/session", &[], &json!({}))?;
        run.wire.bearer = session.json()["token"].as_str().map(str::to_owned);
    }
    let text = |name: &str| body[name].as_str().unwrap_or("?").to_owned();
    let who = match &run.wire.bearer {
        None => ", without a key",
        Some(token) if token.starts_with("eqs_") => ", as a session",
        Some(_) => ", with a key",
    };
    let (mode, environment, version) = (text("mode"), text("environment"), text("version"));
    let id = text("version_id");
    passed(format!(
        "{environment}, {mode}, version {version} ({id}){who}"
    ))
}

/// A create is accepted, and its repeat is the same job.
pub fn create(run: &mut Run) -> anyhow::Result<Said> {
    let mut body = run.body.clone();
    let target = match &run.webhook_url {
        Some(url) => Some(url.clone()),
        None if run.is_here() => {
            let listener = Listener::start()?;
            let url = listener.url.clone();
            run.listener = Some(listener);
            Some(url)
        }
        None => None,
    };
    if let Some(url) = &target {
        body["webhook_url"] = url.as_str().into();
    }
    let key = format!("smoke-{}", clock::now().get());
    let headers = [("idempotency-key", key.as_str())];
    let mut answer = run.wire.post("/api/queue/create", &headers, &body)?;
    run.has_webhooks = target.is_some() && answer.status == 200;
    if target.is_some() && complains_of(&answer, "webhook_url") {
        body = run.body.clone();
        answer = run.wire.post("/api/queue/create", &headers, &body)?;
    }
    if answer.status != 200 {
        return failed(answer.complaint());
    }
    let id = run.made(&answer)?;
    let again = run.wire.post("/api/queue/create", &headers, &body)?;
    let other = again.json()["job_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if again.status != 200 || other != id {
        run.ids
            .extend(Some(other).filter(|other| !other.is_empty()));
        return failed(format!(
            "its repeat is not the same job: {}",
            again.complaint()
        ));
    }
    passed(format!("{id}, and its repeat is the same job"))
}

fn complains_of(answer: &Answered, field: &str) -> bool {
    let body = answer.json();
    let details = body["details"].as_array().into_iter().flatten();
    let mut paths = details.filter_map(|detail| detail["path"].as_str());
    paths.any(|path| path.contains(field))
}

/// What breaks the contract is refused, by name.
pub fn refusal(run: &mut Run) -> anyhow::Result<Said> {
    let mut body = run.body.clone();
    body["inputs"]["no_such_input"] = 1.into();
    let answer = run.wire.post("/api/queue/create", &[], &body)?;
    if let Some(id) = answer.json()["job_id"].as_str() {
        run.ids.push(id.to_owned());
        return failed("an input that no contract has was accepted");
    }
    if answer.status != 422 || !complains_of(&answer, "no_such_input") {
        return failed(format!(
            "422 naming the input was expected: {}",
            answer.complaint()
        ));
    }
    passed("an unknown input is refused by name")
}

/// A job that was not wanted any more ends as canceled.
pub fn cancel(run: &mut Run) -> anyhow::Result<Said> {
    let mut body = run.body.clone();
    // The simulated GPU takes a minute; others ignore it.
    body["labels"]["simulate"] = "slow".into();
    let answer = run.wire.post("/api/queue/create", &[], &body)?;
    if answer.status != 200 {
        return failed(answer.complaint());
    }
    let id = run.made(&answer)?;
    let answer = run
        .wire
        .post(&format!("/api/queue/cancel/{id}"), &[], &json!({}))?;
    if answer.status != 200 {
        return failed(answer.complaint());
    }
    let time = if run.is_live {
        LIVE_CANCEL_TIME_MAX
    } else {
        CANCEL_TIME_MAX
    };
    let job = run.see_through(&id, time)?;
    match job["status"].as_str() {
        Some("canceled") => passed(id),
        // A fast endpoint has the picture before it hears that nobody wants it; that is promised.
        Some("succeeded") => Ok(Said(
            Absent,
            format!("{id} was done before its cancel was heard"),
        )),
        status => failed(format!(
            "{id} is {} after its cancel",
            status.unwrap_or("nothing")
        )),
    }
}

/// The job is seen through, and what has not changed is not sent again.
pub fn status(run: &mut Run) -> anyhow::Result<Said> {
    let Some(id) = run.ids.first().cloned() else {
        return Ok(Said(NotReached, "no job was created".to_owned()));
    };
    let mut job = run.see_through(&id, run.status_time)?;
    let mut place = run.place(&job);
    if matches!(place, Place::Between(_)) {
        run.wire.allow(run.news_time);
        job = run.see_through(&id, run.news_time)?;
        place = run.place(&job);
    }
    let status = job["status"].as_str().unwrap_or_default().to_owned();
    let (error, waits) = (job["error"].clone(), job["wait_reason"].clone());
    let attempts = job["attempts"].clone();
    run.job = Some(job);
    if status != "succeeded" {
        let why = if error.is_null() {
            format!("{waits}, attempts {attempts}")
        } else {
            error.to_string()
        };
        let (outcome, seen) = place.fault();
        return Ok(Said(outcome, format!("{id} is {status}: {why}{seen}")));
    }
    let path = format!("/api/queue/status/{id}");
    let first = run.wire.get(&path)?;
    let tag = [("if-none-match", first.header("etag"))];
    let again = run.wire.get_with(&path, &tag, run.wire.bearer.as_deref())?;
    if again.status != 304 {
        return failed(format!("a known ETag was answered {}", again.status));
    }
    let total_ms = &run.job.as_ref().context("no job")?["metrics"]["total_ms"];
    passed(format!("succeeded, {total_ms} ms from create to end"))
}

/// Everything that was made has ended.
pub fn cleanup(run: &mut Run) -> anyhow::Result<Said> {
    let mut left = Vec::new();
    for id in &run.ids {
        let job = run.status(id, 0)?;
        if ENDED.iter().any(|status| job["status"] == *status) {
            continue;
        }
        let path = format!("/api/queue/cancel/{id}");
        let answer = run.wire.post(&path, &[], &json!({}))?;
        if answer.status != 200 || !is_ending(&answer.json()["job"]) {
            left.push(id.as_str());
        }
    }
    if left.is_empty() {
        passed(format!("{} jobs, none of them goes on", run.ids.len()))
    } else {
        failed(format!("still going on: {}", left.join(", ")))
    }
}

fn is_ending(job: &Value) -> bool {
    let status = job["status"].as_str().unwrap_or_default();
    status == "canceling" || ENDED.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let wire = Wire::new("http://127.0.0.1:9", Duration::from_secs(55));
        Run::new(wire, json!({ "prompt": "x" }), None)
    }

    /// The smoke run of a deploy had 55 s: a GPU that had slept took a good Worker back.
    #[test]
    fn a_gpu_that_sleeps_has_its_start_and_the_usual_time_of_its_template_once() {
        let mut run = run();
        run.cold_start = Some(Duration::from_mins(10));
        let default = template::find(template::DEFAULT).unwrap();
        let usual = Duration::from_millis(default.contract.limits.usual_duration_ms);
        let least = Duration::from_secs(50) + Duration::from_mins(10) + usual;
        for _ in 0..2 {
            run.allow_for_gpu();
            let left = run.wire.left();
            let is_fair = least < left && left <= least + Duration::from_secs(5);
            assert!(is_fair, "{left:?}");
        }
    }
}
