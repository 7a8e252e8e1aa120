//! What callers see: routes, the envelope, status codes. The only module that knows the last.
//!
//! A handler parses, calls one verb of `queue/`, and shows what came of it. It never speaks to the
//! store, the provider or the platform.

mod admin;
mod admin_jobs;
mod answer;
mod auth;
mod cors;
mod cost;
mod create_body;
mod credits;
mod deliveries;
mod error;
mod fingerprint;
mod form;
mod gpu;
mod health;
mod inputs;
mod inventory;
mod keys;
mod limits;
mod metrics;
mod parsed;
mod path;
mod progress;
mod proxy;
mod queue;
mod rate;
mod request_id;
mod results;
mod route;
mod session;
mod templates;
mod v2;
pub mod view;
mod webhooks;

use std::sync::Arc;

use axum::{middleware, Router};

use crate::app::App;

pub use answer::PlatformBody;
pub use health::refusing;
pub use proxy::{Forward, PREFIX as PROXY_PREFIX};
use route::{get, post, put};
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
        .route("/api/queue/deliveries/{id}", get(deliveries::of_job))
        .route("/api/queue/replay/{id}", post(deliveries::replay))
        .route("/api/result/{*key}", get(results::result))
        .route("/api/inputs", post(inputs::upload))
        .route("/api/templates", get(templates::list))
        .route("/api/templates/{name}", get(templates::one))
        .route("/api/session", post(session::mint))
        .route("/api/session/challenge", get(session::challenge))
        .route("/api/credits", get(credits::show))
        .route("/api/credits/purchase", post(credits::purchase))
        .route("/api/webhooks/secret", get(deliveries::secret))
        .route("/api/webhooks/secret", post(deliveries::rotate_secret))
        .route("/api/webhooks/keys", get(deliveries::public_keys))
        .route("/api/webhooks/{provider}/{token}", post(webhooks::callback))
        .route("/api/progress/{token}", post(progress::tell))
        .route("/api/health", get(health::health))
        .route("/api/gpu/health", get(gpu::health))
        .route("/api/metrics", get(metrics::prometheus))
        .route("/api/admin/metrics", get(metrics::summary))
        .route("/api/admin/jobs", get(admin_jobs::list))
        .route("/api/admin/jobs/{id}", get(admin_jobs::status))
        .route("/api/admin/jobs/{id}/cancel", post(admin_jobs::cancel))
        .route("/api/admin/jobs/{id}/retry", post(admin_jobs::retry))
        .route("/api/admin/jobs/{id}/deliveries", get(admin_jobs::told))
        .route("/api/admin/jobs/{id}/replay", post(admin_jobs::replay))
        .route("/api/admin/jobs/{id}/evidence", get(admin::evidence))
        .route("/api/admin/jobs/{id}/recover", get(admin::recoverable))
        .route("/api/admin/jobs/{id}/recover", post(admin::recover))
        .route("/api/admin/overdue", get(admin::overdue))
        .route("/api/admin/reconcile", post(admin::reconcile))
        .route("/api/admin/objects", post(admin::objects))
        .route("/api/admin/sweep", post(admin::sweep))
        .route("/api/admin/pause", post(admin::pause))
        .route("/api/admin/resume", post(admin::resume))
        .route("/api/admin/keys", get(keys::list))
        .route("/api/admin/keys", post(keys::create))
        .route("/api/admin/keys/{id}/revoke", post(keys::revoke))
        .route("/api/admin/keys/{id}/rotate", post(keys::rotate))
        .route("/api/admin/credits", post(credits::grant))
        .route("/api/admin/deliveries", get(deliveries::missed))
        .route("/api/admin/deliveries/replay", post(deliveries::resend))
        .route("/api/admin/inventory", get(inventory::show))
        .route("/api/admin/inventory", put(inventory::put))
        .route("/api/proxy/{*path}", get(proxy::pass))
        .route("/api/proxy/{*path}", post(proxy::pass))
        .merge(v2::routes())
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            answer::envelope,
        ))
        .with_state(app)
}
