//! The parts of a path that a route names.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Code};

/// As axum's own, but what is no text names nothing and is told so in the envelope.
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = axum::extract::Path::from_request_parts(parts, state).await;
        let nothing = |_| ApiError::new(Code::NotFound, "the path is not UTF-8 and names nothing");
        parsed.map(|path| Self(path.0)).map_err(nothing)
    }
}
