//! Bodies, bounded before they are read and counted while they are held.

use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::error::{ApiError, Code};
use crate::parse;
use crate::ports::{Broken, ByteStream};
use crate::room::Room;

/// A create with its files in base64. `RunPod` takes 10 MiB in all.
pub const CREATE_BYTES_MAX: usize = 10 << 20;

/// Read of a body that is not read to its end: enough for what stands at its beginning, and too
/// little to be counted.
const BEGINNING_BYTES: usize = 64 << 10;

/// Reads a body of at most `most` bytes; what is too long is refused before it is read, where the
/// caller says how long it is. The bytes are counted for as long as any slice of them is there.
pub async fn read(
    room: &Room,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Bytes, ApiError> {
    let declared = declared_within(headers, most as u64)?;
    let declared = declared.and_then(|length| usize::try_from(length).ok());
    let Some(share) = room.take(declared.unwrap_or(most)) else {
        let message = "too many large requests at once; try again";
        return Err(ApiError::unavailable(message));
    };
    let mut bytes = Vec::with_capacity(declared.unwrap_or(0));
    let mut pieces = stream(body);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|broken| unreadable(&broken))?;
        if bytes.len() + piece.len() > most {
            return Err(too_large(most as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(share.of(bytes))
}

/// Reads a body that is read in vain if it is too long: its beginning, and whether that is all.
pub async fn beginning(room: &Room, headers: &HeaderMap, body: Body, most: usize) -> (Bytes, bool) {
    let declared = declared_within(headers, most as u64).ok();
    let wanted = declared.map(|length| length.and_then(|length| usize::try_from(length).ok()));
    let share = wanted.and_then(|length| room.take(length.unwrap_or(most)));
    let most = share.as_ref().map_or(BEGINNING_BYTES, |_| most);
    let mut bytes = Vec::new();
    let mut pieces = stream(body);
    let is_whole = loop {
        match pieces.next().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(piece)) => {
                let fitting = piece.len().min(most - bytes.len());
                bytes.extend_from_slice(&piece[..fitting]);
                if fitting < piece.len() {
                    break false;
                }
            }
        }
    };
    let bytes = match share {
        Some(share) => share.of(bytes),
        None => bytes.into(),
    };
    (bytes, is_whole)
}

/// A body as it comes.
pub fn stream(body: Body) -> ByteStream {
    let pieces = body.into_data_stream();
    pieces
        .map_err(|error| Broken::Cut(error.to_string()))
        .boxed()
}

/// The declared length, if any; refused if it is more than `most`.
pub fn declared_within(headers: &HeaderMap, most: u64) -> Result<Option<u64>, ApiError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    Ok(declared)
}

/// What a caller is told of a body that did not arrive.
pub fn unreadable(broken: &Broken) -> ApiError {
    let message = match broken {
        Broken::TooLarge(most) => return too_large(*most),
        Broken::Cut(_) => "the body ended before it was complete",
        Broken::TooSlow => "the body comes too slowly: less than 1 MiB in 30 s",
        Broken::Refused(why) => why,
    };
    ApiError::new(Code::InvalidRequest, message)
}

fn too_large(most: u64) -> ApiError {
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

/// A body of a few fields. An empty one is an empty object.
pub async fn small_json<T: DeserializeOwned>(
    room: &Room,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<T, ApiError> {
    let held = read(room, headers, body, bytes_max).await?;
    let bytes = match held.as_ref() {
        [] => b"{}",
        bytes => bytes,
    };
    parse::json_bytes(bytes).map_err(|error| {
        let code = if error.is_data() {
            Code::InvalidRequest
        } else {
            Code::InvalidJson
        };
        ApiError::new(code, format!("the body: {error}"))
    })
}
