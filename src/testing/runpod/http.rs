//! The fake behind the port that the provider uses: no sockets, the time is a manual clock's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{stream, StreamExt};

use super::{FakeRequest, FakeResponse, FakeRunpod, Fate};
use crate::ports::{Broken, ByteStream, Clock, Http, HttpAnswer, HttpError, HttpRequest, Method};
use crate::testing::memory::pause;

/// Of no size that anything else has.
const PIECE_BYTES: usize = 99_991;

/// Sends every request to the fake, whatever its host.
pub struct FakeHttp {
    pub runpod: Arc<Mutex<FakeRunpod>>,
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Http for FakeHttp {
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let host = request.url.find("://").map_or(0, |at| at + "://".len());
        let path = request.url[host..]
            .find('/')
            .map_or("/", |at| &request.url[host + at..]);
        let fake_request = FakeRequest {
            method: match request.method {
                Method::Get => "GET",
                Method::Post => "POST",
            },
            path,
            headers: &request.headers,
            body: &request.body,
        };
        let answer = {
            let mut runpod = self.runpod.lock().unwrap_or_else(PoisonError::into_inner);
            runpod.handle(self.clock.now(), &fake_request)
        };
        pause().await;
        if answer.delay_ms > u64::from(request.timeout_ms) {
            return Err(HttpError::Unknown("timed out".into()));
        }
        match answer.fate {
            // Runtimes name the address that they speak of.
            Fate::NotSent => Err(HttpError::NotSent(format!(
                "connection refused: {}",
                request.url
            ))),
            Fate::Lost => Err(HttpError::Unknown(format!(
                "connection closed before an answer: {}",
                request.url
            ))),
            Fate::Whole | Fate::Cut => Ok(HttpAnswer {
                status: answer.status,
                headers: headers(&answer),
                body: pieces(answer),
            }),
        }
    }
}

fn headers(answer: &FakeResponse) -> BTreeMap<String, String> {
    answer.headers.iter().cloned().collect()
}

/// In pieces that fit nothing, an empty one among them.
fn pieces(answer: FakeResponse) -> ByteStream {
    let mut body = answer.body;
    let first = body.split_to(body.len().min(1));
    let mut pieces = vec![Ok(first), Ok(Bytes::new())];
    while !body.is_empty() {
        pieces.push(Ok(body.split_to(body.len().min(PIECE_BYTES))));
    }
    if answer.fate == Fate::Cut {
        let cut = Broken::Cut("connection closed inside the answer".into());
        pieces.push(Err(cut));
    }
    stream::iter(pieces).boxed()
}
