//! The name of a call: in every answer, every log line, and never part of a job.

use axum::http::{header, HeaderMap, HeaderName, HeaderValue};

use crate::app::App;

/// The longest id taken from a caller.
const LENGTH_MAX: usize = 128;

#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The one that came with the request, else a new UUID.
    pub fn of(app: &App, headers: &HeaderMap) -> Self {
        Self::given(headers).unwrap_or_else(|| {
            let new = uuid::Builder::from_random_bytes(app.random()).into_uuid();
            Self(new.to_string())
        })
    }

    /// The caller's `x-request-id` if it is 1 to 128 visible ASCII characters, else `cf-ray`.
    pub fn given(headers: &HeaderMap) -> Option<Self> {
        let given = |name| {
            let text: &str = headers.get(name)?.to_str().ok()?;
            let fits = (1..=LENGTH_MAX).contains(&text.len());
            (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
        };
        given("x-request-id").or_else(|| given("cf-ray")).map(Self)
    }

    /// What every answer carries, whoever made it.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let id = HeaderValue::from_str(&self.0).ok();
        headers.extend(id.map(|id| (HeaderName::from_static("x-request-id"), id)));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}
