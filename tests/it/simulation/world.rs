//! The product, its callers and RunPod, and what must hold after everything that happens.

use std::collections::BTreeMap;

use axum::body::Body;
use edge_queue::id::JobId;
use edge_queue::ports::Clock;
use edge_queue::queue::sweep::sweep;
use edge_queue::testing::queue::{request, TestQueue};
use edge_queue::testing::runpod::{Plan, RequestFault};
use fastrand::Rng;
use serde_json::{json, Value};

use super::story::Operation;

/// What a caller remembers of a create.
struct Asked {
    body: Value,
    /// `None`: the caller got no answer.
    answered: Option<(JobId, Value)>,
}

/// The last state seen of a job that was accepted.
struct Seen {
    status: String,
    round: u64,
}

pub struct World {
    seed: u64,
    queue: TestQueue,
    pub random: Rng,
    asked: Vec<Asked>,
    seen: BTreeMap<JobId, Seen>,
    story: Vec<String>,
}

const TERMINAL: [&str; 4] = ["succeeded", "failed", "canceled", "expired"];

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            queue: TestQueue::build(&[], Plan::default(), seed),
            random: Rng::with_seed(seed),
            asked: Vec::new(),
            seen: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    fn tell(&self, what: &str) -> String {
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
        match operation {
            Operation::Create { plan, keyed, polls } => {
                self.queue
                    .runpod
                    .lock()
                    .unwrap()
                    .plan_mut()
                    .next
                    .push_back(*plan);
                let mut body = json!({"prompt": format!("picture {}", self.asked.len())});
                if keyed {
                    body["request_id"] = format!("key-{}", self.asked.len()).into();
                }
                self.create(body, polls).await;
            }
            Operation::Repeat => self.repeat().await,
            Operation::Pass { ms } => self.queue.pass(ms).await,
            Operation::Ring { polls } => {
                if let Some(id) = self.any_job() {
                    match polls {
                        Some(polls) => self.queue.ring_and_die(id, polls),
                        None => self.queue.ring(id).await,
                    }
                }
            }
            Operation::WebhooksDie { polls } => self.webhooks_die(polls),
            Operation::Cancel => self.post_to_any("cancel").await,
            Operation::Retry => self.post_to_any("retry").await,
            Operation::DbFails(fault) => self.queue.db.fail_next(fault),
            Operation::BlobsFail { times } => self.queue.blobs.fail_next(times),
            Operation::RunpodFails { fault, taken } => {
                let fault = json!({"on": "any", "times": 1, "fault": fault, "taken": taken});
                let fault: RequestFault = serde_json::from_value(fault).unwrap();
                self.queue
                    .runpod
                    .lock()
                    .unwrap()
                    .plan_mut()
                    .faults
                    .push(fault);
            }
            Operation::LoseAlarm => {
                if let Some(id) = self.any_job() {
                    self.queue.watchers.take_alarm(id);
                }
            }
            Operation::Deaf(deaf) => self.queue.watchers.set_deaf(deaf),
            Operation::Sweep => drop(sweep(&self.queue.app).await),
        }
    }

    async fn create(&mut self, body: Value, polls: Option<usize>) {
        let answered = if let Some(polls) = polls {
            let headers = [("content-type", "application/json")];
            let asked = body.to_string();
            let request = request("POST", "/api/queue/create", &headers, Body::from(asked));
            self.queue.send_and_die(request, polls);
            None
        } else {
            let answer = self.queue.post("/api/queue/create", &body).await;
            (answer.status == 200).then(|| accepted(&answer.json()))
        };
        self.remember(body, answered);
    }

    fn remember(&mut self, body: Value, answered: Option<(JobId, Value)>) {
        if let Some((id, job)) = &answered {
            let status = job["status"].as_str().unwrap().to_owned();
            self.seen.entry(*id).or_insert(Seen { status, round: 1 });
        }
        self.asked.push(Asked { body, answered });
    }

    /// The same create again: the same job, and the answer of then.
    async fn repeat(&mut self) {
        let keyed = |asked: &&Asked| asked.body.get("request_id").is_some();
        let keyed: Vec<&Asked> = self.asked.iter().filter(keyed).collect();
        let Some(asked) = self.random.choice(&keyed) else {
            return;
        };
        let (body, before) = (asked.body.clone(), asked.answered.clone());
        let answer = self.queue.post("/api/queue/create", &body).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{}", self.tell("a repeat was refused"));
            return;
        }
        let now = accepted(&answer.json());
        if let Some(before) = before {
            assert_eq!(now, before, "{}", self.tell("a repeat got another answer"));
        } else {
            self.remember(body, Some(now));
        }
    }

    async fn post_to_any(&mut self, verb: &str) {
        if let Some(id) = self.any_job() {
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

    fn any_job(&mut self) -> Option<JobId> {
        let ids: Vec<JobId> = self.seen.keys().copied().collect();
        self.random.choice(ids)
    }

    /// What must hold at every moment.
    pub fn check(&mut self) {
        self.check_money();
        for row in self
            .queue
            .db
            .query("SELECT id, status, round FROM jobs")
            .unwrap()
        {
            let id = JobId::parse(row["id"].as_str().unwrap()).unwrap();
            let status = row["status"].as_str().unwrap();
            let round = row["round"].as_u64().unwrap();
            if let Some(seen) = self.seen.get_mut(&id) {
                let ended = TERMINAL.contains(&seen.status.as_str()) && seen.round == round;
                let before = std::mem::replace(&mut seen.status, status.to_owned());
                seen.round = round;
                let what = format!("{id} went from {before} to {status}");
                assert!(!ended || before == status, "{}", self.tell(&what));
            }
            if status == "succeeded" {
                self.check_downloadable(id);
            }
        }
        let rows = self
            .queue
            .db
            .query("SELECT count(*) AS n FROM jobs")
            .unwrap();
        let kept = rows[0]["n"].as_u64().unwrap() >= self.seen.len() as u64;
        assert!(kept, "{}", self.tell("an accepted job is gone"));
    }

    /// RunPod never took one attempt twice, nor two attempts of one round.
    fn check_money(&self) {
        let mut taken: BTreeMap<JobId, Vec<u32>> = BTreeMap::new();
        for job in self.queue.runpod.lock().unwrap().jobs(self.queue.now()) {
            let url = job.webhook.unwrap();
            let last = url.rsplit('/').next().unwrap();
            let claim = self.queue.app.signer.verify_callback(last).unwrap();
            taken.entry(claim.job).or_default().push(claim.attempt);
        }
        for (id, attempts) in taken {
            let sql = format!("SELECT round FROM jobs WHERE id = '{id}'");
            let rounds = self.queue.db.query(&sql).unwrap()[0]["round"]
                .as_u64()
                .unwrap();
            let what = format!("{id}: RunPod took attempts {attempts:?} in {rounds} rounds");
            assert!(attempts.len() as u64 <= rounds, "{}", self.tell(&what));
        }
    }

    fn check_downloadable(&self, id: JobId) {
        let sql = format!("SELECT key, size_bytes, hash FROM outputs WHERE job_id = '{id}'");
        let outputs = self.queue.db.query(&sql).unwrap();
        assert!(
            !outputs.is_empty(),
            "{}",
            self.tell("succeeded without outputs")
        );
        for output in outputs {
            let bytes = self.queue.blobs.bytes(output["key"].as_str().unwrap());
            let bytes = bytes.unwrap_or_else(|| panic!("{}", self.tell("an output is gone")));
            assert_eq!(output["size_bytes"], bytes.len());
            assert_eq!(output["hash"], blake3::hash(&bytes).to_hex().as_str());
        }
    }

    /// The faults stop; a day later everything has ended and nobody watches any more.
    pub async fn settle_down(&mut self) {
        self.story.push("the faults stop".into());
        self.queue.db.clear_faults();
        self.queue.blobs.fail_next(0);
        self.queue.watchers.set_deaf(false);
        self.queue.runpod.lock().unwrap().plan_mut().faults.clear();
        for _ in 0..24 * 6 {
            sweep(&self.queue.app).await.unwrap();
            self.queue.pass(10 * 60_000).await;
        }
        self.check();
        let open = "SELECT id, status, phase, attempt, provider_id, attempt_ended_at FROM jobs
            WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired')
               OR (attempt > 0 AND attempt_ended_at IS NULL) OR due_at IS NOT NULL";
        let open = self.queue.db.query(open).unwrap();
        assert!(
            open.is_empty(),
            "{}",
            self.tell(&format!("never ended: {open:?}"))
        );
        let alarm = self.queue.watchers.next_alarm();
        assert_eq!(alarm, None, "{}", self.tell("somebody still watches"));
    }
}

fn accepted(answer: &Value) -> (JobId, Value) {
    let id = JobId::parse(answer["job_id"].as_str().unwrap()).unwrap();
    (id, answer["job"].clone())
}
