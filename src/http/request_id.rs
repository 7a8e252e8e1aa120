//! The name of a call: in every answer, every log line, and never part of a job.

use axum::http::HeaderMap;

use crate::app::App;

/// The longest id taken from a caller.
const LENGTH_MAX: usize = 128;

#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The caller's `x-request-id` if it is 1 to 128 visible ASCII characters, else `cf-ray`, else
    /// a new UUID.
    pub fn of(app: &App, headers: &HeaderMap) -> Self {
        let given = |name| {
            let text: &str = headers.get(name)?.to_str().ok()?;
            let fits = (1..=LENGTH_MAX).contains(&text.len());
            (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
        };
        let id = given("x-request-id").or_else(|| given("cf-ray"));
        Self(id.unwrap_or_else(|| {
            uuid::Builder::from_random_bytes(app.random())
                .into_uuid()
                .to_string()
        }))
    }
}
