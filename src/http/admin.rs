//! `/api/admin/*`: what the operator's commands need.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::auth::Operator;
use super::error::{ApiError, Code};
use super::gpu::EndpointView;
use super::path::Path;
use super::queue::job_id;
use crate::app::App;
use crate::id::JobId;
use crate::parse;
use crate::queue::endpoints::{self, Submission};
use crate::queue::objects::{self as objects_verb, KEYS_MAX};
use crate::queue::reconcile::{self as reconcile_verb, Part};
use crate::queue::recover::{self as recover_verb, Deed};
use crate::queue::{evidence as evidence_verb, sweep as sweep_verb};
use crate::store::jobs::DueAfter;
use crate::time::UnixMillis;

/// `GET /api/admin/jobs/{id}/evidence`: the complete, redacted record of every failed call.
pub async fn evidence(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let records = evidence_verb::read(&app, job_id(&id)?).await?;
    Answer::ok(&json!({ "evidence": records }))
}

/// `GET /api/admin/jobs/{id}/recover`: what is seen of the job, and what would be done.
pub async fn recoverable(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let seen = recover_verb::look(&app, job_id(&id)?).await?;
    let seen = seen.ok_or_else(ApiError::no_job)?;
    Answer::ok(&json!({ "job": seen }))
}

/// `POST /api/admin/jobs/{id}/recover`: wakes the job's watcher, whatever it believes.
pub async fn recover(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let id = job_id(&id)?;
    let seen = recover_verb::recover(&app, id).await?;
    let seen = seen.ok_or_else(ApiError::no_job)?;
    let woken = seen.would == Deed::Wake;
    Answer::ok(&json!({ "job_id": id, "job": seen, "woken": woken }))
}

/// `GET /api/admin/overdue`: jobs past the time by which they should have ended.
pub async fn overdue(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let after = match query.get("cursor").map(String::as_str) {
        None | Some("") => None,
        Some(cursor) => Some(due_after(cursor).ok_or_else(bad_cursor)?),
    };
    let page = recover_verb::overdue(&app, after).await?;
    let next = page.next.map(|at| {
        let id = at.id.map(|id| id.to_string()).unwrap_or_default();
        format!("{}.{id}", at.due_at.get())
    });
    Answer::ok(&json!({ "jobs": page.jobs, "next_cursor": next }))
}

/// `<due_at>.<job id>`.
fn due_after(cursor: &str) -> Option<DueAfter> {
    let (due_at, id) = cursor.split_once('.')?;
    Some(DueAfter {
        due_at: UnixMillis::new(due_at.parse().ok()?),
        id: Some(JobId::parse(id)?),
    })
}

fn bad_cursor() -> ApiError {
    let message = "cursor: take next_cursor of the page before, unchanged";
    ApiError::new(Code::InvalidRequest, message)
}

/// What `POST /api/admin/reconcile` is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reconcile {
    part: Part,
    cursor: Option<String>,
    #[serde(default)]
    apply: bool,
}

/// `POST /api/admin/reconcile`: one page of what does not fit together, and its mending.
pub async fn reconcile(
    State(app): State<Arc<App>>,
    _: Operator,
    body: Bytes,
) -> Result<Answer, ApiError> {
    let asked: Reconcile = parse::json_bytes(&body).map_err(|error| {
        let message = format!("{{part, cursor?, apply?}} is wanted: {error}");
        ApiError::new(Code::InvalidRequest, message)
    })?;
    let cursor = asked.cursor.as_deref();
    let page = reconcile_verb::reconcile(&app, asked.part, cursor, asked.apply).await?;
    Answer::ok(&json!({
        "examined": page.examined,
        "findings": page.findings,
        "next_cursor": page.next,
    }))
}

/// What `POST /api/admin/objects` is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Objects {
    keys: Vec<String>,
}

/// `POST /api/admin/objects`: how large each of these objects is, or null if it is not there.
pub async fn objects(
    State(app): State<Arc<App>>,
    _: Operator,
    body: Bytes,
) -> Result<Answer, ApiError> {
    let asked = parse::json_bytes::<Objects>(&body).ok();
    let asked = asked.filter(|asked| asked.keys.len() <= KEYS_MAX);
    let asked = asked.ok_or_else(|| {
        let message = format!("{{keys}} is wanted, a list of at most {KEYS_MAX} texts");
        ApiError::new(Code::InvalidRequest, message)
    })?;
    let sizes = objects_verb::sizes(&app, &asked.keys).await?;
    Answer::ok(&json!({ "sizes": sizes }))
}

/// `POST /api/admin/sweep`: what cron does, now.
pub async fn sweep(State(app): State<Arc<App>>, _: Operator) -> Result<Answer, ApiError> {
    let woken = sweep_verb::sweep(&app).await?;
    Answer::ok(&json!({ "woken": woken }))
}

/// `POST /api/admin/pause`: nothing is submitted any more; what is at the endpoint goes on.
pub async fn pause(State(app): State<Arc<App>>, _: Operator) -> Result<Answer, ApiError> {
    submission(&app, Submission::Paused).await
}

/// `POST /api/admin/resume`: submission goes on.
pub async fn resume(State(app): State<Arc<App>>, _: Operator) -> Result<Answer, ApiError> {
    submission(&app, Submission::Open).await
}

async fn submission(app: &App, wanted: Submission) -> Result<Answer, ApiError> {
    let endpoint = endpoints::set(app, wanted).await?;
    Answer::ok(&json!({ "endpoint": EndpointView::of(&endpoint) }))
}
