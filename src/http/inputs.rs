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
use crate::media::{Flaw, Kind};
use crate::queue::inputs::{self, UPLOAD_BYTES_MAX};
use crate::queue::intake::Unfit;

/// What a form may have around its file: boundaries, names and small fields.
const FRAME_BYTES_MAX: u64 = 64 << 10;

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

/// `POST /api/inputs`: one file, as the body or as the only file of a form. It is stored while it
/// arrives.
pub async fn upload(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let (source, size_bytes) = if limits::content_type(&headers) == "multipart/form-data" {
        limits::declared_within(&headers, UPLOAD_BYTES_MAX + FRAME_BYTES_MAX)?;
        (form::only_file(&headers, body).await?, None)
    } else {
        let declared = limits::declared_within(&headers, UPLOAD_BYTES_MAX)?;
        (limits::stream(body), declared)
    };
    let uploaded = inputs::upload(&app, &call, source, size_bytes).await?;
    let asset = uploaded.map_err(|unfit| refused(&unfit))?;
    Answer::ok(&Stored {
        input_key: &asset.hash,
        kind: asset.kind,
        content_type: &asset.content_type,
        size_bytes: asset.size_bytes,
        hash: &asset.hash,
        width: asset.width,
        height: asset.height,
    })
}

pub fn refused(unfit: &Unfit) -> ApiError {
    let code = match unfit {
        Unfit::Broken(broken) => return limits::unreadable(broken),
        Unfit::UnknownKind => {
            let message = "these bytes are no picture, video, sound or text that can be recognised";
            return ApiError::new(Code::UnsupportedMediaType, message);
        }
        Unfit::Picture(Flaw::BrokenHeader) => Code::UnsupportedMediaType,
        Unfit::Picture(Flaw::TooManyPixels(..)) => Code::PayloadTooLarge,
        Unfit::TooMany(_) => Code::Forbidden,
    };
    ApiError::new(code, unfit.to_string())
}
