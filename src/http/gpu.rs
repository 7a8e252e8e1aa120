//! `/api/gpu/*`: the GPU side.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;

use super::answer::Answer;
use super::auth::Caller;
use super::error::ApiError;
use crate::app::App;
use crate::queue::health as health_verb;

/// `GET /api/gpu/health`: the endpoint's workers, as its provider counts them.
pub async fn health(State(app): State<Arc<App>>, Caller(_): Caller) -> Result<Answer, ApiError> {
    let (provider, health) = health_verb::gpu(&app).await;
    Answer::ok(&json!({ "provider": provider, "health": health }))
}
