//! `/api/proxy/*`: one ComfyUI, for the operator, where it is not production.
//!
//! What may be asked is decided here; `cloudflare/` hands the request on with its body unread, and
//! the answer back with its stream or its websocket. Deliberately absent: `ComfyUI`'s pages and
//! whatever its extensions serve.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{header, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::auth::Operator;
use super::error::{no_route, ApiError, Code};
use crate::app::App;

pub const PREFIX: &str = "/api/proxy";

/// What a ComfyUI answers about itself, its queue and its files.
const READABLE: [&str; 11] = [
    "/embeddings",
    "/features",
    "/history",
    "/models",
    "/object_info",
    "/prompt",
    "/queue",
    "/system_stats",
    "/view",
    "/view_metadata",
    "/ws",
];
/// Those of them below which there is more: one prompt, one folder, one class.
const PARENTS: [&str; 4] = ["/history/", "/models/", "/object_info/", "/view_metadata/"];
/// What an operator does to it. Nothing that installs, restarts or reads its disk.
const WRITABLE: [&str; 7] = [
    "/free",
    "/history",
    "/interrupt",
    "/prompt",
    "/queue",
    "/upload/image",
    "/upload/mask",
];
/// Headers that mean something to it. Never the operator's key.
const PASSED: [HeaderName; 7] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::UPGRADE,
];
/// What it answers is shown, not believed: a file of its may be a page.
const SANDBOX: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
    media-src 'self'";

/// Left in a response for the platform: hand the request on, and answer with what comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub url: String,
    pub headers: Vec<(String, String)>,
}

/// `GET /api/proxy/{*path}`, `POST /api/proxy/{*path}`: what ComfyUI itself would answer.
pub async fn pass(
    State(app): State<Arc<App>>,
    _: Operator,
    request: Request,
) -> Result<Response, ApiError> {
    let uri = request.uri();
    let Some(proxy) = &app.config.proxy else {
        return Err(no_route(uri.clone()).await);
    };
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    if !is_allowed(request.method().is_safe(), path) {
        let message = "this path of ComfyUI is not passed on; docs/API.md lists those that are";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    let query = uri.query().map_or_else(String::new, |q| format!("?{q}"));
    let text = |name: &HeaderName| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    let mut headers: Vec<(String, String)> = PASSED.iter().filter_map(text).collect();
    let authorization = proxy.authorization.clone();
    headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(SANDBOX),
    );
    response.extensions_mut().insert(Forward {
        url: format!("{}{path}{query}", proxy.origin),
        headers,
    });
    Ok(response)
}

fn is_allowed(reads: bool, path: &str) -> bool {
    // ComfyUI reads a path as it is decoded; what could turn it into another one does not pass.
    let lower = path.to_ascii_lowercase();
    let turns = ["..", "//", "\\", "%2e", "%2f", "%5c", "%25", "%00"];
    if turns.iter().any(|turn| lower.contains(turn)) {
        return false;
    }
    let is_below = |parent: &&str| {
        let rest = path.strip_prefix(*parent);
        rest.is_some_and(|rest| !rest.is_empty())
    };
    if reads {
        READABLE.contains(&path) || PARENTS.iter().any(is_below)
    } else {
        WRITABLE.contains(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comfyui_says_of_itself_passes_and_its_disk_does_not() {
        for path in [
            "/ws",
            "/queue",
            "/history",
            "/history/0198",
            "/object_info/KSampler%20(Advanced)",
            "/models/loras",
        ] {
            assert!(is_allowed(true, path), "{path}");
        }
        for path in [
            "",
            "/",
            "/index.html",
            "/userdata/comfy.settings.json",
            "/internal/logs",
            "/api/userdata",
            "/manager/reboot",
            "/customnode/install",
            "/history/",
            "/history/../userdata",
            "/history/%2e%2e/userdata",
            "/history/%252e%252e/userdata",
            "/models/..%2fuserdata",
            "/models//etc",
            "/models/\\etc",
            "/wsx",
            "/upload/image",
        ] {
            assert!(!is_allowed(true, path), "{path}");
        }
    }

    #[test]
    fn what_is_done_to_it_is_on_a_list_of_its_own() {
        assert!(is_allowed(false, "/prompt") && is_allowed(false, "/upload/image"));
        for path in [
            "/object_info",
            "/manager/reboot",
            "/settings",
            "/prompt/1",
            "/users",
        ] {
            assert!(!is_allowed(false, path), "{path}");
        }
    }
}
