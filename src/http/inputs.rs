//! `/api/inputs`: uploads.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use super::answer::Answer;
use super::auth::Caller;
use super::error::{ApiError, Code};
use super::{form, limits};
use crate::app::App;
use crate::media::Kind;
use crate::queue::inputs::{self, Uploaded};

#[derive(Serialize)]
struct Stored<'a> {
    input_key: &'a str,
    kind: Kind,
    content_type: &'a str,
    size_bytes: u64,
    hash: &'a str,
    width: Option<u32>,
    height: Option<u32>,
}

/// `POST /api/inputs`: one file, as the body or as the only file of a form.
pub async fn upload(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let held = limits::read(&headers, body, limits::INPUT_BYTES_MAX).await?;
    let bytes = if limits::content_type(&headers) == "multipart/form-data" {
        let mut uploads = form::read(&headers, held.bytes.clone()).await?.uploads;
        let (Some(only), true) = (uploads.pop(), uploads.is_empty()) else {
            let message = "a form with exactly one file is wanted here";
            return Err(ApiError::new(Code::InvalidRequest, message));
        };
        only.bytes
    } else {
        held.bytes.clone()
    };
    match inputs::upload(&app, &call, bytes).await? {
        Uploaded::Stored(asset) => Answer::ok(&Stored {
            input_key: &asset.hash,
            kind: asset.kind,
            content_type: &asset.content_type,
            size_bytes: asset.size_bytes,
            hash: &asset.hash,
            width: asset.width,
            height: asset.height,
        }),
        Uploaded::NoMedia => Err(ApiError::new(
            Code::UnsupportedMediaType,
            "these bytes are no picture, video, sound or text that can be recognised",
        )),
    }
}
