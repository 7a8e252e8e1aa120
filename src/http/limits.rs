//! Bodies, bounded before they are read.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::error::{ApiError, Code};

/// A create with its files in base64. RunPod takes 10 MiB in all.
pub const CREATE_BYTES_MAX: usize = 10 << 20;
/// One uploaded file.
pub const INPUT_BYTES_MAX: usize = 10 << 20;
/// Bodies held at once by this isolate: its 128 MB also hold their parsed and decoded forms.
const IN_FLIGHT_BYTES_MAX: usize = 48 << 20;

static IN_FLIGHT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A body with its share of the isolate's memory, given back when dropped.
pub struct Held {
    pub bytes: Bytes,
    reserved: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        IN_FLIGHT_BYTES.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

/// Reads a body of at most `most` bytes; what is too long is refused before it is read, where the
/// caller says how long it is.
pub async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Held, ApiError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let reserved = declared.unwrap_or(most);
    let before = IN_FLIGHT_BYTES.fetch_add(reserved, Ordering::Relaxed);
    let mut held = Held {
        bytes: Bytes::new(),
        reserved,
    };
    if before + reserved > IN_FLIGHT_BYTES_MAX {
        return Err(ApiError::unavailable(
            "too many large requests at once; try again",
        ));
    }
    let read = Limited::new(body, most).collect().await;
    held.bytes = read.map_err(|error| unreadable(&*error, most))?.to_bytes();
    Ok(held)
}

fn unreadable(error: &(dyn std::error::Error + 'static), most: usize) -> ApiError {
    if error.is::<LengthLimitError>() {
        too_large(most)
    } else {
        ApiError::new(
            Code::InvalidRequest,
            "the body ended before it was complete",
        )
    }
}

fn too_large(most: usize) -> ApiError {
    let message = format!("the body is larger than {most} bytes");
    ApiError::new(Code::PayloadTooLarge, message)
}

/// The media type without its parameters, in lower case.
pub fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bare = text.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}
