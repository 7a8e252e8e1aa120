//! `/api/gpu/*`: the GPU side.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::auth::Caller;
use super::error::ApiError;
use crate::app::App;
use crate::queue::endpoints::{self, Endpoint};
use crate::queue::health as health_verb;
use crate::time::UnixMillis;

/// `GET /api/gpu/health`: the endpoint's workers, as its provider counts them.
pub async fn health(State(app): State<Arc<App>>, Caller(_): Caller) -> Result<Answer, ApiError> {
    let (provider, health) = health_verb::gpu(&app).await;
    let endpoint = endpoints::current(&app).await?;
    let body = json!({
        "provider": provider,
        "health": health,
        "endpoint": EndpointView::of(&endpoint),
    });
    Answer::ok(&body)
}

/// An endpoint and its gate.
#[derive(Serialize)]
pub struct EndpointView<'a> {
    name: &'a str,
    /// Since when nothing is submitted to it.
    paused_at: Option<String>,
    /// Since when it shows no worker although jobs wait there.
    no_worker_since: Option<String>,
    gate: Option<GateView>,
}

#[derive(Serialize)]
struct GateView {
    jobs_at_endpoint: usize,
    jobs_waiting: usize,
    /// Until when it refuses jobs, as its last answers say.
    closed_until: Option<String>,
}

impl<'a> EndpointView<'a> {
    pub fn of(endpoint: &'a Endpoint) -> Self {
        let gate = endpoint.standing.as_ref().map(|standing| GateView {
            jobs_at_endpoint: standing.at_endpoint,
            jobs_waiting: standing.waiting,
            closed_until: standing.closed_until.map(UnixMillis::iso8601),
        });
        Self {
            name: &endpoint.row.endpoint,
            paused_at: endpoint.row.paused_at.map(UnixMillis::iso8601),
            no_worker_since: endpoint.row.no_worker_since.map(UnixMillis::iso8601),
            gate,
        }
    }
}
