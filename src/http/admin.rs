//! `/api/admin/*`: what the operator's commands need.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;

use super::answer::Answer;
use super::auth::Operator;
use super::error::ApiError;
use super::gpu::EndpointView;
use super::path::Path;
use super::queue::job_id;
use crate::app::App;
use crate::queue::endpoints::{self, Submission};
use crate::queue::{evidence as evidence_verb, recover as recover_verb, sweep as sweep_verb};

/// `GET /api/admin/jobs/{id}/evidence`: the complete, redacted record of every failed call.
pub async fn evidence(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let records = evidence_verb::read(&app, job_id(&id)?).await?;
    Answer::ok(&json!({ "evidence": records }))
}

/// `POST /api/admin/jobs/{id}/recover`: wakes the job's watcher, whatever it believes.
pub async fn recover(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let id = job_id(&id)?;
    if !recover_verb::recover(&app, id).await? {
        return Err(ApiError::no_job());
    }
    Answer::ok(&json!({ "job_id": id }))
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
