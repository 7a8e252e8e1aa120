//! Cross-origin calls: by pages of the origins that are configured, and by no others. No cookies
//! are used anywhere, so that nothing is sent along that a page does not send itself.

use axum::body::Body;
use axum::http::{header, HeaderMap, HeaderName, HeaderValue, Method, Request};
use axum::response::Response;

use crate::app::App;

const METHODS: &str = "GET, HEAD, POST, OPTIONS";
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, if-none-match, \
     last-event-id, range, x-request-id";
const ANSWER_HEADERS: &str = "accept-ranges, content-disposition, content-range, etag, \
     idempotent-replayed, ratelimit, ratelimit-policy, retry-after, x-request-id";
/// Seconds a browser need not ask again: Chromium keeps no answer longer.
const MAX_AGE_S: &str = "7200";

/// What the browser is told of one call.
pub struct Cors {
    /// The caller's origin, if it is configured.
    origin: Option<HeaderValue>,
    is_preflight: bool,
    /// Answers differ by origin as soon as one is configured.
    varies: bool,
}

impl Cors {
    pub fn of(app: &App, request: &Request<Body>) -> Self {
        let allowed = &app.config.access.allowed_origins;
        let origin = request.headers().get(header::ORIGIN).filter(|origin| {
            let mut configured = allowed.iter();
            configured.any(|known| known.as_bytes() == origin.as_bytes())
        });
        let asks = HeaderName::from_static("access-control-request-method");
        Self {
            origin: origin.cloned(),
            is_preflight: request.method() == Method::OPTIONS
                && request.headers().contains_key(asks),
            varies: !allowed.is_empty(),
        }
    }

    /// Whether the browser only asks whether it may; answered without the route.
    pub fn is_answered(&self) -> bool {
        self.is_preflight && self.origin.is_some()
    }

    pub fn preflight() -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = axum::http::StatusCode::NO_CONTENT;
        response
    }

    /// Adds what the browser needs to let the page read the answer.
    pub fn tell(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let is_answered = self.is_answered();
        let Some(origin) = self.origin else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_answered {
            let told = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
                (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S),
            ];
            headers.extend(told.map(|(name, text)| (name, HeaderValue::from_static(text))));
        } else {
            let exposed = HeaderValue::from_static(ANSWER_HEADERS);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}
