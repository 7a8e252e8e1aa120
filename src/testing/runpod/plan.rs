//! How a fake endpoint behaves and misbehaves. Read from JSON by `ops mock-runpod`.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;

/// What an endpoint does. Every part has a well-behaved default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// For every job that has no plan of its own.
    pub job: JobPlan,
    /// For the next jobs, in the order of their submits.
    pub next: VecDeque<JobPlan>,
    /// For the next requests; each is used up before the one behind it that fits.
    pub faults: Vec<RequestFault>,
    /// Webhooks that are due together leave in the wrong order.
    pub webhooks_reversed: bool,
    /// What `/health` answers instead of counting.
    pub health: Option<Value>,
}

/// What to change in a plan while the endpoint runs: only what is named.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanChange {
    pub job: Option<JobPlan>,
    /// Put behind those that wait already.
    pub next: Vec<JobPlan>,
    /// Put behind those that wait already.
    pub faults: Vec<RequestFault>,
    pub webhooks_reversed: Option<bool>,
    pub health: Option<Value>,
}

impl Plan {
    pub fn change(&mut self, change: PlanChange) {
        if let Some(job) = change.job {
            self.job = job;
        }
        self.next.extend(change.next);
        self.faults.extend(change.faults);
        self.webhooks_reversed = change.webhooks_reversed.unwrap_or(self.webhooks_reversed);
        self.health = change.health.or(self.health.take());
    }
}

/// One job, from submit to oblivion.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobPlan {
    /// Waiting before each run, cold start included.
    pub queue_ms: u64,
    pub run_ms: u64,
    /// The platform does not stop it at its execution timeout.
    pub overruns: bool,
    /// How often the platform dispatches the job; only the last run reports.
    pub runs: u32,
    pub outcome: Outcome,
    /// What the worker reports while it runs, one after the other, evenly over the run.
    pub progress: Vec<Value>,
    /// For so long after its end, `/status` shows the job as running again.
    pub late_progress_ms: u64,
    /// For so long after the submit, `/status` does not know the job.
    pub status_missing_ms: u64,
    /// From then on nobody knows the job and nothing is reported; a run that began goes on.
    pub forget_after_ms: Option<u64>,
    pub webhook: WebhookPlan,
    /// For requests about this job, its submit included.
    pub faults: Vec<RequestFault>,
}

impl Default for JobPlan {
    fn default() -> Self {
        Self {
            queue_ms: 500,
            run_ms: 2_000,
            overruns: false,
            runs: 1,
            outcome: Outcome::default(),
            progress: Vec::new(),
            late_progress_ms: 0,
            status_missing_ms: 0,
            forget_after_ms: None,
            webhook: WebhookPlan::default(),
            faults: Vec::new(),
        }
    }
}

/// How a job ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// One file per output node, as base64: what the stock worker does.
    #[default]
    Base64,
    /// The same as presigned links, as with a bucket configured.
    S3Url,
    /// Several files per output node.
    Multi { count: u32 },
    /// An MP4 under `images`, as core video nodes publish it.
    VideoAsImage,
    /// A film of exactly this size, as base64 or behind a link.
    Sized { size_bytes: usize, link: bool },
    /// `success_no_images`: completed, and nothing delivered.
    NoImages,
    /// Files beside `errors`: a partial failure that calls itself completed.
    ErrorsAndImages,
    /// `{status, message}` of workers before version 5.
    OldShape,
    /// Completed without `output`, as when the result was too large to post.
    NoOutput,
    /// Completed, and the output says that it failed.
    OutputError,
    /// A link that is a path on the worker's disk, as with a bucket half configured.
    SimulatedUpload,
    /// Failed with ComfyUI's validation of the prompt.
    ValidationFailed,
    /// Failed in a node.
    NodeFailed,
    /// Failed in a node, for want of memory.
    OutOfMemory,
    /// Failed with an exception the handler did not catch: JSON inside a string.
    Exception,
    /// The worker vanished twice.
    WorkerLost,
    /// Ran into `policy.executionTimeout`.
    ExecutionTimeout,
    /// Canceled by somebody else while running.
    Canceled,
    /// Expired before a worker took it.
    TimedOut,
    /// Completed with exactly this output.
    Given(Value),
}

/// What becomes of the webhook of one job.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookPlan {
    /// Copies sent; 0 drops it.
    pub copies: u32,
    pub delay_ms: u64,
    /// Sent so long before `/status` says that the job has ended.
    pub early_ms: u64,
    /// The body ends after so many bytes.
    pub cut_bytes: Option<usize>,
    /// The right URL with another job's id in the body.
    pub wrong_id: bool,
    /// Before the real one comes one from somebody who knows the id but not the token.
    pub forged: bool,
}

impl Default for WebhookPlan {
    fn default() -> Self {
        Self {
            copies: 1,
            delay_ms: 0,
            early_ms: 0,
            cut_bytes: None,
            wrong_id: false,
            forged: false,
        }
    }
}

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    #[default]
    Any,
    Run,
    Status,
    Cancel,
    Health,
    /// What is behind the links of results.
    File,
}

/// Something that goes wrong with the next requests of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFault {
    #[serde(default)]
    pub on: Operation,
    #[serde(default = "once")]
    pub times: u32,
    pub fault: Fault,
    /// The request takes effect all the same; only its answer is replaced.
    #[serde(default)]
    pub taken: bool,
}

fn once() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with this `Retry-After`, if any.
    TooMany { retry_after: Option<String> },
    /// A page of HTML, as the edge in front of the API sends it.
    Html { status: u16 },
    /// A refusal in the API's own JSON, which says this of it.
    Problem { status: u16, detail: Option<String> },
    /// The connection breaks before an answer.
    Lost,
    /// No connection: the request never arrives.
    NotSent,
    /// The request takes effect and the answer comes late.
    Slow { delay_ms: u64 },
    /// The request takes effect and the answer breaks off after so many bytes.
    Cut { bytes: usize },
}
