//! Errors as callers see them. What is ours never explains itself; the log has the rest.

mod refusals;

use axum::http::{header, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::rate;
use super::v2::surface_of;
use crate::config::Problem;
use crate::id::JobId;
use crate::ports::Surface;
use crate::queue::allow::Meter;
use crate::time::UnixMillis;
use crate::workflow::violation::Violation;

/// Seconds after which a passing failure of ours is worth another try.
const RETRY_AFTER_S: u32 = 2;

/// Seconds after which a listener may have left.
const STREAMS_RETRY_AFTER_S: u32 = 15;

/// Every error code of the API with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidJson,
    InvalidRequest,
    ContractViolation,
    WorkflowInvalid,
    WorkflowFormatUi,
    IdempotencyMismatch,
    MissingAsset,
    Unauthorized,
    BudgetExhausted,
    InsufficientCredits,
    Forbidden,
    NotFound,
    BlobNotFound,
    Expired,
    Conflict,
    AssetInUse,
    HashMismatch,
    PayloadTooLarge,
    UnsupportedMediaType,
    MethodNotAllowed,
    RangeNotSatisfiable,
    RateLimited,
    QueueFull,
    TooManyStreams,
    Unavailable,
    Internal,
}

impl Code {
    /// The stable name, the status, and the title of the kind of error.
    pub(super) const fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidJson => ("invalid_json", 400, "The body is not JSON"),
            Self::InvalidRequest => ("invalid_request", 400, "The request is malformed"),
            Self::ContractViolation => ("contract_violation", 422, "The inputs break the contract"),
            Self::WorkflowInvalid => ("workflow_invalid", 422, "The workflow cannot run"),
            Self::WorkflowFormatUi => {
                ("workflow_format_ui", 422, "The workflow is an editor graph")
            }
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                422,
                "The key was used for another request",
            ),
            Self::MissingAsset => ("missing_asset", 422, "A file is not there"),
            Self::Unauthorized => ("unauthorized", 401, "A key is needed"),
            Self::BudgetExhausted => ("budget_exhausted", 402, "The budget is used up"),
            Self::InsufficientCredits => ("insufficient_credits", 402, "Not enough credits"),
            Self::Forbidden => ("forbidden", 403, "Not allowed with this key"),
            Self::NotFound => ("not_found", 404, "There is no such thing"),
            Self::BlobNotFound => ("blob_not_found", 404, "There are no such bytes"),
            Self::Expired => ("expired", 410, "It is gone"),
            Self::Conflict => ("conflict", 409, "Not in this state"),
            Self::AssetInUse => ("asset_in_use", 409, "Something still needs it"),
            Self::HashMismatch => ("hash_mismatch", 409, "Other bytes than announced"),
            Self::PayloadTooLarge => ("payload_too_large", 413, "Too large"),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415, "Not in this format"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "Not with this method"),
            Self::RangeNotSatisfiable => ("range_not_satisfiable", 416, "Nothing in this range"),
            Self::RateLimited => ("rate_limited", 429, "Too many at once"),
            Self::QueueFull => ("queue_full", 429, "The queue is full"),
            Self::TooManyStreams => ("too_many_streams", 429, "Too many listeners"),
            Self::Unavailable => ("unavailable", 503, "Not possible right now"),
            Self::Internal => ("internal", 500, "An error of ours"),
        }
    }
}

/// An error on its way to the caller. Boxed: the good case should not carry its size.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Fault>);

#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub code: Code,
    pub message: String,
    pub details: Vec<Violation>,
    node_errors: Option<Box<RawValue>>,
    retry_after_s: Option<u32>,
    pub job_id: Option<JobId>,
    /// Until when it was kept.
    pub expired_at: Option<UnixMillis>,
    /// For the log only.
    cause: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Settings that are missing or wrong: the reason why nothing is served.
    problems: Vec<Problem>,
}

/// The body: the envelope's own members, and RFC 9457's beside them.
#[derive(Serialize)]
struct Shown<'a> {
    ok: bool,
    error: &'a str,
    message: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    details: &'a [Violation],
    /// Where ComfyUI has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_errors: Option<&'a RawValue>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks<'a>>,
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
}

/// As in `GET /api/health`.
#[derive(Serialize)]
struct Checks<'a> {
    configuration: &'a [Problem],
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Fault {
            code,
            message: message.into(),
            details: Vec::new(),
            node_errors: None,
            retry_after_s: None,
            job_id: None,
            expired_at: None,
            cause: None,
            headers: Vec::new(),
            problems: Vec::new(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Fault)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn violations(code: Code, details: Vec<Violation>) -> Self {
        let message = match details.as_slice() {
            [only] => only.message.clone(),
            all => format!("{} things are wrong; details names each", all.len()),
        };
        Self::new(code, message).with(|fault| fault.details = details)
    }

    /// One violation of the form of the request.
    pub fn at(code: Code, path: &str, kind: &'static str, message: &str) -> Self {
        Self::violations(code, vec![Violation::new(path, kind, message)])
    }

    pub fn internal(cause: &dyn std::error::Error) -> Self {
        let message = "something on our side failed; it has been logged";
        Self::new(Code::Internal, message).with(|fault| fault.cause = Some(cause.to_string()))
    }

    pub fn unavailable(message: &str) -> Self {
        Self::later(Code::Unavailable, message, RETRY_AFTER_S)
    }

    /// Worth another try after `seconds`.
    pub fn later(code: Code, message: impl Into<String>, seconds: u32) -> Self {
        Self::new(code, message).with(|fault| fault.retry_after_s = Some(seconds))
    }

    /// Not passing: an operator has to act.
    pub fn unconfigured(problems: Vec<Problem>) -> Self {
        let message = "the service is not configured; checks.configuration names what is missing";
        Self::new(Code::Unavailable, message).with(|fault| fault.problems = problems)
    }

    pub fn range(size_bytes: u64) -> Self {
        let error = Self::new(Code::RangeNotSatisfiable, "the result has no bytes there");
        let range = HeaderValue::from_str(&format!("bytes */{size_bytes}")).ok();
        let range = range.map(|range| (header::CONTENT_RANGE, range));
        error.with(|fault| fault.headers.extend(range))
    }

    fn metered(self, meter: &Meter) -> Self {
        self.with(|fault| fault.headers.extend(rate::headers(meter)))
    }

    pub fn too_many_streams() -> Self {
        let message = "the job has as many listeners as it can have; ask for its status instead";
        let error = Self::new(Code::TooManyStreams, message);
        error.with(|fault| fault.retry_after_s = Some(STREAMS_RETRY_AFTER_S))
    }

    pub fn no_job() -> Self {
        Self::new(Code::NotFound, "there is no such job")
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.parts().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.0
    }

    /// For the log; never shown.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    pub fn render(&self, request_id: &str, instance: &str, as_problem: bool) -> Response {
        let fault = &*self.0;
        let (error, status, title) = fault.code.parts();
        let shown = Shown {
            ok: false,
            error,
            message: &fault.message,
            request_id,
            details: &fault.details,
            node_errors: fault.node_errors.as_deref(),
            retryable: fault.retry_after_s.is_some(),
            job_id: fault.job_id,
            expired_at: fault.expired_at.map(UnixMillis::iso8601),
            checks: (!fault.problems.is_empty()).then_some(Checks {
                configuration: &fault.problems,
            }),
            kind: format!("urn:edge-queue:error:{error}"),
            title,
            status,
            detail: &fault.message,
            instance,
        };
        let body = serde_json::to_vec(&shown).unwrap_or_default();
        let content_type = if as_problem {
            "application/problem+json"
        } else {
            "application/json"
        };
        self.respond(content_type, body)
    }

    /// A body with the status and the headers of this error.
    pub(super) fn respond(&self, content_type: &'static str, body: Vec<u8>) -> Response {
        let fault = &*self.0;
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.extend(
            fault
                .retry_after_s
                .map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))),
        );
        headers.extend(fault.headers.iter().cloned());
        if fault.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The fallback for paths that no route has.
pub async fn no_route(uri: Uri) -> ApiError {
    let message = match surface_of(uri.path()) {
        Surface::Queue => "there is no such route; docs/API.md lists them",
        Surface::Comfy => {
            "there is no such route; a Comfy client's base URL is this origin without a path"
        }
    };
    ApiError::new(Code::NotFound, message)
}

/// The fallback for methods that a route does not have; axum adds `Allow`.
pub async fn wrong_method() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "this route takes another method; the header Allow names it",
    )
}
