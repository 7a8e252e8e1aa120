//! The product, its callers and RunPod, and what must hold after everything that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edge_queue::id::JobId;
use edge_queue::ports::Clock;
use edge_queue::queue::sweep::sweep;
use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::{JobPlan, Plan, RequestFault};
use fastrand::Rng;
use serde_json::{json, Value};

use super::figures::Figures;
use super::invariants::{Round, Seen};
use super::story::Operation;

/// What a caller remembers of a create.
pub(super) struct Asked {
    pub body: Value,
    /// `None`: the caller got no answer.
    answered: Option<(JobId, Value)>,
}

/// Every fourth story is about an endpoint with fewer slots than jobs.
const SLOTS: &str = "3";
/// In every other fourth the caller pays, and has fewer credits than it would need.
const CREDITS: u64 = 15;

pub struct World {
    seed: u64,
    pub(super) queue: Arc<TestQueue>,
    pub random: Rng,
    pub(super) asked: Vec<Asked>,
    pub(super) seen: BTreeMap<JobId, Seen>,
    /// Where every job there is stood last, the caller's or not.
    pub(super) rounds: BTreeMap<JobId, Round>,
    /// Rounds of jobs that somebody may have wanted to cancel.
    pub(super) unwanted: BTreeSet<(JobId, u64)>,
    /// Jobs of which an alarm died on its way.
    pub(super) died: BTreeSet<JobId>,
    /// Job and attempt of each submit that RunPod took.
    pub(super) claims: Vec<(JobId, u32)>,
    /// How much had changed in the database when its rows were checked last.
    pub(super) changes: u64,
    figures: Figures,
    story: Vec<String>,
    /// Callers want to be told of everything.
    pub is_told: bool,
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let settings: &[_] = match seed % 4 {
            1 => &[("CREDITS", "on")],
            3 => &[("ENDPOINT_JOBS_MAX", SLOTS)],
            _ => &[],
        };
        let queue = TestQueue::build(settings, Plan::default(), seed);
        queue.db.stop_counting();
        if seed % 4 == 1 {
            paying(&queue).await;
        }
        Self {
            seed,
            queue: Arc::new(queue),
            random: Rng::with_seed(seed),
            asked: Vec::new(),
            seen: BTreeMap::new(),
            rounds: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            died: BTreeSet::new(),
            claims: Vec::new(),
            changes: 0,
            figures: Figures::of(seed),
            story: Vec::new(),
            is_told: false,
        }
    }

    pub(super) fn tell(&self, what: &str) -> String {
        let last = self.story.len().saturating_sub(25);
        format!(
            "seed {}: {what}\n{}",
            self.seed,
            self.story[last..].join("\n")
        )
    }

    pub async fn run(&mut self, operation: Operation) {
        self.story
            .push(format!("{} {operation:?}", self.queue.now().iso8601()));
        self.count(&operation);
        match operation {
            Operation::Create {
                plan,
                keyed,
                polls,
                start_by_ms,
                deadline_ms,
                ..
            } => {
                self.plan_next(*plan);
                let mut body = self.work();
                if keyed {
                    body["request_id"] = format!("key-{}", self.asked.len()).into();
                }
                for (name, ms) in [("start_by", start_by_ms), ("deadline", deadline_ms)] {
                    if let Some(ms) = ms {
                        body[name] = self.queue.now().plus_ms(ms).iso8601().into();
                    }
                }
                self.create(body, polls).await;
            }
            Operation::Repeat => self.repeat().await,
            Operation::Pass { ms } => self.queue.pass(ms).await,
            Operation::Ring { polls } => {
                if let Some(id) = self.any_job() {
                    match polls {
                        Some(polls) => self.ring_and_die(id, polls),
                        None => self.queue.ring(id).await,
                    }
                }
            }
            Operation::Cross(handlers) => self.cross(&handlers).await,
            Operation::Storm { polls } => {
                if let Some(id) = self.any_job() {
                    (0..8).for_each(|_| self.ring_and_die(id, polls));
                }
            }
            Operation::WebhooksDie { polls } => self.webhooks_die(polls),
            Operation::Cancel => self.post_to_any("cancel").await,
            Operation::Retry => self.post_to_any("retry").await,
            Operation::DbFails { fault, times } => {
                (0..times).for_each(|_| self.queue.db.fail_next(fault));
            }
            Operation::WatchersFail { times } => self.queue.watchers.fail_next(times),
            Operation::BlobsFail { times } => self.queue.blobs.fail_next(times),
            Operation::BlobsForget { times } => self.queue.blobs.lose_next_answers(times),
            Operation::RunpodFails {
                fault,
                taken,
                times,
                ..
            } => {
                let fault = json!({"on": "any", "times": times, "fault": fault, "taken": taken});
                let fault: RequestFault = serde_json::from_value(fault).unwrap();
                let mut runpod = self.queue.runpod.lock().unwrap();
                runpod.plan_mut().faults.push(fault);
            }
            Operation::LoseAlarm => {
                if let Some(id) = self.any_job() {
                    self.queue.watchers.take_alarm(id);
                }
            }
            Operation::Deaf(deaf) => self.queue.watchers.set_deaf(deaf),
            Operation::GateSilent { ms } => {
                self.queue.gates.set_silent(true);
                self.queue.pass(ms).await;
                self.queue.gates.set_silent(false);
            }
            Operation::GateMoves => self.queue.gates.forget(),
            Operation::Sweep => drop(sweep(&self.queue.app).await),
        }
    }

    fn ring_and_die(&mut self, id: JobId, polls: usize) {
        self.died.insert(id);
        self.queue.ring_and_die(id, polls);
    }

    /// Mostly a small workflow of the caller's own: a template takes longer to compile, and is the
    /// same job from then on.
    pub(super) fn work(&mut self) -> Value {
        let mut work = self.any_work();
        if self.is_told {
            work["webhook_url"] = "https://hooks.example/in".into();
        }
        work
    }

    fn any_work(&mut self) -> Value {
        let n = self.asked.len();
        if self.random.u32(0..10) == 0 {
            return json!({"prompt": format!("picture {n}")});
        }
        json!({"workflow": {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 64 + n, "height": 64}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        }})
    }

    fn plan_next(&self, plan: JobPlan) {
        let mut runpod = self.queue.runpod.lock().unwrap();
        runpod.plan_mut().next.push_back(plan);
    }

    fn count(&mut self, operation: &Operation) {
        let (name, is_fault) = operation.name();
        let counts = if is_fault {
            &mut self.figures.faults
        } else {
            &mut self.figures.operations
        };
        *counts.entry(name.to_owned()).or_default() += 1;
        if let Operation::Create { faults, .. } = operation {
            for name in faults {
                *self.figures.faults.entry((*name).to_owned()).or_default() += 1;
            }
        }
    }

    async fn create(&mut self, body: Value, polls: Option<usize>) {
        let answered = if let Some(polls) = polls {
            let request = self.queue.posting("/api/queue/create", &body, &[]);
            self.queue.send_and_die(request, polls);
            None
        } else {
            let answer = self.queue.post("/api/queue/create", &body).await;
            (answer.status == 200).then(|| accepted(&answer.json()))
        };
        self.remember(body, answered);
    }

    fn remember(&mut self, body: Value, answered: Option<(JobId, Value)>) {
        self.asked.push(Asked {
            body,
            answered: None,
        });
        if let Some(answered) = answered {
            self.answer(self.asked.len() - 1, answered);
        }
    }

    fn answer(&mut self, asked: usize, answered: (JobId, Value)) {
        let accepted = answered.1["status"] == "queued";
        assert!(accepted, "{}", self.tell("accepted, and not queued"));
        self.seen.entry(answered.0).or_insert_with(Seen::open);
        self.asked[asked].answered = Some(answered);
    }

    /// A create that nobody has asked for yet: its place among those that were asked.
    pub(super) fn ask_something_new(&mut self) -> usize {
        let mut body = self.work();
        body["request_id"] = format!("key-{}", self.asked.len()).into();
        self.remember(body, None);
        self.asked.len() - 1
    }

    /// The same create again: the same job, and the answer of then.
    async fn repeat(&mut self) {
        if let Some(asked) = self.any_keyed() {
            let body = self.asked[asked].body.clone();
            let is_known = self.is_accepted(asked);
            let answer = self.queue.post("/api/queue/create", &body).await;
            self.take_repeat(asked, is_known, &answer);
        }
    }

    /// The place of a create with a key among those that were asked.
    pub(super) fn any_keyed(&mut self) -> Option<usize> {
        let keyed = |n: &usize| self.asked[*n].body.get("request_id").is_some();
        let keyed: Vec<usize> = (0..self.asked.len()).filter(keyed).collect();
        self.random.choice(keyed)
    }

    pub(super) fn is_accepted(&self, asked: usize) -> bool {
        self.asked[asked].answered.is_some()
    }

    /// `is_known`: it had been accepted when this was asked.
    pub(super) fn take_repeat(&mut self, asked: usize, is_known: bool, answer: &Answered) {
        if answer.status != 200 {
            // A moment that has passed, and credits that are spent, refuse only what was never
            // accepted.
            let status = answer.status.as_u16();
            let fits = status == 503 || (matches!(status, 402 | 422) && !is_known);
            assert!(fits, "{}", self.tell("a repeat was refused"));
            return;
        }
        let now = accepted(&answer.json());
        if let Some(before) = self.asked[asked].answered.clone() {
            assert_eq!(now, before, "{}", self.tell("a repeat got another answer"));
        } else {
            self.answer(asked, now);
        }
    }

    async fn post_to_any(&mut self, verb: &str) {
        if let Some(id) = self.any_job() {
            if verb == "cancel" {
                self.want_end(id, 0);
            }
            let path = format!("/api/queue/{verb}/{id}");
            self.queue.post(&path, &json!({})).await;
        }
    }

    fn webhooks_die(&mut self, polls: usize) {
        let mut runpod = self.queue.runpod.lock().unwrap();
        let due = runpod.due_webhooks(self.queue.clock.now());
        for delivery in due {
            let path = delivery.url.trim_start_matches("https://queue.example");
            let request = request("POST", path, &[], delivery.body.clone().into());
            drop(runpod);
            let answered = self.queue.send_and_die(request, polls);
            runpod = self.queue.runpod.lock().unwrap();
            runpod.delivered(delivery.id, answered.then_some(200));
        }
    }

    pub(super) fn any_job(&mut self) -> Option<JobId> {
        let ids: Vec<JobId> = self.seen.keys().copied().collect();
        self.random.choice(ids)
    }

    /// The faults stop; a day later at the most everything has ended and nobody watches any more.
    pub async fn settle_down(&mut self) {
        self.story.push("the faults stop".into());
        self.queue.db.clear_faults();
        self.queue.blobs.fail_next(0);
        self.queue.blobs.lose_next_answers(0);
        self.queue.watchers.set_deaf(false);
        self.queue.watchers.fail_next(0);
        self.queue.runpod.lock().unwrap().plan_mut().faults.clear();
        for _ in 0..24 * 6 {
            sweep(&self.queue.app).await.unwrap();
            self.queue.pass(10 * 60_000).await;
            let due = "SELECT 1 AS one FROM jobs WHERE due_at IS NOT NULL LIMIT 1";
            let over = self.queue.db.query(due).unwrap().is_empty();
            if over && self.queue.next_event_at().is_none() {
                break;
            }
        }
        self.check_the_end();
    }

    pub fn figures(&mut self) -> Figures {
        let mut figures = std::mem::take(&mut self.figures);
        let count = |sql: &str| -> BTreeMap<String, u64> {
            let rows = self.queue.db.query(sql).unwrap();
            let named = |row: Value| (row["name"].as_str().unwrap().to_owned(), row["n"].as_u64());
            rows.into_iter()
                .map(named)
                .map(|(name, n)| (name, n.unwrap()))
                .collect()
        };
        figures.statuses = count("SELECT status AS name, count(*) AS n FROM jobs GROUP BY status");
        figures.causes = count(
            "SELECT error_json ->> '$.cause' AS name, count(*) AS n FROM attempts
             WHERE error_json IS NOT NULL GROUP BY name",
        );
        figures.jobs = figures.statuses.values().sum();
        figures.submissions = self.queue.runpod.lock().unwrap().counters().jobs;
        figures
    }
}

/// From now on the caller has a key, and so many credits.
async fn paying(queue: &TestQueue) {
    let key = json!({"owner": "shop", "name": "pays",
        "scopes": ["jobs:write", "jobs:read", "workflows:raw"]});
    let grant = json!({"owner": "shop", "credits": CREDITS, "id": "invoice-1"});
    let bearer = format!("Bearer {ADMIN_KEY}");
    let operator = [("authorization", bearer.as_str())];
    let made = queue.post_with("/api/admin/keys", &key, &operator).await;
    let granted = queue.post_with("/api/admin/credits", &grant, &operator);
    assert_eq!(granted.await.status, 200);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    queue.key.set(secret).unwrap();
}

fn accepted(answer: &Value) -> (JobId, Value) {
    let id = JobId::parse(answer["job_id"].as_str().unwrap()).unwrap();
    (id, answer["job"].clone())
}
