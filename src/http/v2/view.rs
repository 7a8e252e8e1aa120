//! Jobs, outputs and assets as the Comfy API shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::App;
use crate::http::view::{metrics, whole, Metrics};
use crate::id::{AssetId, JobId};
use crate::job::{Failure, Progress};
use crate::media::Kind;
use crate::queue::assets::Found;
use crate::queue::links::{expires_at, signed};
use crate::queue::listen::Standing;
use crate::store::assets::Asset;
use crate::store::jobs::{Full, Record};
use crate::time::UnixMillis;

#[derive(Serialize)]
pub struct JobView<'a> {
    id: JobId,
    status: &'static str,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    expires_at: String,
    pub queue_position: Option<usize>,
    /// Ours: when the job may be expected to end; null once it has.
    estimated_completed_at: Option<String>,
    progress: Option<Progress>,
    outputs: Vec<OutputView<'a>>,
    error: Option<ErrorView<'a>>,
    metrics: Metrics,
    metadata: &'a BTreeMap<String, String>,
    urls: Urls,
}

#[derive(Serialize)]
pub struct OutputView<'a> {
    node_id: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    content_type: &'a str,
    size_bytes: u64,
    id: String,
    hash: String,
    url: String,
    url_expires_at: String,
    job_id: JobId,
}

#[derive(Serialize)]
pub struct AssetView<'a> {
    id: String,
    hash: String,
    size_bytes: u64,
    content_type: &'a str,
    file_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_new: Option<bool>,
    created_at: String,
    pub url: String,
    url_expires_at: String,
    expires_at: String,
    job_id: Option<JobId>,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    code: &'static str,
    message: &'a str,
    node_id: Option<&'a str>,
    class_type: Option<&'a str>,
    /// No provider tells one.
    traceback: Option<&'a str>,
}

#[derive(Serialize)]
struct Urls {
    #[serde(rename = "self")]
    status: String,
    events: String,
    cancel: String,
    workflow: String,
}

#[derive(Serialize)]
pub struct StatusView {
    status: &'static str,
    queue_position: Option<usize>,
}

/// The data of a `status` event.
pub fn status(standing: Standing<'_>) -> StatusView {
    StatusView {
        status: standing.full.record.job.status.as_str(),
        queue_position: standing.position,
    }
}

pub fn job<'a>(app: &App, full: &'a Full, progress: Option<Progress>) -> JobView<'a> {
    let record = &full.record;
    let state = &record.job;
    let outputs = 0..full.outputs.len();
    JobView {
        id: state.id,
        status: state.status.as_str(),
        created_at: record.accepted.created_at.iso8601(),
        started_at: state.started_at.map(UnixMillis::iso8601),
        completed_at: record.completed_at.map(UnixMillis::iso8601),
        expires_at: expires_at(app, record).iso8601(),
        queue_position: None,
        estimated_completed_at: estimate(record).map(UnixMillis::iso8601),
        progress: progress.or_else(|| whole(state.status)),
        outputs: outputs.map(|i| output(app, full, i)).collect(),
        error: record.error.as_ref().map(error_view),
        metrics: metrics(record),
        metadata: &record.accepted.labels,
        urls: urls(state.id),
    }
}

/// As usual for its template, from its beginning or else from when it was asked for.
fn estimate(record: &Record) -> Option<UnixMillis> {
    let job = &record.job;
    let from = job.started_at.unwrap_or(job.opened_at);
    (!job.status.is_terminal()).then(|| from.plus_ms(record.accepted.usual_ms))
}

pub fn output<'a>(app: &App, full: &'a Full, i: usize) -> OutputView<'a> {
    let output = &full.outputs[i];
    let job = full.record.job.id;
    let (url, url_expires_at) = link(app, &output.key, expires_at(app, &full.record));
    OutputView {
        // The contract knows no output without a node; a worker that renames files tells none.
        node_id: output.node_id.as_deref().unwrap_or_default(),
        name: &output.name,
        kind: output.kind,
        content_type: &output.content_type,
        size_bytes: output.size_bytes,
        id: AssetId::of_output(job, output.i).to_string(),
        hash: hash_of(&output.hash),
        url,
        url_expires_at,
        job_id: job,
    }
}

pub fn found<'a>(app: &App, found: &'a Found) -> AssetView<'a> {
    match found {
        Found::Upload(asset) => upload(app, asset),
        Found::Output { job: full, i } => {
            let output = output(app, full, *i);
            let record = &full.record;
            let made_at = record.completed_at.unwrap_or(record.accepted.created_at);
            AssetView {
                id: output.id,
                hash: output.hash,
                size_bytes: output.size_bytes,
                content_type: output.content_type,
                file_path: Some(output.name),
                created_new: None,
                created_at: made_at.iso8601(),
                url: output.url,
                url_expires_at: output.url_expires_at,
                expires_at: expires_at(app, record).iso8601(),
                job_id: Some(output.job_id),
            }
        }
    }
}

pub fn upload<'a>(app: &App, asset: &'a Asset) -> AssetView<'a> {
    let kept_until = asset.created_at.plus_ms(app.config.retention.upload_ms);
    let (url, url_expires_at) = link(app, &asset.key, kept_until);
    let id = AssetId::of_upload(&asset.hash);
    AssetView {
        id: id.map(|id| id.to_string()).unwrap_or_default(),
        hash: hash_of(&asset.hash),
        size_bytes: asset.size_bytes,
        content_type: &asset.content_type,
        file_path: asset.name.as_deref(),
        created_new: None,
        created_at: asset.created_at.iso8601(),
        url,
        url_expires_at,
        expires_at: kept_until.iso8601(),
        job_id: None,
    }
}

/// This surface promises absolute links.
fn link(app: &App, key: &str, expires_at: UnixMillis) -> (String, String) {
    let (path, ends_at) = signed(app, key, expires_at);
    let url = format!("{}{path}", app.config.public_url);
    (url, ends_at.iso8601())
}

fn hash_of(hash: &str) -> String {
    format!("blake3:{hash}")
}

fn error_view(failure: &Failure) -> ErrorView<'_> {
    ErrorView {
        code: failure.code.as_str(),
        message: &failure.message,
        node_id: failure.node_id.as_deref(),
        class_type: failure.class_type.as_deref(),
        traceback: None,
    }
}

fn urls(id: JobId) -> Urls {
    let status = format!("/api/v2/jobs/{id}");
    Urls {
        events: format!("{status}/events"),
        cancel: format!("{status}/cancel"),
        workflow: format!("{status}/workflow"),
        status,
    }
}
