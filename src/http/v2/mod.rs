//! `/api/v2/*`: the Comfy API v2, so that its official clients run on this queue.
//!
//! Other clothes for the same verbs: nothing is decided or stored here. Shapes, statuses and codes
//! are the contract's; docs/COMPAT.md lists every operation, and where ours does more.

mod assets;
pub mod error;
mod jobs;
mod list;
pub mod view;

use std::sync::Arc;

use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Router;
use serde::Serialize;

use super::error::ApiError;
use super::health;
use super::route::{delete, get, head, post};
use crate::app::App;
use crate::ports::Surface;

/// Every route, in the order of docs/COMPAT.md.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v2/assets", post(assets::upload))
        .route("/api/v2/assets/from-hash", post(assets::from_hash))
        .route("/api/v2/assets/by-hash/{hash}", head(assets::by_hash))
        .route(
            "/api/v2/assets/{id}",
            get(assets::one).merge(delete(assets::delete)),
        )
        .route("/api/v2/assets/{id}/content", get(assets::content))
        .route("/api/v2/jobs", post(jobs::submit).merge(get(list::list)))
        .route("/api/v2/jobs/{id}", get(jobs::one))
        .route("/api/v2/jobs/{id}/workflow", get(jobs::workflow))
        .route("/api/v2/jobs/{id}/events", get(jobs::events))
        .route("/api/v2/jobs/{id}/cancel", post(jobs::cancel))
        .route("/api/v2/health", get(health::health))
}

/// Whose words an answer to `path` has to use: also where a client's base URL has a path too many.
pub fn surface_of(path: &str) -> Surface {
    if path.contains("/api/v2/") {
        Surface::Comfy
    } else {
        Surface::Queue
    }
}

/// This surface has no envelope around what succeeds.
fn answer<T: Serialize>(status: StatusCode, body: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
    let json = HeaderValue::from_static("application/json");
    Ok((status, [(header::CONTENT_TYPE, json)], body).into_response())
}
