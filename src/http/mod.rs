//! What callers see: routes, the envelope, status codes. The only module that knows the last.
//!
//! A handler parses, calls one verb of `queue/`, and shows what came of it. It never speaks to the
//! store, the provider or the platform.

mod admin;
mod answer;
mod auth;
mod create_body;
mod error;
mod form;
mod gpu;
mod health;
mod inputs;
mod limits;
mod path;
mod progress;
mod queue;
mod request_id;
mod results;
mod templates;
mod v2;
pub mod view;
mod webhooks;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{middleware, Router};

use crate::app::App;

pub use answer::PlatformBody;
pub use health::refusing;
pub use view::RENDER;

/// Every route, in the order of docs/API.md.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/queue/create", post(queue::create))
        .route("/api/queue/status/{id}", get(queue::status))
        .route("/api/queue/events/{id}", get(queue::events))
        .route("/api/queue/cancel/{id}", post(queue::cancel))
        .route("/api/queue/retry/{id}", post(queue::retry))
        .route("/api/queue/list", get(queue::list))
        .route("/api/result/{*key}", get(results::result))
        .route("/api/inputs", post(inputs::upload))
        .route("/api/templates", get(templates::list))
        .route("/api/templates/{name}", get(templates::one))
        .route("/api/webhooks/{provider}/{token}", post(webhooks::callback))
        .route("/api/progress/{token}", post(progress::tell))
        .route("/api/health", get(health::health))
        .route("/api/gpu/health", get(gpu::health))
        .route("/api/admin/jobs/{id}/evidence", get(admin::evidence))
        .route("/api/admin/jobs/{id}/recover", post(admin::recover))
        .route("/api/admin/sweep", post(admin::sweep))
        .merge(v2::routes())
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            answer::envelope,
        ))
        .with_state(app)
}
