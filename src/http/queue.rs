//! `/api/queue/*`: jobs, as our own API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{header, HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{blob_response, Answer};
use super::auth::Caller;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use super::path::Path;
use super::{create_body, rate, view};
use crate::app::App;
use crate::id::JobId;
use crate::job::JobStatus;
use crate::ports::{Listen, Listening, Surface};
use crate::queue::listen::{story, Seen, Standing};
use crate::queue::retry::Retried;
use crate::queue::{cancel as cancel_verb, create as create_verb, gate, read, retry as retry_verb};
use crate::store::jobs::{Filter, Full};

/// The longest held status request; holding costs the job's object its time.
const WAIT_S_MAX: u32 = 30;
const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: u32 = 100;

#[derive(Serialize)]
struct OneJob<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    job: view::JobView<'a>,
}

#[derive(Serialize)]
struct JobPage<'a> {
    data: Vec<view::JobView<'a>>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// `POST /api/queue/create`: JSON or a form; answers the accepted job at once.
pub async fn create(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let bodies = Bodies::of(&app, &call.rights);
    let (request, _held) = create_body::read(&bodies, &headers, body).await?;
    let created = create_verb::create(&app, &call, request).await?;
    let full = view::accepted(&created.record);
    let answer = Answer::ok(&OneJob {
        job_id: Some(created.record.job.id),
        job: view::job(&app, &full),
    })?;
    let answer = answer.headers(created.meter.iter().flat_map(rate::headers).collect());
    Ok(if created.replayed {
        answer.header(HeaderName::from_static("idempotent-replayed"), "true")
    } else {
        answer
    })
}

/// `GET /api/queue/status/{id}`: the job now, or with `?wait=` seconds at its next change.
pub async fn status(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = job_id(&id)?;
    let wait_s = match query.get("wait") {
        None => 0,
        Some(text) => text.parse::<u32>().map_err(|_| {
            let message = format!("wait is a whole number of seconds, at most {WAIT_S_MAX}");
            ApiError::at(Code::InvalidRequest, "/wait", "wrong_type", &message)
        })?,
    };
    let limit_ms = wait_s.min(WAIT_S_MAX) * 1000;
    let found = read::job_after(&app, &call, id, limit_ms).await?;
    let full = found.ok_or_else(ApiError::no_job)?;
    let position = gate::position(&app, &full.record).await;
    let progress = read::progress(&app, &full).await;
    let answer = Answer::ok(&OneJob {
        job_id: None,
        job: view::live_job(&app, &full, progress).at_position(position),
    })?;
    let etag = answer.etag();
    if if_none_match(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    Ok(answer.header(header::ETAG, &etag).into_response())
}

/// `GET /api/queue/events/{id}`: server-sent events until the job has ended.
pub async fn events(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let full = read::job(&app, &call, job_id(&id)?).await?;
    let full = full.ok_or_else(ApiError::no_job)?;
    stream(&app, &full, Surface::Queue, &headers).await
}

/// The job's events in the words of `surface`, after the one that the caller saw last.
pub async fn stream(
    app: &App,
    full: &Full,
    surface: Surface,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let after = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let job = &full.record.job;
    let mut response = if job.status.is_terminal() {
        // A finished job is answered from the row: its watcher stays asleep.
        let seen = after
            .and_then(Seen::parse)
            .filter(|s| s.version <= job.version);
        let position = None;
        let standing = Standing { full, position };
        let seen = seen.unwrap_or_default();
        let (frames, _) = story(&view::RENDER, app, standing, surface, seen);
        if frames.is_empty() {
            // Tells a client that reconnects by itself to stop.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Body::from(frames).into_response()
    } else {
        match read::events(app, job.id, Listen { surface, after }).await? {
            Listening::Stream(body) => blob_response(body),
            Listening::Full => return Err(ApiError::too_many_streams()),
        }
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        axum::http::HeaderValue::from_static("text/event-stream"),
    );
    Ok(response)
}

/// `POST /api/queue/cancel/{id}`: asks for the end; twice is the same as once.
pub async fn cancel(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let found = cancel_verb::cancel(&app, &call, job_id(&id)?).await?;
    one_job(&app, &found.ok_or_else(ApiError::no_job)?)
}

/// `POST /api/queue/retry/{id}`: another round of a job that ended without a result.
pub async fn retry(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    match retry_verb::retry(&app, &call, job_id(&id)?).await? {
        Retried::Job(full) => one_job(&app, &full),
        Retried::NoJob => Err(ApiError::no_job()),
        Retried::Denied(denied) => Err(denied.into()),
        Retried::Succeeded => {
            let message = "the job has succeeded; create another one to run it again";
            Err(ApiError::new(Code::Conflict, message))
        }
        Retried::StillStopping => {
            let message = "the last attempt is still being stopped; try again in a moment";
            Err(ApiError::new(Code::Conflict, message))
        }
    }
}

/// `GET /api/queue/list`: the caller's jobs, newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let (filter, limit) = filter(&query)?;
    let page = read::list(&app, &call, &filter, limit).await?;
    let jobs: Vec<Full> = page.jobs.into_iter().map(Full::bare).collect();
    Answer::ok(&JobPage {
        data: jobs.iter().map(|full| view::job(&app, full)).collect(),
        has_more: page.next.is_some(),
        next_cursor: page.next,
    })
}

fn one_job(app: &App, full: &Full) -> Result<Answer, ApiError> {
    Answer::ok(&OneJob {
        job_id: None,
        job: view::job(app, full),
    })
}

/// A malformed id names no job.
pub fn job_id(text: &str) -> Result<JobId, ApiError> {
    JobId::parse(text).ok_or_else(ApiError::no_job)
}

/// Whether the caller has this already.
pub fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get(header::IF_NONE_MATCH);
    let Some(given) = given.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut tags = given
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag == etag)
}

pub fn filter(query: &BTreeMap<String, String>) -> Result<(Filter, u32), ApiError> {
    let wrong = |name: &str, message: &str| {
        ApiError::at(
            Code::InvalidRequest,
            &format!("/{name}"),
            "wrong_type",
            message,
        )
    };
    let mut filter = Filter::default();
    let mut limit = PAGE_DEFAULT;
    for (name, value) in query {
        match name.as_str() {
            "limit" => {
                let asked: u32 = value.parse().map_err(|_| wrong(name, "a whole number"))?;
                limit = asked.clamp(1, PAGE_MAX);
            }
            "cursor" => {
                let id = JobId::parse(value);
                filter.before = Some(id.ok_or_else(|| wrong(name, "a next_cursor of ours"))?);
            }
            "status" => {
                let status = JobStatus::parse(value);
                filter.status = Some(status.ok_or_else(|| wrong(name, "a job status"))?);
            }
            "template" => filter.template = Some(value.clone()),
            "created_after" => {
                let at = create_body::moment(value);
                let at = at.ok_or_else(|| wrong(name, create_body::MOMENT_WANTED))?;
                filter.created_after = Some(JobId::mint(at, [0; 10]));
            }
            label => match label.strip_prefix("label.") {
                Some(key) if create_body::label_key_fits(key) => {
                    filter.labels.insert(key.to_owned(), value.clone());
                }
                _ => return Err(wrong(name, "no such filter")),
            },
        }
    }
    Ok((filter, limit))
}
