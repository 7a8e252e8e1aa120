//! One caller at a hundred times the load of the others does not delay their jobs: the gate itself,
//! asked by an endpoint and its callers on a simulated clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use edge_queue::gate::{Admission, Fate, Gatekeeper, Limits, Ticket};
use edge_queue::id::{CallerId, JobId};
use edge_queue::time::UnixMillis;
use fastrand::Rng;

/// Jobs that the endpoint works on at once.
const SLOTS: usize = 50;
/// Callers with little to do, each as much as the other.
const CALLERS: usize = 10;
/// How much more the flood asks for than one of them.
const FLOOD: f64 = 100.0;
/// More of its jobs than this are refused (`queue_full`).
const BACKLOG_MAX: usize = 100;
/// The mean of how long a job takes; each is drawn.
const JOB_MS: f64 = 10_000.0;
/// Jobs of the callers with little to do, in one story.
const JOBS: usize = 4_000;
/// From the gate's wake until the watcher asks.
const WAKE_MS: i64 = 100;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A caller creates its next job; the flood is the last of them.
    Create(usize),
    Ask(JobId),
    End(JobId),
}

struct Job {
    caller: usize,
    ticket: Ticket,
    takes_ms: i64,
    /// `None`: it waits.
    begun_at: Option<UnixMillis>,
}

/// An endpoint, its gate and its callers.
struct Story {
    gate: Gatekeeper,
    /// What the others do, and what the flood does: the others do the same beside it.
    random: [Rng; 2],
    /// Mean time between two jobs of a caller with little to do.
    every_ms: f64,
    /// The priority of the flood's jobs.
    priority: i32,
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    jobs: HashMap<JobId, Job>,
    created: u64,
    flooding: usize,
    waits_ms: Vec<u64>,
}

impl Story {
    /// `load`: how much of the endpoint's time the others ask for together.
    fn new(load: f64, priority: i32) -> Self {
        let limits = Limits {
            jobs_max: SLOTS,
            submits_max: 1_000,
        };
        #[allow(clippy::cast_precision_loss)] // Small numbers.
        let every_ms = JOB_MS * CALLERS as f64 / (SLOTS as f64 * load);
        Self {
            gate: Gatekeeper::new(limits),
            random: [Rng::with_seed(1), Rng::with_seed(2)],
            every_ms,
            priority,
            events: BinaryHeap::new(),
            jobs: HashMap::new(),
            created: 0,
            flooding: 0,
            waits_ms: Vec::new(),
        }
    }

    /// The 95th percentile of how long the others' jobs waited.
    fn tell(mut self, is_flooded: bool) -> u64 {
        for caller in 0..CALLERS + usize::from(is_flooded) {
            self.plan(0, Event::Create(caller));
        }
        while self.waits_ms.len() < JOBS {
            let Reverse((now, _, event)) = self.events.pop().unwrap();
            self.happen(now, event);
        }
        self.waits_ms.sort_unstable();
        self.waits_ms[self.waits_ms.len() * 95 / 100]
    }

    fn plan(&mut self, at: i64, event: Event) {
        self.created += 1;
        self.events.push(Reverse((at, self.created, event)));
    }

    /// Of an exponential distribution.
    #[allow(clippy::cast_possible_truncation)] // Milliseconds.
    fn draw(&mut self, is_flood: bool, mean_ms: f64) -> i64 {
        let random = &mut self.random[usize::from(is_flood)];
        (-mean_ms * (1.0 - random.f64()).ln()) as i64 + 1
    }

    fn happen(&mut self, now: i64, event: Event) {
        match event {
            Event::Create(caller) => self.create(now, caller),
            Event::Ask(id) => self.ask(now, id),
            Event::End(id) => {
                self.jobs.remove(&id);
                let woken = self.gate.tell(id, Fate::Left, UnixMillis::new(now));
                for id in woken {
                    self.plan(now + WAKE_MS, Event::Ask(id));
                }
            }
        }
    }

    fn create(&mut self, now: i64, caller: usize) {
        let is_flood = caller == CALLERS;
        let mean_ms = self.every_ms / if is_flood { FLOOD } else { 1.0 };
        let next = self.draw(is_flood, mean_ms);
        let takes_ms = self.draw(is_flood, JOB_MS);
        self.plan(now + next, Event::Create(caller));
        if is_flood && self.flooding >= BACKLOG_MAX {
            return;
        }
        self.flooding += usize::from(is_flood);
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.created.to_be_bytes());
        let ticket = Ticket {
            job: JobId::from_bytes(bytes),
            caller: CallerId::new(format!("caller {caller}")),
            priority: if is_flood { self.priority } else { 0 },
            since: UnixMillis::new(now),
            gone_at: UnixMillis::new(i64::MAX),
        };
        let id = ticket.job;
        let job = Job {
            caller,
            ticket,
            takes_ms,
            begun_at: None,
        };
        self.jobs.insert(id, job);
        self.ask(now, id);
    }

    fn ask(&mut self, now: i64, id: JobId) {
        let at = UnixMillis::new(now);
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.begun_at.is_none()) else {
            return;
        };
        if let Admission::Wait { until, .. } = self.gate.admit(&job.ticket, at) {
            self.plan(until.get(), Event::Ask(id));
            return;
        }
        job.begun_at = Some(at);
        let end = now + job.takes_ms;
        if job.caller == CALLERS {
            self.flooding -= 1;
        } else {
            self.waits_ms.push(at.since_ms(job.ticket.since));
        }
        self.plan(end, Event::End(id));
    }
}

/// Promise: "one caller at a hundred times the load of another does not delay the other's jobs".
#[test]
fn a_flood_of_one_caller_does_not_delay_the_jobs_of_the_others() {
    for (percent, priority) in [(30, 0), (60, 0), (80, 0), (90, 0), (80, 10)] {
        let load = f64::from(percent) / 100.0;
        let without = Story::new(load, priority).tell(false);
        let with = Story::new(load, priority).tell(true);
        println!("load {percent} %: the others wait {without} ms, beside the flood {with} ms");
        assert!(
            with * 10 <= without * 11,
            "at a load of {percent} % the others wait {without} ms, beside the flood {with} ms"
        );
    }
}
