//! A request to the router, and its answer, read.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::Router;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use tower_service::Service;

/// An answer, read.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub bytes: Bytes,
}

impl Answered {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// # Panics
/// When a test names an impossible path or header.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(body)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(super) async fn answer(mut router: Router, request: Request<Body>) -> Answered {
    let Ok(response) = router.call(request).await;
    let (parts, body) = response.into_parts();
    let bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    Answered {
        status: parts.status,
        headers: parts.headers,
        bytes: bytes.unwrap_or_default(),
    }
}
