//! The fake behind the port that the provider uses: no sockets, the time is a manual clock's.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{FakeRequest, FakeRunpod, Fate};
use crate::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse, Method};
use crate::testing::memory::pause;

/// Sends every request to the fake, whatever its host.
pub struct FakeHttp {
    pub runpod: Arc<Mutex<FakeRunpod>>,
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Http for FakeHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
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
            Fate::NotSent => Err(HttpError::NotSent("connection refused".into())),
            Fate::Lost => Err(HttpError::Unknown(
                "connection closed before an answer".into(),
            )),
            Fate::Cut => Err(HttpError::Unknown(
                "connection closed inside the answer".into(),
            )),
            Fate::Whole if answer.body.len() > request.answer_bytes_max => {
                Err(HttpError::TooLarge(request.answer_bytes_max))
            }
            Fate::Whole => Ok(HttpResponse {
                status: answer.status,
                headers: answer.headers.into_iter().collect(),
                body: answer.body,
            }),
        }
    }
}
