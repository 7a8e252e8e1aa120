//! Who calls, and what the caller may do.
//!
//! Reading needs `jobs:read`, everything else `jobs:write`; the operator's routes need `admin`.
//! On a laptop, and where a simulated deployment says so, callers without a key have every right
//! but the operator's; elsewhere they have none. A key stands in `Authorization` and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{header, HeaderMap};

use super::error::{ApiError, Code};
use super::request_id::RequestId;
use crate::access::Scope;
use crate::app::App;
use crate::config::{Environment, Mode};
use crate::queue::allow::Denied;
use crate::queue::identify::{self, Identity, Trust};
use crate::queue::Call;

/// A call by somebody who may use the queue as this route does.
pub struct Caller(pub Call);

/// A call by the operator, or with a key that may do what the operator may.
pub struct Operator(pub Call);

/// Names of parameters that people put keys into.
const KEY_PARAMETERS: [&str; 5] = ["key", "api_key", "apikey", "access_token", "token"];

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        no_key_in_url(parts)?;
        let address = address(&parts.headers);
        let identity = match bearer(&parts.headers) {
            Some(shown) => identify::bearer(app, shown, &address, Trust::Memory).await?,
            None if is_open(app, &parts.headers) => identify::anonymous(app, &address).await?,
            None => {
                let message = "this deployment asks for a key: Authorization: Bearer <key>";
                return Err(ApiError::new(Code::Unauthorized, message));
            }
        };
        let scope = if parts.method.is_safe() {
            Scope::JobsRead
        } else {
            Scope::JobsWrite
        };
        allowed(parts, identity, scope).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        no_key_in_url(parts)?;
        let Some(shown) = bearer(&parts.headers) else {
            let message = "this route asks for the operator's key, or one with the scope admin";
            return Err(ApiError::new(Code::Unauthorized, message));
        };
        let address = address(&parts.headers);
        let identity = identify::bearer(app, shown, &address, Trust::Row).await?;
        allowed(parts, identity, Scope::Admin).map(Self)
    }
}

fn allowed(parts: &Parts, identity: Identity, scope: Scope) -> Result<Call, ApiError> {
    if !identity.rights.scopes.has(scope) {
        return Err(Denied::Scope(scope).into());
    }
    let request_id = parts.extensions.get::<RequestId>();
    Ok(Call {
        request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
        caller: identity.caller,
        rights: identity.rights,
    })
}

/// What is shown in `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ').unwrap_or(("", value));
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Where a call comes from, as Cloudflare says; a client cannot set this header. Who has one IPv6
/// address has a whole network of them, so that is what counts.
pub fn address(headers: &HeaderMap) -> String {
    let text = headers.get("cf-connecting-ip");
    let text = text.and_then(|value| value.to_str().ok());
    match text.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "unknown".to_owned(),
    }
}

/// A URL is kept by logs, proxies and histories: a key in one has leaked, and says nothing here.
fn no_key_in_url(parts: &Parts) -> Result<(), ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = query.split('&').map(|pair| pair.split('=').next());
    let is_named = pairs.any(|name| name.is_some_and(|name| KEY_PARAMETERS.contains(&name)));
    if is_named || query.contains("eqk_") || query.contains("eqs_") {
        let message = "a key in a URL has leaked to logs and histories: send it as \
             Authorization: Bearer <key>, and rotate this one";
        return Err(ApiError::new(Code::InvalidRequest, message));
    }
    Ok(())
}

/// Open without a key: where the settings say so; and on this machine, with a real GPU only to what
/// runs on it. A page of somebody else's in the developer's browser names itself in `Origin`, and
/// is not let in.
fn is_open(app: &App, headers: &HeaderMap) -> bool {
    if app.config.environment != Environment::Local {
        return app.config.access.is_open;
    }
    if app.config.mode() == Mode::Simulated {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = text(header::ORIGIN).is_none_or(|origin| origin == app.config.public_url);
    let is_here = text(header::HOST).is_none_or(is_loopback);
    is_own && is_here
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = bare.strip_suffix(':').unwrap_or(host);
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            "cf-connecting-ip",
            header::HeaderValue::from_static(address),
        );
        super::address(&headers)
    }

    #[test]
    fn a_network_of_addresses_is_one_caller() {
        assert_eq!(from("203.0.113.7"), "203.0.113.7");
        assert_eq!(from("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(from("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_eq!(from("who?"), "unknown");
    }
}
