//! Who calls, and what the caller may do.
//!
//! The operator's key opens everything. On a laptop, and wherever the GPU is simulated, callers
//! without a key have every right but the operator's; elsewhere they have none.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{header, HeaderMap};
use subtle::ConstantTimeEq;

use super::error::{ApiError, Code};
use super::request_id::RequestId;
use crate::app::App;
use crate::config::{Environment, Mode};
use crate::id::CallerId;
use crate::queue::Call;

/// A call by somebody who may use the queue.
pub struct Caller(pub Call);

/// A call by the operator.
pub struct Operator;

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = match bearer(&parts.headers) {
            Some(key) if is_operator(app, key) => CallerId::new("operator"),
            Some(_) => return Err(refused()),
            None if is_open(app, &parts.headers) => CallerId::anonymous(),
            None => {
                let message = "this deployment asks for a key: Authorization: Bearer <key>";
                return Err(ApiError::new(Code::Unauthorized, message));
            }
        };
        Ok(Self(call(parts, caller)))
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match bearer(&parts.headers) {
            Some(key) if is_operator(app, key) => Ok(Self),
            Some(_) => Err(refused()),
            None => {
                let message = "this route asks for the operator's key";
                Err(ApiError::new(Code::Unauthorized, message))
            }
        }
    }
}

fn call(parts: &Parts, caller: CallerId) -> Call {
    let request_id = parts.extensions.get::<RequestId>();
    Call {
        request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
        caller,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ').unwrap_or(("", value));
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Open without a key: wherever the GPU is simulated; and on this machine, to what runs on it. A
/// page of somebody else's in the developer's browser names itself in `Origin`, and is not let in.
fn is_open(app: &App, headers: &HeaderMap) -> bool {
    if app.config.mode() == Mode::Simulated {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = text(header::ORIGIN).is_none_or(|origin| origin == app.config.public_url);
    let is_here = text(header::HOST).is_none_or(is_loopback);
    app.config.environment == Environment::Local && is_own && is_here
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = bare.strip_suffix(':').unwrap_or(host);
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

fn is_operator(app: &App, key: &str) -> bool {
    let expected = app.config.admin_key.as_deref();
    // Hashes have one length, so the comparison does not tell how long the key is.
    let same = |known: &str| {
        let (known, given) = (blake3::hash(known.as_bytes()), blake3::hash(key.as_bytes()));
        known.as_bytes().ct_eq(given.as_bytes()).into()
    };
    expected.is_some_and(same)
}

fn refused() -> ApiError {
    ApiError::new(Code::Unauthorized, "the key is not known here")
}
