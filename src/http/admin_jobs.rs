//! `/api/admin/jobs/*`: everybody's jobs, for the operator, who acts on them as their caller would.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::auth::{Caller, Operator};
use super::deliveries;
use super::error::ApiError;
use super::path::Path;
use super::queue::{self, filter, job_id};
use super::view;
use crate::app::App;
use crate::id::CallerId;
use crate::queue::{read, Call};
use crate::store::jobs::Full;

#[derive(Serialize)]
struct AnyJob<'a> {
    caller: &'a str,
    job: view::JobView<'a>,
}

/// `GET /api/admin/jobs`: the jobs of all callers, or of one, newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let caller = query.remove("caller").map(CallerId::new);
    let (filter, limit) = filter(&query)?;
    let page = read::list_all(&app, caller.as_ref(), &filter, limit).await?;
    let jobs: Vec<Full> = page.jobs.into_iter().map(Full::bare).collect();
    let jobs: Vec<AnyJob> = jobs
        .iter()
        .map(|full| AnyJob {
            caller: full.record.accepted.caller.as_str(),
            job: view::job(&app, full),
        })
        .collect();
    Answer::ok(&json!({ "data": jobs, "has_more": page.next.is_some(), "next_cursor": page.next }))
}

/// `GET /api/admin/jobs/{id}`: the job now, as its caller sees it.
pub async fn status(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
    query: Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = as_its_caller(&app, call, &id).await?;
    queue::status(State(app), caller, Path(id), query, headers).await
}

/// `POST /api/admin/jobs/{id}/cancel`: as its caller would.
pub async fn cancel(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = as_its_caller(&app, call, &id).await?;
    queue::cancel(State(app), caller, Path(id)).await
}

/// `POST /api/admin/jobs/{id}/retry`: as its caller would, charged to nobody.
pub async fn retry(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = as_its_caller(&app, call, &id).await?;
    queue::retry(State(app), caller, Path(id)).await
}

/// `GET /api/admin/jobs/{id}/deliveries`: what its caller was told of it.
pub async fn told(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = as_its_caller(&app, call, &id).await?;
    deliveries::of_job(State(app), caller, Path(id)).await
}

/// `POST /api/admin/jobs/{id}/replay`: tells its caller again, as the caller would ask.
pub async fn replay(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let caller = as_its_caller(&app, call, &id).await?;
    deliveries::replay(State(app), caller, Path(id), headers, body).await
}

/// The operator's call, in the name of the job's owner and with the operator's rights.
async fn as_its_caller(app: &App, call: Call, id: &str) -> Result<Caller, ApiError> {
    let owner = read::owner(app, job_id(id)?).await?;
    let caller = owner.ok_or_else(ApiError::no_job)?;
    Ok(Caller(Call { caller, ..call }))
}
