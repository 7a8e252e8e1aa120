//! `TestQueue`: the whole product in memory, driven by hand.
//!
//! Real router, real verbs, real SQL; the clock moves only when told to, and what would happen by
//! itself (alarms, later tasks, webhooks) happens when the clock is moved past it, in order.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{header, Request, StatusCode};
use axum::Router;
use futures::future::BoxFuture;
use futures::{stream, StreamExt};
use serde_json::Value;

use super::answered::answer;
pub use super::answered::{request, Answered};
use super::clock::{ManualClock, RightClock};
use super::gates::MemoryGates;
use super::memory::{
    lock, CountingEntropy, Dalek, MemoryBlobs, MemoryLimiter, MemoryLog, MemoryMailer, MemoryTasks,
};
use super::receiver::{self, Receiver};
use super::runpod::{Delivery, Endpoint, FakeHttp, FakeRunpod, Plan};
use super::sqlite::SqliteDb;
use super::turnstile;
use super::watchers::MemoryWatchers;
use crate::app::{App, Ports};
use crate::config::Config;
use crate::http::router;
use crate::id::JobId;
use crate::ports::{Clock, Http, HttpAnswer, HttpError, HttpRequest, Method};
use crate::queue::advance::{on_alarm, Next};
use crate::time::UnixMillis;

/// Where the tests' time begins: 2026-01-01.
const BEGINNING: UnixMillis = UnixMillis::new(1_767_225_600_000);

const PUBLIC_URL: &str = "https://queue.example";

/// The operator of every test queue.
pub const ADMIN_KEY: &str = "the operator's key of every test queue";

pub struct TestQueue {
    pub app: Arc<App>,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub db: Arc<SqliteDb>,
    pub blobs: Arc<MemoryBlobs>,
    pub watchers: Arc<MemoryWatchers>,
    pub runpod: Arc<Mutex<FakeRunpod>>,
    pub log: Arc<MemoryLog>,
    pub gates: Arc<MemoryGates>,
    pub limiter: Arc<MemoryLimiter>,
    pub mailer: Arc<MemoryMailer>,
    /// The server of a caller that takes webhooks.
    pub receiver: Arc<Receiver>,
    /// The key that `get` and `post` present; without one they come from nobody in particular.
    pub key: OnceLock<String>,
    tasks: Arc<MemoryTasks>,
    waiting: Mutex<Vec<(UnixMillis, BoxFuture<'static, ()>)>>,
}

impl TestQueue {
    /// A queue on the simulated GPU.
    pub fn simulated() -> Self {
        Self::build(&[("PROVIDER", "simulated")], Plan::default(), 1)
    }

    /// A queue on a fake RunPod that does as planned.
    pub fn live(plan: Plan) -> Self {
        Self::build(&[], plan, 1)
    }

    /// `settings` are put over those of a local deployment.
    ///
    /// # Panics
    /// When the settings or the schema are wrong: there is nothing to test then.
    pub fn build(settings: &[(&str, &str)], plan: Plan, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let right = Arc::new(RightClock(clock.clone()));
        let db = SqliteDb::new(include_str!("../../schema.sql"));
        let db = Arc::new(db.unwrap_or_else(|error| panic!("schema.sql: {error}")));
        let watchers = Arc::new(MemoryWatchers::new(right.clone()));
        let runpod = FakeRunpod::new(
            Endpoint {
                seed,
                ..Endpoint::default()
            },
            plan,
        );
        let runpod = Arc::new(Mutex::new(runpod));
        let receiver = Arc::new(Receiver::new(clock.clone()));
        let wire = Arc::new(Wire {
            receiver: receiver.clone(),
            queue: OnceLock::new(),
            runpod: FakeHttp {
                runpod: runpod.clone(),
                clock: right.clone(),
            },
        });
        let blobs = Arc::new(MemoryBlobs::new(right));
        let log = Arc::new(MemoryLog::default());
        let gates = Arc::new(MemoryGates::default());
        let limiter = Arc::new(MemoryLimiter::default());
        let mailer = Arc::new(MemoryMailer::default());
        let tasks = Arc::new(MemoryTasks::default());
        let ports = Ports {
            db: db.clone(),
            blobs: blobs.clone(),
            http: wire.clone(),
            watchers: watchers.clone(),
            gate: gates.clone(),
            limiter: limiter.clone(),
            mailer: Some(mailer.clone()),
            ed25519: Arc::new(Dalek),
            clock: clock.clone(),
            entropy: Arc::new(CountingEntropy::new(seed)),
            tasks: tasks.clone(),
            log: log.clone(),
        };
        let app = Arc::new(App::new(config(settings), ports));
        watchers.serve(&app);
        gates.serve(&app);
        let router = router(app.clone());
        drop(wire.queue.set(router.clone()));
        Self {
            app,
            router,
            clock,
            db,
            blobs,
            watchers,
            runpod,
            log,
            gates,
            limiter,
            mailer,
            receiver,
            key: OnceLock::new(),
            tasks,
            waiting: Mutex::default(),
        }
    }

    /// Gives the endpoint the inventory of the simulated GPU, as `make dev` does.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn stock(&self) {
        let bearer = format!("Bearer {ADMIN_KEY}");
        let headers = [("authorization", bearer.as_str())];
        let body = include_str!("../../inventory/core.json");
        let put = request("PUT", "/api/admin/inventory", &headers, body.into());
        let answer = self.send(put).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub async fn send(&self, request: Request<Body>) -> Answered {
        answer(self.router.clone(), request).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        let bearer = self.bearer();
        let headers = bearer.as_deref().map(|key| ("authorization", key));
        self.send(request("GET", path, headers.as_slice(), Body::empty()))
            .await
    }

    fn bearer(&self) -> Option<String> {
        self.key.get().map(|key| format!("Bearer {key}"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        self.post_with(path, body, &[]).await
    }

    pub async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answered {
        self.send(self.posting(path, body, headers)).await
    }

    /// What `post_with` sends.
    pub fn posting(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Request<Body> {
        let (body, bearer) = (body.to_string(), self.bearer());
        // Without its length a body counts as the largest there may be.
        let length = body.len().to_string();
        let mut all = vec![
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
        ];
        all.extend(bearer.as_deref().map(|key| ("authorization", key)));
        all.extend_from_slice(headers);
        request("POST", path, &all, body.into())
    }

    /// Creates a job and answers its id.
    ///
    /// # Panics
    /// When the job is refused.
    pub async fn create(&self, body: &Value) -> JobId {
        let answer = self.post("/api/queue/create", body).await;
        let id = answer.json()["job_id"].as_str().and_then(JobId::parse);
        id.unwrap_or_else(|| panic!("refused: {}", answer.json()))
    }

    /// The job as its caller sees it.
    pub async fn job(&self, id: JobId) -> Value {
        self.get(&format!("/api/queue/status/{id}")).await.json()["job"].clone()
    }

    /// When something happens next by itself, if anything ever does.
    pub fn next_event_at(&self) -> Option<UnixMillis> {
        self.collect_tasks();
        let alarm = self.watchers.next_alarm().map(|(at, _)| at);
        let task = lock(&self.waiting).iter().map(|(at, _)| *at).min();
        let webhook = lock(&self.runpod).next_webhook_at();
        let timer = self.watchers.next_timer();
        [alarm, task, webhook, timer].into_iter().flatten().min()
    }

    /// Moves the clock on by `ms`, letting everything happen that is due until then.
    pub async fn pass(&self, ms: u64) {
        let end = self.now().plus_ms(ms);
        while let Some(at) = self.next_event_at().filter(|at| *at <= end) {
            self.clock.set(at.max(self.now()));
            self.happen().await;
        }
        self.clock.set(end);
        self.watchers.run_timers().await;
    }

    /// Everything that is due now.
    pub async fn happen(&self) {
        self.run_tasks().await;
        self.deliver_webhooks().await;
        while let Some((_, id)) = self
            .watchers
            .next_alarm()
            .filter(|(at, _)| *at <= self.now())
        {
            self.ring(id).await;
        }
        self.watchers.run_timers().await;
    }

    /// Runs one watcher's alarm now, due or not.
    pub async fn ring(&self, id: JobId) {
        let wakes = self.watchers.take_alarm(id);
        let watch = self.watchers.watch(id);
        match on_alarm(&self.app, &watch, id).await {
            Ok(Next::Forget) => self.watchers.forget_unless_woken(id, wakes),
            Ok(Next::Stay) => self.watchers.end_step(id),
            Err(_) => self.watchers.lose_step(id),
        }
        self.watchers.publish(id).await;
    }

    /// The same, but its handler dies after `polls` steps: what was done by then is done, and
    /// nothing else.
    pub fn ring_and_die(&self, id: JobId, polls: usize) {
        self.watchers.take_alarm(id);
        let watch = self.watchers.watch(id);
        // The platform runs an alarm again whose handler died.
        if !die(on_alarm(&self.app, &watch, id), polls) {
            self.watchers.lose_step(id);
        }
    }

    /// Every task that waits goes on until `reached` and dies there.
    pub fn tasks_die(&self, reached: impl Fn() -> bool) {
        self.collect_tasks();
        for (_, task) in lock(&self.waiting).drain(..) {
            let mut task = task;
            let mut context = Context::from_waker(Waker::noop());
            while !reached() && task.as_mut().poll(&mut context).is_pending() {}
        }
    }

    /// A request whose handler dies after `polls` steps. True if it had answered by then.
    pub fn send_and_die(&self, request: Request<Body>, polls: usize) -> bool {
        die(answer(self.router.clone(), request), polls)
    }

    pub async fn deliver_webhooks(&self) {
        let due = lock(&self.runpod).due_webhooks(self.now());
        for delivery in due {
            self.deliver(&delivery).await;
        }
    }

    /// One callback of the provider, from its request until its answer.
    pub async fn deliver(&self, delivery: &Delivery) {
        let path = delivery.url.strip_prefix(PUBLIC_URL).unwrap_or("/");
        let headers: Vec<(&str, &str)> = delivery
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = request("POST", path, &headers, delivery.body.clone().into());
        let status = self.send(request).await.status.as_u16();
        lock(&self.runpod).delivered(delivery.id, Some(status));
    }

    fn collect_tasks(&self) {
        let new = self.tasks.take(self.now());
        lock(&self.waiting).extend(new);
    }

    async fn run_tasks(&self) {
        for task in self.take_due_tasks() {
            task.await;
        }
    }

    /// Work beside an answer or a step that begins now, for whoever drives it.
    pub fn take_due_tasks(&self) -> Vec<BoxFuture<'static, ()>> {
        self.collect_tasks();
        let now = self.now();
        let mut waiting = lock(&self.waiting);
        let (due, rest) = waiting.drain(..).partition(|(at, _)| *at <= now);
        *waiting = rest;
        let due: Vec<_> = due;
        due.into_iter().map(|(_, task)| task).collect()
    }
}

/// Polls `work` at most `polls` times and drops it. True if it was done by then.
fn die(work: impl Future, polls: usize) -> bool {
    let mut work = Box::pin(work);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| work.as_mut().poll(&mut context).is_ready())
}

/// The settings of a local deployment against the fake RunPod, with `over` put over them.
fn config(over: &[(&str, &str)]) -> Config {
    let base = [
        ("ENVIRONMENT", "local"),
        ("PUBLIC_URL", PUBLIC_URL),
        ("RUNPOD_ENDPOINT_ID", "mock"),
        ("RUNPOD_API_KEY", "mock-key"),
        ("ADMIN_KEY", ADMIN_KEY),
    ];
    let config = Config::from_vars(|name| {
        let mut all = over.iter().chain(&base);
        all.find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    });
    config.unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What leaves the product: to itself, to Turnstile, to a caller's server, or to RunPod.
struct Wire {
    receiver: Arc<Receiver>,
    queue: OnceLock<Router>,
    runpod: FakeHttp,
}

#[async_trait]
impl Http for Wire {
    async fn open(&self, asked: HttpRequest) -> Result<HttpAnswer, HttpError> {
        if asked.url.starts_with(turnstile::HOST) {
            return turnstile::siteverify(&asked);
        }
        if asked.url.starts_with(receiver::HOST) {
            return self.receiver.open(asked).await;
        }
        let Some(path) = asked.url.strip_prefix(PUBLIC_URL) else {
            return self.runpod.open(asked).await;
        };
        let router = self.queue.get().cloned().unwrap_or_default();
        let method = match asked.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
        let answered = answer(router, request(method, path, &headers, asked.body.into())).await;
        Ok(HttpAnswer {
            status: answered.status.as_u16(),
            headers: std::collections::BTreeMap::new(),
            body: stream::iter([Ok(answered.bytes)]).boxed(),
        })
    }
}
