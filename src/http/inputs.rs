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
use crate::access::Window;
use crate::app::App;
use crate::media::{Flaw, Kind};
use crate::queue::inputs::{self, Incoming, Refusal, Said, UPLOAD_BYTES_MAX};
use crate::queue::intake::Unfit;

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
        limits::declared_within(&headers, UPLOAD_BYTES_MAX + form::FRAME_BYTES_MAX)?;
        let form = form::one_file(&app, &headers, body).await?;
        let form = form.map_err(|_| form::broken(form::ONE_FILE))?;
        (form.file, None)
    } else {
        let declared = limits::declared_within(&headers, UPLOAD_BYTES_MAX)?;
        (limits::stream(&app, body), declared)
    };
    let incoming = Incoming {
        source,
        size_bytes,
        unknown: None,
        said: Box::new(|| Ok(Said::default())),
    };
    let uploaded = inputs::upload(&app, &call, incoming).await?;
    let (asset, _) = uploaded.map_err(refused)?;
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

pub fn refused(refusal: Refusal) -> ApiError {
    let message = refusal.to_string();
    let code = match refusal {
        Refusal::Described(violations) => {
            return ApiError::violations(Code::ContractViolation, violations);
        }
        Refusal::OtherHash(_) => Code::HashMismatch,
        Refusal::Unfit(Unfit::Broken(broken)) => return limits::unreadable(&broken),
        Refusal::Unfit(Unfit::UnknownKind) => {
            let message = "these bytes are no picture, video, sound or text that can be recognised";
            return ApiError::new(Code::UnsupportedMediaType, message);
        }
        Refusal::Unfit(Unfit::Picture(Flaw::BrokenHeader | Flaw::NotStill)) => {
            Code::UnsupportedMediaType
        }
        Refusal::Unfit(Unfit::Picture(Flaw::TooManyPixels(..))) => Code::PayloadTooLarge,
        Refusal::Spent(now) => {
            let seconds = Window::Day.ends_in_s(now);
            return ApiError::later(Code::BudgetExhausted, &message, seconds);
        }
        Refusal::TooMany(_) => Code::Forbidden,
    };
    ApiError::new(code, message)
}
