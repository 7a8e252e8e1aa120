//! `/api/health`: whether the service serves, and what is missing; never a value.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::Router;
use serde_json::json;

use super::answer::Answer;
use super::error::ApiError;
use super::request_id::RequestId;
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
        "version_id": app.config.version_id,
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
    let id = RequestId::given(request.headers());
    let id = id.unwrap_or_else(|| RequestId("unconfigured".into()));
    let error = ApiError::unconfigured(problems.to_vec());
    let mut response = error.render(&id.0, request.uri().path(), false);
    id.mark(response.headers_mut());
    response
}
