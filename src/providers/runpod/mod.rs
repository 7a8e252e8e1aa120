//! RunPod Serverless: its job API behind [`Provider`].
//!
//! What always holds: RunPod has no idempotency key and nobody can look a job up by a name of
//! ours, so a submit whose answer is missing or unreadable is [`Submitted::Unknown`], whatever the
//! reason; only an answer that proves that nothing was taken says otherwise. The HTTP status is
//! read before the body, because RunPod's error bodies have a numeric `status` of their own. The
//! API key and the callback's token are in no record of a call.
//!
//! Deliberately absent: retries and schedules (the watcher has them), `/runsync` (a lost answer
//! would lose the only name of a paid job), `/stream`.

mod answer;
mod cause;
mod failure;
mod json;
mod order;
mod output;
mod recognise;
mod redact;
mod service;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use percent_encoding::{utf8_percent_encode, NON_ALPHANUMERIC};

use self::answer::Call;
use self::order::OrderError;
pub use self::redact::Secrets;
pub use self::service::health as read_health;
use self::wire::JobObject;
use crate::config::RunpodSettings;
use crate::id::ProviderId;
use crate::job::{Cause, Failure};
use crate::outgoing::{HttpResponse, Outgoing};
use crate::ports::{Clock, HttpError, HttpRequest, Method};
use crate::providers::{
    Callback, CancelAnswer, Evidence, Health, Looked, Order, Provider, Submitted,
};
use crate::time::UnixMillis;

/// What creates may plan with: half a mebibyte below what RunPod enforces (see `order.rs`), because
/// a body over the limit is sometimes answered by a 502 that leaves the outcome unknown.
pub(super) const ORDER_BYTES_MAX: usize = 10 * 1024 * 1024 - 512 * 1024;

/// Ten mebibytes over a slow line of two megabits take forty seconds. Giving up early would turn
/// a submit that arrives into one whose outcome nobody knows.
const SUBMIT_TIMEOUT_MS: u32 = 60_000;

/// A finished job's answer is up to twenty megabytes.
const LOOK_TIMEOUT_MS: u32 = 45_000;

/// A cancel is asked again until it is confirmed, so it need not wait long.
const CANCEL_TIMEOUT_MS: u32 = 15_000;

/// Health is shown to people who wait for it.
const HEALTH_TIMEOUT_MS: u32 = 8_000;

/// RunPod loses results above about 20 MB; twice that, in case it no longer does. One such answer
/// and a file on its way into the object store still fit into an isolate's room.
const LOOK_BYTES_MAX: usize = 40 << 20;

/// An id and a status are below 200 bytes; an HTML error page is below 64 KiB.
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// A cancel of a finished job may answer with the whole job; the status in it is all we want.
const CANCEL_BYTES_MAX: usize = LOOK_BYTES_MAX;

pub struct Runpod {
    settings: RunpodSettings,
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
}

/// The callback normally comes first; a look before this would only cost a request.
const FIRST_LOOK_MS_MIN: u64 = 5_000;

impl Runpod {
    pub fn new(settings: RunpodSettings, outgoing: Outgoing, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            outgoing,
            clock,
        }
    }

    fn url(&self, endpoint: &str, operation: &str) -> String {
        format!("{}/{endpoint}/{operation}", self.settings.base_url)
    }

    fn url_of(&self, endpoint: &str, operation: &str, id: &ProviderId) -> String {
        let id = utf8_percent_encode(id.as_str(), ID_ESCAPED);
        self.url(endpoint, &format!("{operation}/{id}"))
    }

    fn get(&self, url: String, timeout_ms: u32) -> HttpRequest {
        HttpRequest {
            method: Method::Get,
            url,
            headers: vec![
                ("accept".into(), "application/json".into()),
                (
                    "authorization".into(),
                    format!("Bearer {}", self.settings.api_key),
                ),
            ],
            body: Bytes::new(),
            timeout_ms,
        }
    }

    fn post(&self, url: String, body: String) -> HttpRequest {
        let mut request = self.get(url, SUBMIT_TIMEOUT_MS);
        request.method = Method::Post;
        let json = ("content-type".into(), "application/json".into());
        request.headers.push(json);
        request.body = Bytes::from(body);
        request
    }

    /// Sends `request` and takes in an answer of at most `most` bytes.
    async fn call(&self, request: HttpRequest, most: usize) -> Call<'_> {
        // Cloning shares the body.
        let answer = self.outgoing.send(request.clone(), most).await;
        Call {
            secrets: Secrets {
                api_key: &self.settings.api_key,
                callback_url: None,
            },
            ended_at: self.clock.now(),
            request,
            answer,
        }
    }

    /// An order that cannot be sent: RunPod never heard of it.
    fn unsendable(&self, order: &Order, error: &OrderError) -> Submitted {
        let message = format!("the stored prompt cannot be sent: {error}");
        Submitted::Refused {
            failure: Failure::of(Cause::Unsendable, message),
            evidence: Evidence {
                at: self.clock.now(),
                method: "POST".into(),
                url: self.url(&order.endpoint, "run"),
                error: format!(
                    "not sent: {error}, prompt of {} bytes",
                    order.prompt.get().len()
                ),
                ..Evidence::default()
            },
        }
    }
}

/// A call of the operator's own, ended: written down as our own calls are when they fail.
pub fn record(
    secrets: &Secrets<'_>,
    ended_at: UnixMillis,
    request: &HttpRequest,
    answer: &Result<HttpResponse, HttpError>,
) -> Evidence {
    answer::evidence(secrets, ended_at, request, answer)
}

/// Everything but what every server takes in a path as it is. Ids are opaque.
const ID_ESCAPED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

#[async_trait]
impl Provider for Runpod {
    fn name(&self) -> &'static str {
        "runpod"
    }

    fn endpoint(&self) -> &str {
        &self.settings.endpoint_id
    }

    fn order_bytes_max(&self) -> usize {
        ORDER_BYTES_MAX
    }

    fn first_look_ms(&self, usual_ms: u64) -> u64 {
        usual_ms.max(FIRST_LOOK_MS_MIN)
    }

    async fn submit(&self, order: &Order) -> Submitted {
        let body = match order::body(order) {
            Ok(body) => body,
            Err(error) => return self.unsendable(order, &error),
        };
        let request = self.post(self.url(&order.endpoint, "run"), body);
        let mut call = self.call(request, SMALL_BYTES_MAX).await;
        call.secrets.callback_url = Some(&order.callback_url);
        call.submitted()
    }

    async fn look(&self, endpoint: &str, id: &ProviderId) -> Looked {
        let request = self.get(self.url_of(endpoint, "status", id), LOOK_TIMEOUT_MS);
        self.call(request, LOOK_BYTES_MAX).await.looked(id)
    }

    async fn cancel(&self, endpoint: &str, id: &ProviderId) -> CancelAnswer {
        let mut request = self.post(self.url_of(endpoint, "cancel", id), "{}".into());
        request.timeout_ms = CANCEL_TIMEOUT_MS;
        self.call(request, CANCEL_BYTES_MAX).await.canceled(id)
    }

    async fn health(&self) -> Health {
        let url = self.url(&self.settings.endpoint_id, "health");
        let request = self.get(url, HEALTH_TIMEOUT_MS);
        match self.outgoing.send(request, SMALL_BYTES_MAX).await {
            Ok(answer) if answer.status == 200 => service::health(&answer.body).unwrap_or_default(),
            Ok(_) | Err(_) => Health::default(),
        }
    }

    fn read_callback(&self, body: &Bytes) -> Option<Callback> {
        let job = JobObject::parse(body).ok()?;
        Some(Callback {
            provider_id: job.id().ok()?,
            report: job.report(body).ok()?,
        })
    }

    fn read_callback_id(&self, beginning: &[u8]) -> Option<ProviderId> {
        wire::leading_id(beginning)
    }
}
