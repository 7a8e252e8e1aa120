//! What a webhook carries: what happened, as the job was then, and links to what it made. Below
//! 20 kB, as Standard Webhooks recommends: a receiver that wants more reads the job.

use std::collections::BTreeMap;

use litemap::LiteMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::app::App;
use crate::id::{JobId, RequestKey};
use crate::job::{Failure, JobStatus};
use crate::media::Kind;
use crate::notify;
use crate::parse;
use crate::queue::links;
use crate::store::deliveries::Delivery;
use crate::store::jobs::{Full, OutputRow};
use crate::workflow::template;

/// Outputs that do not fit are left out. Everything else stays below it: labels take 5 kB, twice
/// that where every character is escaped.
const BODY_BYTES_MAX: usize = 20_000;
/// What a contract echoes is a name or a number of the caller's.
const ECHO_BYTES_MAX: usize = 2_000;
/// The whole message is in the job.
const MESSAGE_LENGTH_MAX: usize = 300;

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    event_type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    job_id: JobId,
    request_key: Option<&'a str>,
    status: &'static str,
    round: u32,
    template: &'a str,
    template_version: &'a str,
    labels: &'a BTreeMap<String, String>,
    echo: LiteMap<&'a str, Box<RawValue>>,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    queue_ms: Option<u64>,
    execution_ms: Option<u64>,
    total_ms: Option<u64>,
    result_url: Option<String>,
    outputs: Vec<Box<RawValue>>,
    outputs_left_out: usize,
    error: Option<ErrorData<'a>>,
    job_url: String,
    retry_url: String,
}

#[derive(Serialize)]
struct ErrorData<'a> {
    code: &'static str,
    cause: &'static str,
    message: String,
    retryable: bool,
    node_id: Option<&'a str>,
    class_type: Option<&'a str>,
}

#[derive(Serialize)]
struct OutputData<'a> {
    url: String,
    key: &'a str,
    kind: Kind,
    content_type: &'a str,
    size_bytes: u64,
    hash: &'a str,
    name: &'a str,
    node_id: Option<&'a str>,
    label: Option<&'a str>,
    width: Option<u32>,
    height: Option<u32>,
}

/// The body, made anew for every try: its links are as fresh as the try.
pub fn body(app: &App, full: &Full, delivery: &Delivery) -> String {
    let accepted = &full.record.accepted;
    let then = &delivery.then;
    let origin = &app.config.public_url;
    let id = delivery.event.job;
    let made = match delivery.event.status {
        JobStatus::Succeeded => full.outputs.as_slice(),
        JobStatus::Queued
        | JobStatus::Running
        | JobStatus::Canceling
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Expired => &[],
    };
    let mut payload = Payload {
        event_type: notify::event_type(delivery.event.status),
        timestamp: delivery.happened_at.iso8601(),
        data: Data {
            job_id: id,
            request_key: accepted.request_key.as_ref().map(RequestKey::as_str),
            status: delivery.event.status.as_str(),
            round: delivery.event.round,
            template: &accepted.template,
            template_version: &accepted.template_version,
            labels: &accepted.labels,
            echo: echo(full),
            created_at: accepted.created_at.iso8601(),
            started_at: then.started_at.map(crate::time::UnixMillis::iso8601),
            completed_at: then.completed_at.map(crate::time::UnixMillis::iso8601),
            queue_ms: then.started_at.map(|at| at.since_ms(then.opened_at)),
            execution_ms: then.execution_ms,
            total_ms: then.completed_at.map(|at| at.since_ms(then.opened_at)),
            result_url: made.first().map(|output| link(app, full, output)),
            outputs: Vec::new(),
            outputs_left_out: made.len(),
            error: then.error.as_ref().map(error),
            job_url: format!("{origin}/api/queue/status/{id}"),
            retry_url: format!("{origin}/api/queue/retry/{id}"),
        },
    };
    let bare = text(&payload);
    let data = &mut payload.data;
    data.outputs = outputs(app, full, made, BODY_BYTES_MAX.saturating_sub(bare.len()));
    data.outputs_left_out = made.len() - data.outputs.len();
    text(&payload)
}

/// Our own types always serialize: they hold no maps with other keys than text.
fn text(payload: &Payload) -> String {
    serde_json::to_string(payload).unwrap_or_default()
}

/// As many as there is room for, in order.
fn outputs(app: &App, full: &Full, made: &[OutputRow], bytes_max: usize) -> Vec<Box<RawValue>> {
    let mut left = bytes_max;
    let shown = made.iter().map_while(|output| {
        let one = serde_json::value::to_raw_value(&OutputData {
            url: link(app, full, output),
            key: &output.key,
            kind: output.kind,
            content_type: &output.content_type,
            size_bytes: output.size_bytes,
            hash: &output.hash,
            name: &output.name,
            node_id: output.node_id.as_deref(),
            label: output.label.as_deref(),
            width: output.width,
            height: output.height,
        });
        let one = one.ok()?;
        left = left.checked_sub(one.get().len() + 1)?;
        Some(one)
    });
    shown.collect()
}

fn link(app: &App, full: &Full, output: &OutputRow) -> String {
    let expires_at = links::expires_at(app, &full.record);
    let (path, _) = links::signed(app, &output.key, expires_at);
    format!("{}{path}", app.config.public_url)
}

/// The inputs that the contract promises to bring back, as they were accepted.
fn echo(full: &Full) -> LiteMap<&str, Box<RawValue>> {
    let accepted = &full.record.accepted;
    let Some(template) = template::find(&accepted.template) else {
        return LiteMap::new();
    };
    let given: Result<LiteMap<String, Box<RawValue>>, _> = parse::json(accepted.inputs.get());
    let mut given = given.unwrap_or_default();
    let mut left = ECHO_BYTES_MAX;
    let names = template.contract.echo.iter();
    let shown = names.filter_map(|name| {
        let value = given.remove(name)?;
        left = left.checked_sub(value.get().len())?;
        Some((name.as_str(), value))
    });
    shown.collect()
}

fn error(failure: &Failure) -> ErrorData<'_> {
    ErrorData {
        code: failure.code.as_str(),
        cause: failure.cause.as_str(),
        message: failure.message.chars().take(MESSAGE_LENGTH_MAX).collect(),
        retryable: failure.cause.is_retryable(),
        node_id: failure.node_id.as_deref(),
        class_type: failure.class_type.as_deref(),
    }
}
