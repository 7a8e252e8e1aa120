//! A job as callers see it.

use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::cost::{self, Cost};
use super::v2;
use crate::app::App;
use crate::id::{JobId, ProviderId};
use crate::job::{Failure, JobStatus, Progress};
use crate::media::Kind;
use crate::ports::Surface;
use crate::queue::create::RAW;
use crate::queue::links::{expires_at, signed};
use crate::queue::listen::Render;
use crate::store::jobs::{AttemptRow, Full, OutputRow, Record};
use crate::time::UnixMillis;

#[derive(Serialize)]
pub struct JobView<'a> {
    id: JobId,
    status: &'static str,
    phase: Option<&'static str>,
    round: u32,
    template: &'a str,
    template_version: &'a str,
    template_hash: &'a str,
    prompt_hash: &'a str,
    checked: &'static str,
    inputs: &'a RawValue,
    labels: &'a BTreeMap<String, String>,
    created_at: String,
    created_at_ms: UnixMillis,
    started_at: Option<String>,
    started_at_ms: Option<UnixMillis>,
    completed_at: Option<String>,
    completed_at_ms: Option<UnixMillis>,
    expires_at: String,
    expires_at_ms: UnixMillis,
    start_by: String,
    deadline: Option<String>,
    /// Known to the gate alone: null unless the job waits there.
    queue_position: Option<usize>,
    wait_reason: Option<&'a str>,
    wait_since: Option<String>,
    wait_until: Option<String>,
    progress: Option<Progress>,
    outputs: Vec<OutputView<'a>>,
    result_key: Option<&'a str>,
    result_url: Option<String>,
    error: Option<ErrorView<'a>>,
    attempts: Vec<AttemptView<'a>>,
    metrics: Metrics,
    cost: Cost,
    credits: Option<CreditsView>,
    urls: Urls,
}

#[derive(Serialize)]
struct OutputView<'a> {
    key: &'a str,
    url: String,
    kind: Kind,
    content_type: &'a str,
    size_bytes: u64,
    hash: &'a str,
    name: &'a str,
    node_id: Option<&'a str>,
    label: Option<&'a str>,
    width: Option<u32>,
    height: Option<u32>,
    /// Only where the job goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    early: Option<bool>,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    code: &'static str,
    cause: &'static str,
    message: &'a str,
    retryable: bool,
    node_id: Option<&'a str>,
    class_type: Option<&'a str>,
}

#[derive(Serialize)]
struct AttemptView<'a> {
    n: u32,
    provider: &'a str,
    provider_id: Option<&'a str>,
    status: &'a str,
    submitted_at: String,
    ended_at: Option<String>,
    /// What told of its end.
    heard_by: Option<&'a str>,
    delay_ms: Option<u64>,
    execution_ms: Option<u64>,
    error: Option<ErrorView<'a>>,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // The unit belongs to the promised names.
pub struct Metrics {
    /// From this round's beginning until a worker began.
    queue_ms: Option<u64>,
    execution_ms: Option<u64>,
    total_ms: Option<u64>,
}

/// What this round costs its caller.
#[derive(Serialize)]
struct CreditsView {
    price: u32,
    state: &'static str,
}

#[derive(Serialize)]
#[serde(rename = "urls")]
struct Urls {
    #[serde(rename = "self")]
    status: String,
    events: String,
    cancel: String,
    retry: String,
    result: Option<String>,
}

/// How this API and the other one show events.
pub const RENDER: Render = Render {
    status: |app, standing, surface| match surface {
        Surface::Queue => text(&job(app, standing.full).at_position(standing.position)),
        Surface::Comfy => text(&v2::view::status(standing)),
    },
    output: |app, full, i, surface| match surface {
        Surface::Queue => text(&output_view(
            app,
            &full.outputs[i],
            expires_at(app, &full.record),
        )),
        Surface::Comfy => text(&v2::view::output(app, full, i)),
    },
};

/// Our own views always serialize: they hold no maps with other keys than text.
fn text<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).unwrap_or_else(|_| "{}".into())
}

/// The job with what its watcher knows of its progress.
pub fn live_job<'a>(app: &App, full: &'a Full, progress: Option<Progress>) -> JobView<'a> {
    let mut view = job(app, full);
    view.progress = progress.or(view.progress);
    view
}

/// The job as it stands.
pub fn job<'a>(app: &App, full: &'a Full) -> JobView<'a> {
    let record = &full.record;
    let state = &record.job;
    let accepted = &record.accepted;
    let expires_at = expires_at(app, record);
    let waits = waits(record);
    let outputs: Vec<OutputView> = full
        .outputs
        .iter()
        .map(|output| output_view(app, output, expires_at))
        .collect();
    let first = outputs
        .first()
        .map(|output| (output.key, output.url.clone()));
    JobView {
        id: state.id,
        status: state.status.as_str(),
        phase: (!state.status.is_terminal()).then(|| state.phase.as_str()),
        round: state.round,
        template: &accepted.template,
        template_version: &accepted.template_version,
        template_hash: &accepted.template_hash,
        prompt_hash: &accepted.prompt_hash,
        checked: checked(record),
        inputs: &accepted.inputs,
        labels: &accepted.labels,
        created_at: accepted.created_at.iso8601(),
        created_at_ms: accepted.created_at,
        started_at: state.started_at.map(UnixMillis::iso8601),
        started_at_ms: state.started_at,
        completed_at: record.completed_at.map(UnixMillis::iso8601),
        completed_at_ms: record.completed_at,
        expires_at: expires_at.iso8601(),
        expires_at_ms: expires_at,
        start_by: state.start_by_at.iso8601(),
        deadline: state.deadline_at.map(UnixMillis::iso8601),
        queue_position: None,
        wait_reason: record.wait_reason.as_deref(),
        wait_since: waits.map(|(since, _)| since.iso8601()),
        wait_until: waits.and_then(|(_, until)| until).map(UnixMillis::iso8601),
        progress: whole(state.status),
        result_key: first.as_ref().map(|(key, _)| *key),
        result_url: first.as_ref().map(|(_, url)| url.clone()),
        error: record.error.as_ref().map(error_view),
        attempts: attempts(full),
        metrics: metrics(record),
        cost: cost::of(app, full),
        credits: record.credits.map(|price| CreditsView {
            price,
            state: credits_state(record),
        }),
        urls: urls(state.id, first.map(|(_, url)| url)),
        outputs,
    }
}

impl JobView<'_> {
    /// How many wait before it at the gate.
    #[must_use]
    pub fn at_position(mut self, position: Option<usize>) -> Self {
        self.queue_position = position;
        self
    }
}

/// What has become of the credits that the round held. A cancel gives back what nobody had begun to
/// work for (`credits::is_spent`).
fn credits_state(record: &Record) -> &'static str {
    let has_run = record.execution_ms.is_some_and(|ms| ms > 0);
    match record.job.status {
        JobStatus::Queued | JobStatus::Running | JobStatus::Canceling => "reserved",
        JobStatus::Succeeded => "spent",
        JobStatus::Canceled if has_run || record.job.started_at.is_some() => "spent",
        JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => "given_back",
    }
}

/// Since when a job waits for its next attempt, and until when at least.
fn waits(record: &Record) -> Option<(UnixMillis, Option<UnixMillis>)> {
    record.wait_reason.as_ref()?;
    let opened_at = record.job.opened_at;
    let since = record.attempt_ended_at.unwrap_or(opened_at).max(opened_at);
    Some((since, record.job.retry_at))
}

/// What the job was checked against before it was accepted.
fn checked(record: &Record) -> &'static str {
    let accepted = &record.accepted;
    match (&accepted.inventory_hash, accepted.template.as_str()) {
        (Some(_), _) => "inventory",
        (None, RAW) => "structure",
        (None, _) => "contract",
    }
}

/// The job as it was when it was accepted: made of what never changes, so that a repeated create is
/// answered with the same body for as long as the job is kept.
pub fn accepted(record: &Record) -> Full {
    let accepted = record.accepted.clone();
    let mut job = record.job.clone();
    job.status = JobStatus::Queued;
    job.phase = crate::job::Phase::Accepted;
    job.version = 1;
    job.round = 1;
    job.opened_at = accepted.created_at;
    job.start_by_at = accepted.created_at.plus_ms(accepted.start_by_ms);
    job.deadline_at = accepted
        .deadline_ms
        .map(|ms| accepted.created_at.plus_ms(ms));
    job.attempts_begun = 0;
    job.failures = 0;
    job.live = None;
    job.retry_at = None;
    job.refusals = 0;
    job.started_at = None;
    Full {
        record: Record {
            job,
            accepted,
            completed_at: None,
            error: None,
            settle_nonce: None,
            attempt_nonce: None,
            attempt_begun_at: None,
            attempt_ended_at: None,
            delay_ms: None,
            execution_ms: None,
            wait_reason: None,
            credits: None,
        },
        outputs: Vec::new(),
        attempts: Vec::new(),
    }
}

fn output_view<'a>(app: &App, output: &'a OutputRow, expires_at: UnixMillis) -> OutputView<'a> {
    OutputView {
        key: &output.key,
        url: result_url(app, &output.key, expires_at),
        kind: output.kind,
        content_type: &output.content_type,
        size_bytes: output.size_bytes,
        hash: &output.hash,
        name: &output.name,
        node_id: output.node_id.as_deref(),
        label: output.label.as_deref(),
        width: output.width,
        height: output.height,
        early: None,
    }
}

/// A file that is done before its job. It is deleted when the job has ended.
pub fn early(app: &App, record: &Record, output: &OutputRow) -> String {
    text(&OutputView {
        early: Some(true),
        ..output_view(app, output, expires_at(app, record))
    })
}

/// What is done is done wholly, whatever was told on the way.
pub fn whole(status: JobStatus) -> Option<Progress> {
    (status == JobStatus::Succeeded).then(|| Progress::of_share(1.0))
}

fn result_url(app: &App, key: &str, expires_at: UnixMillis) -> String {
    signed(app, key, expires_at).0
}

fn error_view(failure: &Failure) -> ErrorView<'_> {
    ErrorView {
        code: failure.code.as_str(),
        cause: failure.cause.as_str(),
        message: &failure.message,
        retryable: failure.cause.is_retryable(),
        node_id: failure.node_id.as_deref(),
        class_type: failure.class_type.as_deref(),
    }
}

/// Attempts that have ended, and the live one.
fn attempts(full: &Full) -> Vec<AttemptView<'_>> {
    let record = &full.record;
    let live = record.job.live.as_ref().map(|attempt| AttemptView {
        n: attempt.n,
        provider: &record.accepted.provider,
        provider_id: attempt.provider_id.as_ref().map(ProviderId::as_str),
        status: record.job.phase.as_str(),
        submitted_at: attempt.begun_at.iso8601(),
        ended_at: None,
        heard_by: None,
        delay_ms: None,
        execution_ms: None,
        error: None,
    });
    full.attempts
        .iter()
        .map(ended_attempt)
        .chain(live)
        .collect()
}

fn ended_attempt(row: &AttemptRow) -> AttemptView<'_> {
    AttemptView {
        n: row.n,
        provider: &row.provider,
        provider_id: row.provider_id.as_deref(),
        status: &row.outcome,
        submitted_at: row.begun_at.iso8601(),
        ended_at: Some(row.ended_at.iso8601()),
        heard_by: Some(&row.heard_by),
        delay_ms: row.delay_ms,
        execution_ms: row.execution_ms,
        error: row.error_json.as_ref().map(error_view),
    }
}

pub fn metrics(record: &Record) -> Metrics {
    let opened_at = record.job.opened_at;
    Metrics {
        queue_ms: record.job.started_at.map(|at| at.since_ms(opened_at)),
        execution_ms: record.execution_ms,
        total_ms: record.completed_at.map(|at| at.since_ms(opened_at)),
    }
}

fn urls(id: JobId, result: Option<String>) -> Urls {
    Urls {
        status: format!("/api/queue/status/{id}"),
        events: format!("/api/queue/events/{id}"),
        cancel: format!("/api/queue/cancel/{id}"),
        retry: format!("/api/queue/retry/{id}"),
        result,
    }
}
