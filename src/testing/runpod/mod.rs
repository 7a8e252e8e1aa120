//! A fake of RunPod Serverless: the job API and its webhooks, on the wire's own bytes.
//!
//! Pure and deterministic: the time comes in with every call, ids come from a seed, and a job's
//! whole life is a function of its [`JobPlan`] and the time. Nothing here sleeps, and nothing is
//! sent: whoever drives it asks for [`FakeRunpod::due_webhooks`] and says what became of them.
//!
//! Deliberately absent: `/runsync` and `/stream`, which the product never calls; limits on workers,
//! so that one job's timing never depends on another's.

mod answer;
mod http;
mod job;
mod picture;
mod plan;
mod webhooks;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub use self::answer::{FakeResponse, Fate};
pub use self::http::FakeHttp;
use self::job::{FakeJob, State};
pub use self::job::{Run, EXPIRE_AFTER_MS};
pub use self::plan::{
    Fault, JobPlan, Operation, Outcome, Plan, PlanChange, RequestFault, WebhookPlan,
};
pub use self::webhooks::Delivery;
use self::webhooks::Outbox;
use crate::time::UnixMillis;

/// Where the links of `s3_url` results lead; served by [`FakeRunpod::handle`] without a key. Below
/// it, `redirect/<escaped URL>` leads on to that URL.
pub const FILES_PATH: &str = "/_mock/files/";

/// The largest body of `/run`, the whole JSON counted.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What RunPod assumes where a submit has no policy.
const EXECUTION_TIMEOUT_MS: u64 = 600_000;
const TTL_MS: u64 = 86_400_000;

/// Whom the fake plays.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: String,
    pub key: String,
    /// The origin before [`FILES_PATH`] in links.
    pub files_origin: String,
    /// Ids differ between seeds and repeat with one.
    pub seed: u64,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            id: "mock".into(),
            key: "mock-key".into(),
            files_origin: "https://files.runpod.example".into(),
            seed: 0,
        }
    }
}

/// A request as it arrives.
pub struct FakeRequest<'r> {
    pub method: &'r str,
    /// With the query, if any.
    pub path: &'r str,
    pub headers: &'r [(String, String)],
    pub body: &'r [u8],
}

/// What was asked of the endpoint so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub requests: u64,
    pub submits: u64,
    pub jobs: u64,
    pub looks: u64,
    pub cancels: u64,
    pub refused: u64,
    pub webhooks: u64,
}

/// A job as an observer outside the API sees it.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    pub id: String,
    /// As the wire names it; `GONE` for what `/status` no longer knows.
    pub status: String,
    pub webhook: Option<String>,
    /// blake3 of the input: equal for submits of the same work.
    pub input_hash: String,
    /// Names of the files that came with the input, in its order.
    pub images: Vec<String>,
    /// The key for partner nodes that came with it.
    pub partner_key: Option<String>,
    /// SHA-256 of each file it delivers when it ends; none where it fails or delivers nothing.
    pub delivers: Vec<String>,
    pub submitted_at: UnixMillis,
    /// Each was billed.
    pub runs: Vec<Run>,
    pub billed_ms: u64,
}

/// A submit that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'f> {
    pub webhook: Option<&'f str>,
    pub at: UnixMillis,
    /// It waits or works, the endpoint knows it, and no callback has told of its end before it.
    pub is_live: bool,
}

pub struct FakeRunpod {
    endpoint: Endpoint,
    plan: Plan,
    /// In the order of their submits.
    jobs: Vec<FakeJob>,
    outbox: Outbox,
    counters: Counters,
}

#[derive(Deserialize)]
struct RunBody {
    input: Option<Box<RawValue>>,
    webhook: Option<String>,
    #[serde(default)]
    policy: Policy,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Policy {
    execution_timeout: Option<u64>,
    ttl: Option<u64>,
}

impl FakeRunpod {
    pub fn new(endpoint: Endpoint, plan: Plan) -> Self {
        Self {
            endpoint,
            plan,
            jobs: Vec::new(),
            outbox: Outbox::default(),
            counters: Counters::default(),
        }
    }

    /// For what comes; jobs that were submitted keep their plans.
    pub fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The answer to a request that arrives now.
    pub fn handle(&mut self, now: UnixMillis, request: &FakeRequest) -> FakeResponse {
        self.counters.requests += 1;
        let route = Route::of(request, &self.endpoint.id);
        let Some(fault) = self.take_fault(&route) else {
            return self.answer(now, &route, request);
        };
        let own_effect = matches!(fault.fault, Fault::Slow { .. } | Fault::Cut { .. });
        if fault.taken || own_effect {
            let answer = self.answer(now, &route, request);
            FakeResponse::spoiled(&fault.fault, answer)
        } else {
            FakeResponse::spoiled(&fault.fault, FakeResponse::empty())
        }
    }

    /// Webhooks that leave now. Each is under way until [`Self::delivered`] says what became of it.
    pub fn due_webhooks(&mut self, now: UnixMillis) -> Vec<Delivery> {
        for job in self.jobs.iter_mut().filter(|job| !job.announced) {
            let Some(at) = webhook_at(job).filter(|at| *at <= now) else {
                continue;
            };
            job.announced = true;
            self.outbox.announce(job, at);
        }
        let mut due = self.outbox.due(now);
        if self.plan.webhooks_reversed {
            due.reverse();
        }
        self.counters.webhooks += due.len() as u64;
        due
    }

    /// What the receiver answered; `None`: nothing. Other answers than 2xx are tried again five and
    /// twenty seconds after the first try.
    pub fn delivered(&mut self, id: u64, status: Option<u16>) {
        self.outbox.delivered(id, status);
    }

    /// When the next webhook will be due, if nothing else happens. May lie in the past.
    pub fn next_webhook_at(&self) -> Option<UnixMillis> {
        let unannounced = self.jobs.iter().filter(|job| !job.announced);
        unannounced
            .filter_map(webhook_at)
            .chain(self.outbox.next_at())
            .min()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Every job ever taken, in the order of their submits.
    pub fn jobs(&self, now: UnixMillis) -> Vec<JobView> {
        self.jobs.iter().map(|job| view(job, now)).collect()
    }

    /// What was taken, in the order of the submits, without anything that takes time to find out.
    pub fn submissions(&self, now: UnixMillis) -> Vec<Submission<'_>> {
        let submission = |job| submission(job, now);
        self.jobs.iter().map(submission).collect()
    }

    /// Billed runs per order, where `order` says what one order is: the job a webhook's token
    /// names, or the hash of the input. A value above 1 is money spent twice.
    pub fn billed_runs<K: Ord>(
        &self,
        now: UnixMillis,
        order: impl Fn(&JobView) -> K,
    ) -> BTreeMap<K, usize> {
        let mut billed = BTreeMap::new();
        for job in self.jobs(now) {
            *billed.entry(order(&job)).or_default() += job.runs.len();
        }
        billed
    }

    fn take_fault(&mut self, route: &Route) -> Option<RequestFault> {
        let of_job = match route {
            Route::Run => self.plan.next.front_mut().map(|plan| &mut plan.faults),
            Route::Status(id) | Route::Cancel(id) | Route::Retry(id) => {
                let job = self.jobs.iter_mut().find(|job| job.id == *id);
                job.map(|job| &mut job.plan.faults)
            }
            _ => None,
        };
        let operation = route.operation()?;
        [of_job, Some(&mut self.plan.faults)]
            .into_iter()
            .flatten()
            .flat_map(|faults| faults.iter_mut())
            .find(|f| f.times > 0 && (f.on == operation || f.on == Operation::Any))
            .map(|fault| {
                fault.times -= 1;
                fault.clone()
            })
    }
}

/// Which part of the API a request is for.
enum Route {
    Run,
    Status(String),
    Cancel(String),
    Retry(String),
    PurgeQueue,
    Health,
    File(String),
    OtherEndpoint,
    Nothing,
}

impl Route {
    fn of(request: &FakeRequest, endpoint: &str) -> Self {
        let path = request.path.split(['?', '#']).next().unwrap_or_default();
        if let Some(file) = path.strip_prefix(FILES_PATH) {
            return Self::File(file.to_owned());
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let [_version, named, operation @ ..] = parts.as_slice() else {
            return Self::Nothing;
        };
        if *named != endpoint {
            return Self::OtherEndpoint;
        }
        let id = |id: &str| {
            percent_encoding::percent_decode_str(id)
                .decode_utf8_lossy()
                .into()
        };
        match (request.method, operation) {
            ("POST", ["run"]) => Self::Run,
            ("GET" | "POST", ["status", job]) => Self::Status(id(job)),
            ("POST", ["cancel", job]) => Self::Cancel(id(job)),
            ("POST", ["retry", job]) => Self::Retry(id(job)),
            ("POST", ["purge-queue"]) => Self::PurgeQueue,
            ("GET", ["health"]) => Self::Health,
            _ => Self::Nothing,
        }
    }

    fn operation(&self) -> Option<Operation> {
        match self {
            Self::Run => Some(Operation::Run),
            Self::Status(_) => Some(Operation::Status),
            Self::Cancel(_) => Some(Operation::Cancel),
            Self::Health => Some(Operation::Health),
            Self::File(_) => Some(Operation::File),
            Self::Retry(_) | Self::PurgeQueue => Some(Operation::Any),
            Self::OtherEndpoint | Self::Nothing => None,
        }
    }
}

/// `None`: no webhook will ever come. RunPod sends none for canceled and expired jobs.
fn webhook_at(job: &FakeJob) -> Option<UnixMillis> {
    job.webhook.as_ref()?;
    let told = matches!(job.ending().status, "COMPLETED" | "FAILED");
    let ended_at = job.timeline().ended_at.filter(|_| told)?;
    let plan = &job.plan.webhook;
    let early_ms = i64::try_from(plan.early_ms).unwrap_or(i64::MAX);
    let early = UnixMillis::new(ended_at.get().saturating_sub(early_ms));
    Some(early.max(job.submitted_at).plus_ms(plan.delay_ms))
}

fn submission(job: &FakeJob, now: UnixMillis) -> Submission<'_> {
    Submission {
        webhook: job.webhook.as_deref(),
        at: job.submitted_at,
        is_live: matches!(
            job.state(now.plus_ms(job.plan.webhook.early_ms)),
            State::Queued | State::Running(_)
        ),
    }
}

fn delivers(job: &FakeJob) -> Vec<String> {
    let is_delivered = matches!(
        job.plan.outcome,
        Outcome::Base64 | Outcome::S3Url | Outcome::Multi { .. } | Outcome::VideoAsImage
    );
    if !is_delivered || job.ending().status != "COMPLETED" {
        return Vec::new();
    }
    let files = work::files(&job.plan.outcome, job.input.get());
    let hash = |file: work::Made| format!("{:x}", Sha256::digest(&file.bytes));
    files.into_iter().map(hash).collect()
}

fn view(job: &FakeJob, now: UnixMillis) -> JobView {
    let runs = job.runs_until(now);
    JobView {
        id: job.id.clone(),
        status: match job.state(now) {
            State::Queued => "IN_QUEUE".into(),
            State::Running(_) => "IN_PROGRESS".into(),
            State::Ended => job.ending().status.into(),
            State::Gone => "GONE".into(),
        },
        webhook: job.webhook.clone(),
        input_hash: blake3::hash(job.input.get().as_bytes())
            .to_hex()
            .to_string(),
        images: work::image_names(job.input.get()),
        partner_key: work::partner_key(job.input.get()),
        delivers: delivers(job),
        submitted_at: job.submitted_at,
        billed_ms: runs
            .iter()
            .map(|run| run.ended_at.since_ms(run.started_at))
            .sum(),
        runs,
    }
}
