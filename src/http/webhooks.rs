//! `/api/webhooks/*`: callbacks of providers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;

use super::answer::Answer;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use super::path::Path;
use crate::app::App;
use crate::queue::hear::{self, Told, INLINE_BYTES_MAX};

/// `POST /api/webhooks/{provider}/{token}`: a hint that an attempt has ended.
///
/// Answered with 200 whatever it says, so that a provider does not repeat what was understood; a
/// token that is not ours is 404, and its body is not read. Of what is too large the beginning is
/// read, which says whose end it is; the watcher fetches the rest.
pub async fn callback(
    State(app): State<Arc<App>>,
    Path((provider, token)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let unknown = || ApiError::new(Code::NotFound, "there is no such callback");
    let claim = hear::claim(&app, &token).ok_or_else(unknown)?;
    let bodies = Bodies::of_worker(&app);
    let told = match bodies.beginning(&headers, body, INLINE_BYTES_MAX).await {
        (bytes, true) => Told::Whole(bytes),
        (bytes, false) => Told::Beginning(bytes),
    };
    match hear::hear(&app, &provider, claim, told).await? {
        hear::Answer::Taken => Answer::ok(&serde_json::json!({})),
        hear::Answer::Unknown => Err(unknown()),
    }
}
