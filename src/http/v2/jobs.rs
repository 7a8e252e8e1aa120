//! `/api/v2/jobs/*`: submit, look, listen, cancel.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{answer, view};
use crate::app::App;
use crate::http::auth::Caller;
use crate::http::error::{ApiError, Code};
use crate::http::limits::{Bodies, CREATE_BYTES_MAX};
use crate::http::path::Path;
use crate::http::{create_body, parsed, queue, view as own};
use crate::id::Secret;
use crate::ports::Surface;
use crate::queue::{cancel as cancel_verb, create, gate, read};
use crate::store::jobs::Full;
use crate::workflow::violation::{pointer_step, Violation};

/// What a body may name: the contract's fields, and those that ours adds.
const FIELDS: [&str; 8] = [
    "workflow",
    "extra_data",
    "metadata",
    "template",
    "inputs",
    "priority",
    "webhook_url",
    "webhook_events_filter",
];

#[derive(Serialize)]
struct Workflow {
    workflow: Value,
    format: &'static str,
}

/// `POST /api/v2/jobs`: records a workflow, or a template with its inputs, as a job.
pub async fn submit(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bodies = Bodies::of(&app, &call.rights);
    let bytes = bodies.read(&headers, body, CREATE_BYTES_MAX).await?;
    let (mut fields, _share) = parsed::object(&bodies.room, &bytes)?;
    let partner_key = partner_key(fields.remove("extra_data"));
    let mut request = create_body::of_fields(&headers, own_fields(fields)?)?;
    match partner_key {
        Ok(key) => request.partner_key = key,
        Err(violation) => request.violations.push(violation),
    }
    for violation in &mut request.violations {
        // The caller's own word for them.
        if let Some(rest) = violation.path.strip_prefix("/labels") {
            violation.path = format!("/metadata{rest}");
        }
    }
    let created = create::create(&app, &call, request).await?;
    let full = own::accepted(&created.record);
    let mut response = answer(StatusCode::CREATED, &view::job(&app, &full, None))?;
    if created.replayed {
        response.headers_mut().insert(
            HeaderName::from_static("idempotent-replayed"),
            HeaderValue::from_static("true"),
        );
    }
    Ok(response)
}

/// The same request in the words of our own API.
fn own_fields(mut fields: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let message = format!("there is no field {unknown} here; {}", FIELDS.join(", "));
        return Err(wrong(&format!("/{unknown}"), &message));
    }
    let named = ["workflow", "template"].map(|name| fields.get(name).is_some_and(|v| !v.is_null()));
    match named {
        [false, false] => return Err(wrong("/workflow", "a workflow is wanted, or a template")),
        [true, true] => return Err(wrong("/template", "either a workflow or a template")),
        [true, false] | [false, true] => {}
    }
    if named[0] && !fields["workflow"].is_object() {
        return Err(wrong(
            "/workflow",
            "an API-format workflow is an object of nodes",
        ));
    }
    if let Some(labels) = fields.remove("metadata") {
        fields.insert("labels".into(), labels);
    }
    Ok(fields)
}

/// What goes to the GPU beside the workflow: a closed object, as the contract has it.
fn partner_key(extra_data: Option<Value>) -> Result<Option<Secret>, Violation> {
    const KEY: &str = "api_key_comfy_org";
    let refused = |path: &str, message: &str| Err(Violation::new(path, "wrong_type", message));
    let mut given = match extra_data {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(given)) => given,
        Some(_) => return refused("/extra_data", "an object"),
    };
    let key = given.remove(KEY);
    if let Some(unknown) = given.keys().next() {
        let path = format!("/extra_data/{}", pointer_step(unknown));
        return refused(&path, "only api_key_comfy_org is taken here");
    }
    match key {
        None | Some(Value::Null) => Ok(None),
        Some(key) => match key.as_str().and_then(Secret::parse) {
            Some(key) => Ok(Some(key)),
            None => refused(
                "/extra_data/api_key_comfy_org",
                "a key is 1 to 512 visible ASCII characters",
            ),
        },
    }
}

/// `GET /api/v2/jobs/{id}`: the job now.
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let full = read::job(&app, &call, queue::job_id(&id)?).await?;
    let full = full.ok_or_else(ApiError::no_job)?;
    let progress = read::progress(&app, &full).await;
    let mut shown = view::job(&app, &full, progress);
    shown.queue_position = gate::position(&app, &full.record).await;
    answer(StatusCode::OK, &shown)
}

/// `GET /api/v2/jobs/{id}/workflow`: what the job runs, as its caller would submit it again.
pub async fn workflow(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let full = read::job(&app, &call, queue::job_id(&id)?).await?;
    let full: Full = full.ok_or_else(ApiError::no_job)?;
    let workflow = read::workflow(&app, &full.record).await?;
    let shown = Workflow {
        workflow: workflow.ok_or_else(ApiError::no_job)?,
        format: "api",
    };
    answer(StatusCode::OK, &shown)
}

/// `GET /api/v2/jobs/{id}/events`: server-sent events until the job has ended.
pub async fn events(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let full = read::job(&app, &call, queue::job_id(&id)?).await?;
    let full = full.ok_or_else(ApiError::no_job)?;
    queue::stream(&app, &full, Surface::Comfy, &headers).await
}

/// `POST /api/v2/jobs/{id}/cancel`: asks for the end; twice is the same as once.
pub async fn cancel(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found = cancel_verb::cancel(&app, &call, queue::job_id(&id)?).await?;
    let full = found.ok_or_else(ApiError::no_job)?;
    answer(StatusCode::OK, &view::job(&app, &full, None))
}

fn wrong(path: &str, message: &str) -> ApiError {
    ApiError::at(Code::ContractViolation, path, "wrong_type", message)
}
