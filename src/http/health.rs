//! `/api/health`: whether the service serves, and what is missing; never a value.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Router;
use serde_json::json;

use super::answer::Answer;
use super::error::ApiError;
use crate::app::App;
use crate::config::Problem;
use crate::queue::health as verb;

/// The product's version, as in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `GET /api/health`: 200 when everything a job needs answers, 503 otherwise.
pub async fn health(State(app): State<Arc<App>>) -> Result<Answer, ApiError> {
    let found = verb::health(&app).await;
    let status = if found.all_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "mode": app.config.mode().as_str(),
        "environment": app.config.environment.as_str(),
        "version": VERSION,
        "checks": {
            "configuration": "ok",
            "database": found.database,
            "object_store": found.object_store,
        },
    });
    Answer::with_status(status, &body)
}

/// Stands in for the router while settings are missing or wrong: nothing is served, and everybody
/// is told what an operator has to set, by name.
pub fn refusing(problems: Vec<Problem>) -> Router {
    let problems = Arc::new(problems);
    Router::new().fallback(move |request: Request| {
        let problems = Arc::clone(&problems);
        async move { refusal(&request, &problems) }
    })
}

fn refusal(request: &Request, problems: &[Problem]) -> Response {
    let given = request
        .headers()
        .get("x-request-id")
        .or(request.headers().get("cf-ray"));
    let request_id = given
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= 128)
        .unwrap_or("unknown");
    let message = "the service is not configured; checks.configuration names what is missing";
    let body = json!({
        "ok": false,
        "error": "unavailable",
        "message": message,
        "request_id": request_id,
        "retryable": false,
        "version": VERSION,
        "checks": { "configuration": problems },
        "type": "urn:edge-queue:error:unavailable",
        "title": "Not possible right now",
        "status": 503,
        "detail": message,
        "instance": request.uri().path(),
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::HeaderName::from_static("x-request-id"),
            request_id.to_owned(),
        ),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, body.to_string()).into_response()
}
