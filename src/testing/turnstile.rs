//! Cloudflare Turnstile's siteverify, as its documentation says it answers to the test secrets.

use futures::{stream, StreamExt};
use serde_json::{json, Value};

use crate::ports::{HttpAnswer, HttpError, HttpRequest};

pub const HOST: &str = "https://challenges.cloudflare.com/";
/// What the widget gives with a site key for tests.
const DUMMY: &str = "XXXX.DUMMY.TOKEN.XXXX";

/// Answers to the three secrets; another one breaks it.
pub fn siteverify(asked: &HttpRequest) -> Result<HttpAnswer, HttpError> {
    let form: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let secret = form["secret"].as_str().unwrap_or_default();
    let errors: &[&str] = match secret.get(..2) {
        Some("1x") if form["response"] == DUMMY => &[],
        Some("1x" | "2x") => &["invalid-input-response"],
        Some("3x") => &["timeout-or-duplicate"],
        _ => return Err(HttpError::Unknown("timed out".into())),
    };
    let body = json!({ "success": errors.is_empty(), "error-codes": errors });
    Ok(HttpAnswer {
        status: 200,
        headers: std::collections::BTreeMap::new(),
        body: stream::iter([Ok(body.to_string().into())]).boxed(),
    })
}
