//! Requests to neighbours whose answers are wanted in one piece.
//!
//! An answer is counted while it is held: the count goes with its bytes, through every slice of
//! them, and ends with the last.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;

use crate::ports::{Broken, Http, HttpAnswer, HttpError, HttpRequest};
use crate::room::{Room, Share};
use crate::time::UnixMillis;

/// Answers up to here are not counted: refusing to take in the answer to an order would leave an
/// order of which nobody knows the name.
const SMALL_BYTES: usize = 64 << 10;

/// An answer without a length is counted in steps, because each is a claim on all others' room.
const STEP_BYTES: usize = 1 << 20;

/// An answer that is there.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    /// Lower-case names.
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct Outgoing {
    pub http: Arc<dyn Http>,
    pub room: Room,
}

impl Outgoing {
    /// Sends a request and takes in the answer, which may have at most `most` bytes.
    pub async fn send(&self, request: HttpRequest, most: usize) -> Result<HttpResponse, HttpError> {
        let answer = self.http.open(request).await?;
        Ok(HttpResponse {
            status: answer.status,
            headers: answer.headers.clone(),
            body: self.body(answer, most).await?,
        })
    }

    async fn body(&self, answer: HttpAnswer, most: usize) -> Result<Bytes, HttpError> {
        let HttpAnswer {
            headers, mut body, ..
        } = answer;
        let declared = declared_length(&headers).unwrap_or(0);
        if declared > most {
            return Err(HttpError::TooLarge(most));
        }
        let mut share = self.room.take(0).ok_or(HttpError::NoRoom)?;
        let mut counted = SMALL_BYTES;
        count(&mut share, &mut counted, declared)?;
        let mut bytes = Vec::with_capacity(declared);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|broken| unknown(&broken))?;
            let length = bytes.len() + piece.len();
            if length > most {
                return Err(HttpError::TooLarge(most));
            }
            count(&mut share, &mut counted, length)?;
            bytes.extend_from_slice(&piece);
        }
        Ok(share.of(bytes))
    }
}

/// Makes sure that `length` bytes are counted.
fn count(share: &mut Share, counted: &mut usize, length: usize) -> Result<(), HttpError> {
    if length <= *counted {
        return Ok(());
    }
    let more = (length - *counted).next_multiple_of(STEP_BYTES);
    if !share.grow(more) {
        return Err(HttpError::NoRoom);
    }
    *counted += more;
    Ok(())
}

/// What the sender says; nothing if it says nothing, or if the runtime unpacks what it sends.
pub fn declared_length(headers: &BTreeMap<String, String>) -> Option<usize> {
    if headers.contains_key("content-encoding") {
        return None;
    }
    headers.get("content-length")?.parse().ok()
}

/// Milliseconds to wait, from seconds or an HTTP date.
pub fn retry_after_ms(headers: &BTreeMap<String, String>, now: UnixMillis) -> Option<u64> {
    let text = headers.get("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(UnixMillis::new(at.timestamp_millis()).since_ms(now))
}

fn unknown(broken: &Broken) -> HttpError {
    HttpError::Unknown(broken.to_string())
}
