//! Bodies, bounded before they are read and counted while they are held.

use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::error::{ApiError, Code};
use crate::access::Rights;
use crate::app::App;
use crate::parse;
use crate::patience::patient;
use crate::ports::{Broken, ByteStream};
use crate::room::Room;

/// A create with its files in base64. `RunPod` takes 10 MiB in all.
pub const CREATE_BYTES_MAX: usize = 10 << 20;

/// Read of a body that is not read to its end: enough for what stands at its beginning, and too
/// little to be counted.
const BEGINNING_BYTES: usize = 64 << 10;

/// Bodies of one caller, and the room for them.
pub struct Bodies<'a> {
    pub app: &'a App,
    pub room: Room,
}

impl<'a> Bodies<'a> {
    pub fn of(app: &'a App, rights: &Rights) -> Self {
        let room = rights.room(&app.room);
        Self { app, room }
    }

    /// Of who shows a token of ours that says which attempt it works on.
    pub fn of_worker(app: &'a App) -> Self {
        let room = app.room.clone();
        Self { app, room }
    }

    /// Reads a body of at most `most` bytes; what is too long is refused before it is read, where
    /// the caller says how long it is. Room is taken as the bytes come, so that nobody holds any by
    /// announcing them, and for as long as any slice of them is there.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<Bytes, ApiError> {
        let declared = declared_within(headers, most as u64)?;
        let length = declared.and_then(|length| usize::try_from(length).ok());
        let length = length.unwrap_or(most);
        let mut share = self.room.take(0).ok_or_else(no_room)?;
        let mut bytes: Vec<u8> = Vec::new();
        let mut pieces = stream(self.app, body);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|broken| unreadable(&broken))?;
            if bytes.len() + piece.len() > most {
                return Err(too_large(most as u64));
            }
            if !share.grow(piece.len()) {
                return Err(no_room());
            }
            if bytes.capacity() < bytes.len() + piece.len() {
                // Twice as much as there is, and no more than was announced.
                let more = bytes.len().min(length.saturating_sub(bytes.len()));
                bytes.reserve_exact(more.max(piece.len()));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(share.of(bytes))
    }

    /// Reads a body that is read in vain if it is too long: its beginning, and whether that is all.
    pub async fn beginning(&self, headers: &HeaderMap, body: Body, most: usize) -> (Bytes, bool) {
        let fits = declared_within(headers, most as u64).is_ok();
        let most = if fits { most } else { BEGINNING_BYTES };
        let mut share = self.room.take(0);
        let mut bytes = Vec::new();
        let mut pieces = stream(self.app, body);
        let is_whole = loop {
            match pieces.next().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(piece)) => {
                    let length = bytes.len() + piece.len();
                    let is_held = share.as_mut().is_some_and(|share| share.grow(piece.len()));
                    let most = if is_held {
                        most
                    } else {
                        most.min(BEGINNING_BYTES)
                    };
                    let fitting = piece.len().min(most.saturating_sub(bytes.len()));
                    bytes.extend_from_slice(&piece[..fitting]);
                    if length > most {
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

    /// A body of a few fields. An empty one is an empty object.
    pub async fn small_json<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<T, ApiError> {
        let held = self.read(headers, body, most).await?;
        let bytes = match held.as_ref() {
            [] => b"{}",
            bytes => bytes,
        };
        parse::json_bytes(bytes).map_err(|error| misread(&error))
    }
}

fn misread(error: &serde_json::Error) -> ApiError {
    let code = if error.is_data() {
        Code::InvalidRequest
    } else {
        Code::InvalidJson
    };
    ApiError::new(code, format!("the body: {error}"))
}

/// A body as it comes, until it comes too slowly.
pub fn stream(app: &App, body: Body) -> ByteStream {
    let pieces = body.into_data_stream();
    let pieces = pieces.map_err(|error| Broken::Cut(error.to_string()));
    patient(&app.tasks, pieces.boxed())
}

pub fn no_room() -> ApiError {
    ApiError::unavailable("too many large requests at once; try again")
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
