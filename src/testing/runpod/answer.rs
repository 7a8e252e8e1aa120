//! What the fake answers, byte for byte.

use std::cell::OnceCell;

use bytes::Bytes;
use serde_json::json;

use super::job::State;
use super::plan::Fault;
use super::{
    work, FakeJob, FakeRequest, FakeRunpod, Policy, Route, RunBody, BODY_BYTES_MAX,
    EXECUTION_TIMEOUT_MS, FILES_PATH, TTL_MS,
};
use crate::time::UnixMillis;

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Whole,
    /// The connection closes after the body's bytes, which are fewer than announced.
    Cut,
    /// The connection closes before the first byte.
    Lost,
    /// There was no connection; the request was not handled.
    NotSent,
}

#[derive(Clone, Debug)]
pub struct FakeResponse {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub fate: Fate,
    /// Before the first byte.
    pub delay_ms: u64,
}

impl FakeResponse {
    fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            fate: Fate::Whole,
            delay_ms: 0,
        }
    }

    fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// Error bodies carry their status as a number, and are not sorted.
    fn problem(status: u16, detail: &str) -> Self {
        let title = title(status);
        let detail = json!(detail);
        let body = format!("{{\"status\":{status},\"title\":\"{title}\",\"detail\":{detail}}}");
        Self::json(status, body)
    }

    pub(super) fn empty() -> Self {
        Self::new(200, "text/plain", Bytes::new())
    }

    /// An answer after a fault has had its way with it.
    pub(super) fn spoiled(fault: &Fault, mut answer: Self) -> Self {
        match fault {
            Fault::TooMany { retry_after } => {
                answer = Self::problem(429, "too many requests");
                let pause = retry_after.iter().cloned();
                answer
                    .headers
                    .extend(pause.map(|pause| ("retry-after".into(), pause)));
            }
            Fault::Html { status } => {
                let title = title(*status);
                let body = format!(
                    "<html><head><title>{status} {title}</title></head>\
                     <body><h1>{status} {title}</h1></body></html>"
                );
                answer = Self::new(*status, "text/html", body);
            }
            Fault::Problem { status, detail } => {
                let detail = detail.as_deref().unwrap_or("refused by plan");
                answer = Self::problem(*status, detail);
            }
            Fault::Lost => answer.fate = Fate::Lost,
            Fault::NotSent => answer.fate = Fate::NotSent,
            Fault::Slow { delay_ms } => answer.delay_ms = *delay_ms,
            Fault::Cut { bytes } => {
                answer.body.truncate(*bytes);
                answer.fate = Fate::Cut;
            }
        }
        answer
    }
}

fn title(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}

fn job_not_found() -> FakeResponse {
    FakeResponse::problem(404, "job not found")
}

impl FakeRunpod {
    /// The answer of an endpoint in good health.
    pub(super) fn answer(
        &mut self,
        now: UnixMillis,
        route: &Route,
        request: &FakeRequest,
    ) -> FakeResponse {
        if let Route::File(path) = route {
            return self.file(path);
        }
        if !self.admits(request) {
            self.counters.refused += 1;
            return FakeResponse::problem(401, "unauthorized");
        }
        match route {
            Route::Run => self.run(now, request.body),
            Route::Status(id) => self.status(now, id),
            Route::Cancel(id) => self.cancel(now, id),
            Route::Retry(id) => self.retry(now, id),
            Route::PurgeQueue => self.purge_queue(now),
            Route::Health => self.health(now),
            Route::OtherEndpoint => FakeResponse::problem(404, "endpoint not found"),
            Route::File(_) | Route::Nothing => FakeResponse::problem(404, "not found"),
        }
    }

    /// The key with or without `Bearer`.
    fn admits(&self, request: &FakeRequest) -> bool {
        let mut headers = request.headers.iter();
        let given = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        given.is_some_and(|(_, value)| {
            value.strip_prefix("Bearer ").unwrap_or(value) == self.endpoint.key
        })
    }

    fn run(&mut self, now: UnixMillis, body: &[u8]) -> FakeResponse {
        self.counters.submits += 1;
        if body.len() > BODY_BYTES_MAX {
            let detail = "bad request: body: exceeded max body size of 10MiB";
            return FakeResponse::problem(400, detail);
        }
        let Ok(body) = serde_json::from_slice::<RunBody>(body) else {
            return FakeResponse::problem(400, "bad request: body: malformed JSON");
        };
        let Some(input) = body.input else {
            return FakeResponse::problem(400, "bad request: input is required");
        };
        let Policy {
            execution_timeout,
            ttl,
        } = body.policy;
        let id = self.mint_id();
        let origin = &self.endpoint.files_origin;
        let answer = format!("{{\"id\":\"{id}\",\"status\":\"IN_QUEUE\"}}");
        self.counters.jobs += 1;
        self.jobs.push(FakeJob {
            files_url: format!("{origin}{FILES_PATH}{id}"),
            id,
            input,
            webhook: body.webhook,
            execution_timeout_ms: execution_timeout.unwrap_or(EXECUTION_TIMEOUT_MS),
            ttl_ms: ttl.unwrap_or(TTL_MS),
            plan: self
                .plan
                .next
                .pop_front()
                .unwrap_or_else(|| self.plan.job.clone()),
            submitted_at: now,
            canceled_at: None,
            purged_at: None,
            past_runs: Vec::new(),
            announced: false,
            own_ending: OnceCell::new(),
        });
        FakeResponse::json(200, answer)
    }

    fn mint_id(&self) -> String {
        let name = format!("{} {}", self.endpoint.seed, self.jobs.len());
        let mut random = [0; 16];
        random.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        format!("{uuid}-u1")
    }

    /// A job that `/status` would show.
    fn known(&mut self, now: UnixMillis, id: &str) -> Option<&mut FakeJob> {
        let mut jobs = self.jobs.iter_mut();
        jobs.find(|job| job.id == id && job.state(now) != State::Gone)
    }

    fn status(&mut self, now: UnixMillis, id: &str) -> FakeResponse {
        self.counters.looks += 1;
        let Some(job) = self.known(now, id) else {
            return job_not_found();
        };
        if now < job.submitted_at.plus_ms(job.plan.status_missing_ms) {
            return job_not_found();
        }
        match job.object(now).map(|object| serde_json::to_vec(&object)) {
            Some(Ok(body)) => FakeResponse::json(200, body),
            Some(Err(_)) | None => job_not_found(),
        }
    }

    fn cancel(&mut self, now: UnixMillis, id: &str) -> FakeResponse {
        self.counters.cancels += 1;
        let Some(job) = self.known(now, id) else {
            return job_not_found();
        };
        if job.state(now) != State::Ended {
            job.canceled_at = Some(now);
        }
        let status = job.ending().status;
        FakeResponse::json(200, format!("{{\"id\":\"{id}\",\"status\":\"{status}\"}}"))
    }

    /// Failed and timed out jobs only; the id and the input stay, the runs add up.
    fn retry(&mut self, now: UnixMillis, id: &str) -> FakeResponse {
        let Some(job) = self.known(now, id) else {
            return job_not_found();
        };
        let ended = job.state(now) == State::Ended;
        if !ended || !matches!(job.ending().status, "FAILED" | "TIMED_OUT") {
            return FakeResponse::problem(400, "bad request: job cannot be retried");
        }
        job.past_runs = job.runs_until(now);
        job.submitted_at = now;
        job.announced = false;
        FakeResponse::json(200, format!("{{\"id\":\"{id}\",\"status\":\"IN_QUEUE\"}}"))
    }

    fn purge_queue(&mut self, now: UnixMillis) -> FakeResponse {
        let mut removed = 0;
        for job in &mut self.jobs {
            if job.state(now) == State::Queued {
                job.purged_at = Some(now);
                removed += 1;
            }
        }
        FakeResponse::json(
            200,
            format!("{{\"removed\":{removed},\"status\":\"completed\"}}"),
        )
    }

    fn health(&self, now: UnixMillis) -> FakeResponse {
        if let Some(health) = &self.plan.health {
            return FakeResponse::json(200, health.to_string());
        }
        let jobs = self.jobs(now);
        let count = |status: &str| jobs.iter().filter(|job| job.status == status).count();
        let running = count("IN_PROGRESS");
        let health = json!({
            "jobs": {
                "completed": count("COMPLETED"),
                "failed": count("FAILED"),
                "inProgress": running,
                "inQueue": count("IN_QUEUE"),
                "retried": jobs.iter().filter(|job| job.runs.len() > 1).count(),
            },
            "workers": {
                "idle": 1,
                "initializing": 0,
                "ready": 1,
                "running": running,
                "throttled": 0,
                "unhealthy": 0,
            },
        });
        FakeResponse::json(200, health.to_string())
    }

    /// `<job>/<index>/<name>`: the bytes behind a link of the `s3_url` outcome.
    fn file(&self, path: &str) -> FakeResponse {
        if let Some(target) = path.strip_prefix("redirect/") {
            let target = percent_encoding::percent_decode_str(target);
            let mut answer = FakeResponse::new(302, "text/plain", Bytes::new());
            let location = ("location".into(), target.decode_utf8_lossy().into());
            answer.headers.push(location);
            return answer;
        }
        let mut parts = path.split('/');
        let job = parts
            .next()
            .and_then(|id| self.jobs.iter().find(|job| job.id == id));
        let index = parts.next().and_then(|index| index.parse::<usize>().ok());
        let made = job.zip(index).and_then(|(job, index)| {
            let files = work::files(&job.plan.outcome, job.input.get());
            files.into_iter().nth(index)
        });
        match made {
            Some(made) => FakeResponse::new(200, made.content_type, made.bytes),
            None => FakeResponse::new(404, "application/xml", "<Error>NoSuchKey</Error>"),
        }
    }
}
