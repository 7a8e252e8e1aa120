//! GPUs somewhere else, behind one trait.
//!
//! Invariant: a provider's own words (its JSON, its status names, its header names) never leave its
//! directory; what leaves is [`Report`], [`Submitted`] and [`Output`]. A provider decides nothing
//! about a job: it says what it saw, `job/` says what that means.

pub mod runpod;
pub mod simulated;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{JobId, ProviderId, Secret};
use crate::job::Failure;
pub use crate::job::{Output, OutputData, Report, Times};
use crate::time::UnixMillis;
use crate::workflow::compile::ExpectedOutput;
pub use crate::workflow::contract::Protocol;

/// An input file that travels inside the order, under the name its LoadImage node asks for.
#[derive(Clone, Debug)]
pub struct OrderFile {
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
}

/// One submission of one job.
#[derive(Clone, Debug)]
pub struct Order {
    pub job: JobId,
    pub attempt: u32,
    /// The endpoint that the job was accepted for, although settings may have changed since.
    pub endpoint: String,
    pub protocol: Protocol,
    /// The stored prompt, marked: the ComfyUI prompt, or the `{task, payload}` object.
    pub prompt: Box<RawValue>,
    /// Of the prompt without the mark, in hexadecimal: jobs that ask for the same have the same.
    pub prompt_hash: String,
    pub files: Vec<OrderFile>,
    /// The files that must come back.
    pub outputs: Vec<ExpectedOutput>,
    /// Where the provider reports the end. Carries a token: never logged.
    pub callback_url: String,
    /// Where a worker may tell how far it is. Carries a token: never logged.
    pub progress_url: String,
    pub execution_limit_ms: u64,
    /// From submission until the provider may forget the job.
    pub ttl_ms: u64,
    /// The caller's key for nodes that call ComfyUI's partners.
    pub partner_key: Option<Secret>,
    /// How the job was told to misbehave; only the simulated GPU listens.
    pub simulate: Option<String>,
}

/// What became of a submit.
#[derive(Debug)]
pub enum Submitted {
    Accepted(ProviderId),
    /// Provably not taken, and asking later may help: no connection, or too many requests.
    NotNow {
        failure: Failure,
        retry_after_ms: Option<u64>,
        evidence: Evidence,
    },
    /// Provably not taken, and asking again is useless.
    Refused {
        failure: Failure,
        evidence: Evidence,
    },
    /// It may run, or not. Never send again because of this.
    Unknown {
        evidence: Evidence,
    },
}

/// The answer to a look.
#[derive(Debug)]
pub enum Looked {
    Report(Report),
    /// The provider does not know the job: not yet, or no longer.
    NotFound,
    /// Nothing learned; look again later.
    Unreachable {
        /// How long the provider asks to be left alone.
        retry_after_ms: Option<u64>,
        evidence: Evidence,
    },
}

/// The answer to a cancel.
#[derive(Debug)]
pub enum CancelAnswer {
    /// The provider confirms that it stopped the job, or never began it: an execution time above 0
    /// says that it ran.
    Confirmed(Times),
    /// It had ended by itself before: a look tells how.
    EndedBefore,
    NotFound,
    Unreachable {
        evidence: Box<Evidence>,
    },
}

/// A complete, redacted record of a call that failed, for an operator to debug from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub at: UnixMillis,
    pub method: String,
    pub url: String,
    pub request_headers: Vec<(String, String)>,
    pub request_body: String,
    /// `None`: no answer came.
    pub response_status: Option<u16>,
    pub response_headers: Vec<(String, String)>,
    pub response_body: String,
    /// Why there is no answer, or why the answer was not accepted.
    pub error: String,
}

/// How an endpoint's workers are, as its provider counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    pub reachable: bool,
    pub workers_idle: u64,
    pub workers_running: u64,
    pub workers_throttled: u64,
    pub workers_unhealthy: u64,
    pub workers_starting: u64,
    pub jobs_queued: u64,
    pub jobs_running: u64,
}

/// A callback, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub provider_id: ProviderId,
    pub report: Report,
}

#[async_trait]
pub trait Provider: Send + Sync {
    /// As stored with every attempt: `runpod`, `simulated`.
    fn name(&self) -> &'static str;
    /// The endpoint that new jobs go to.
    fn endpoint(&self) -> &str;
    /// Bytes the provider accepts in one submit; a create that would be larger is refused.
    fn order_bytes_max(&self) -> usize;
    async fn submit(&self, order: &Order) -> Submitted;
    async fn look(&self, endpoint: &str, id: &ProviderId) -> Looked;
    async fn cancel(&self, endpoint: &str, id: &ProviderId) -> CancelAnswer;
    async fn health(&self) -> Health;
    /// When to look at an attempt first, if its kind of job usually takes `usual_ms`.
    fn first_look_ms(&self, usual_ms: u64) -> u64;
    /// Reads the body of a callback. `None`: not one of this provider's.
    fn read_callback(&self, body: &Bytes) -> Option<Callback>;
    /// Reads which of its jobs a callback is about from its first bytes, which may be all there is.
    fn read_callback_id(&self, beginning: &[u8]) -> Option<ProviderId>;
}
