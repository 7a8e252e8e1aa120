//! Handlers that run at once: after every await another of them goes on, as the seed says.
//!
//! Every port lets its caller go only after its effect, so any order of effects that the platform
//! may bring about can be drawn here, and any point at which a handler may die.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use edge_queue::id::JobId;
use edge_queue::queue::reconcile::reconcile;
use edge_queue::queue::recover::recover;
use edge_queue::queue::sweep::sweep;
use edge_queue::queue::tell;
use edge_queue::testing::queue::{Answered, TestQueue};
use edge_queue::testing::runpod::Delivery;
use edge_queue::token::CallbackClaim;
use serde_json::json;

use super::story::Handler;
use super::world::World;

/// A handler that is under way.
struct Running {
    work: Pin<Box<dyn Future<Output = Heard>>>,
    /// It dies after so many steps.
    polls: Option<usize>,
    /// By how much its isolate's clock is wrong.
    wrong_by_ms: i64,
    /// The watcher whose alarm this is.
    alarm: Option<JobId>,
    /// The callback that it answers.
    delivery: Option<u64>,
}

/// What a handler's caller heard of it.
enum Heard {
    Nothing,
    /// The answer to a create, by its place among those that were asked, and whether it had been
    /// accepted before this was asked.
    Create(usize, bool, Answered),
}

impl Running {
    fn new(work: impl Future<Output = Heard> + 'static) -> Self {
        Self {
            work: Box::pin(work),
            polls: None,
            wrong_by_ms: 0,
            alarm: None,
            delivery: None,
        }
    }
}

/// One handler in so many dies on its way.
const DEATHS: u32 = 6;
/// The clock of one handler in so many is wrong.
const WRONG_CLOCKS: u32 = 3;
const WRONG_MS_MAX: i64 = 5_000;
/// Time passes at one await in so many.
const PAUSES: u32 = 12;

impl World {
    /// The callbacks that come next, and `handlers` beside them.
    pub(super) async fn cross(&mut self, handlers: &[Handler]) {
        let deliveries = self.next_callbacks().await;
        let told = deliveries.iter().find_map(|delivery| self.job_of(delivery));
        let Some(job) = told.or_else(|| self.any_job()) else {
            return;
        };
        let mut running: Vec<Running> = Vec::new();
        for delivery in deliveries {
            running.push(callback(&self.queue, delivery));
        }
        for task in self.queue.take_due_tasks() {
            running.push(Running::new(async move {
                task.await;
                Heard::Nothing
            }));
        }
        for handler in handlers {
            self.begin(*handler, job, &mut running);
        }
        for one in &mut running {
            let dies = self.random.u32(0..DEATHS) == 0;
            one.polls = dies.then(|| self.random.usize(0..12));
            let is_wrong = self.random.u32(0..WRONG_CLOCKS) == 0;
            one.wrong_by_ms = self.random.i64(-WRONG_MS_MAX..WRONG_MS_MAX) * i64::from(is_wrong);
        }
        self.run_all(running);
    }

    /// Moves to when RunPod calls back next, if that is soon, and takes what it sends then.
    async fn next_callbacks(&mut self) -> Vec<Delivery> {
        const SOON_MS: u64 = 10 * 60_000;
        let now = self.queue.now();
        let next = self.queue.runpod.lock().unwrap().next_webhook_at();
        if let Some(at) = next.filter(|at| at.since_ms(now) < SOON_MS) {
            self.queue.pass(at.since_ms(now).saturating_sub(1)).await;
            self.queue.clock.set(at.max(self.queue.now()));
        }
        let mut runpod = self.queue.runpod.lock().unwrap();
        runpod.due_webhooks(self.queue.now())
    }

    fn job_of(&self, delivery: &Delivery) -> Option<JobId> {
        let token = delivery.url.rsplit('/').next()?;
        let claim = self.queue.app.signer.verify_callback(token)?;
        Some(claim.job)
    }

    fn begin(&mut self, handler: Handler, job: JobId, running: &mut Vec<Running>) {
        let queue = Arc::clone(&self.queue);
        match handler {
            Handler::Alarm => running.push(alarm(queue, job)),
            Handler::OtherAlarm => {
                let other = self.any_job().filter(|other| *other != job);
                running.extend(other.map(|other| alarm(queue, other)));
            }
            Handler::Cancel => {
                // A retry beside it may come first.
                self.want_end(job, 2);
                running.push(post(queue, format!("/api/queue/cancel/{job}")));
            }
            Handler::Retry => running.push(post(queue, format!("/api/queue/retry/{job}"))),
            Handler::Twins => {
                let asked = self.ask_something_new();
                running.extend([self.create_again(asked), self.create_again(asked)]);
            }
            Handler::Repeat => {
                let asked = self.any_keyed();
                running.extend(asked.map(|asked| self.create_again(asked)));
            }
            Handler::Status => running.push(Running::new(async move {
                queue.job(job).await;
                Heard::Nothing
            })),
            Handler::Tell => {
                let claim = self.at_work(job);
                running.extend(claim.map(|claim| Running::new(tell_of(queue, claim))));
            }
            Handler::Sweep => running.push(Running::new(async move {
                drop(sweep(&queue.app).await);
                Heard::Nothing
            })),
            Handler::Recover => running.push(Running::new(async move {
                drop(recover(&queue.app, job).await);
                Heard::Nothing
            })),
            Handler::Reconcile(part) => running.push(Running::new(async move {
                drop(reconcile(&queue.app, part, None, true).await);
                Heard::Nothing
            })),
        }
    }

    /// The attempt of a job that a worker is at.
    fn at_work(&self, job: JobId) -> Option<CallbackClaim> {
        let runpod = self.queue.runpod.lock().unwrap();
        let views = runpod.jobs(self.queue.now()).into_iter();
        let mut at_work = views.filter(|view| view.status == "IN_PROGRESS");
        at_work.find_map(|view| {
            let token = view.webhook?;
            let claim = self
                .queue
                .app
                .signer
                .verify_callback(token.rsplit('/').next()?);
            claim.filter(|claim| claim.job == job)
        })
    }

    fn create_again(&self, asked: usize) -> Running {
        let (queue, body) = (Arc::clone(&self.queue), self.asked[asked].body.clone());
        let is_known = self.is_accepted(asked);
        Running::new(async move {
            let answer = queue.post("/api/queue/create", &body).await;
            Heard::Create(asked, is_known, answer)
        })
    }

    fn run_all(&mut self, mut running: Vec<Running>) {
        let mut context = Context::from_waker(Waker::noop());
        while !running.is_empty() {
            let i = self.random.usize(0..running.len());
            let one = &mut running[i];
            if one.polls == Some(0) {
                let dead = running.swap_remove(i);
                self.die(&dead);
                continue;
            }
            one.polls = one.polls.map(|polls| polls - 1);
            self.queue.clock.be_wrong_by(one.wrong_by_ms);
            let polled = one.work.as_mut().poll(&mut context);
            self.queue.clock.be_wrong_by(0);
            if let Poll::Ready(heard) = polled {
                drop(running.swap_remove(i));
                self.hear(heard);
            }
            self.check();
            if self.random.u32(0..PAUSES) == 0 {
                let ms = 10_u64.pow(self.random.u32(0..5));
                self.queue.clock.advance_ms(ms);
            }
        }
    }

    fn die(&mut self, dead: &Running) {
        if let Some(id) = dead.alarm {
            self.died.insert(id);
            self.queue.watchers.lose_step(id);
        }
        if let Some(id) = dead.delivery {
            self.queue.runpod.lock().unwrap().delivered(id, None);
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Create(asked, is_known, answer) => self.take_repeat(asked, is_known, &answer),
        }
    }
}

fn callback(queue: &Arc<TestQueue>, delivery: Delivery) -> Running {
    let queue = Arc::clone(queue);
    let id = delivery.id;
    let work = async move {
        queue.deliver(&delivery).await;
        Heard::Nothing
    };
    Running {
        delivery: Some(id),
        ..Running::new(work)
    }
}

async fn tell_of(queue: Arc<TestQueue>, claim: CallbackClaim) -> Heard {
    let told = tell::tell(&queue.app, claim, tell::News::default(), |_, _, _| {
        String::new()
    });
    drop(told.await);
    Heard::Nothing
}

fn alarm(queue: Arc<TestQueue>, id: JobId) -> Running {
    let work = async move {
        queue.ring(id).await;
        Heard::Nothing
    };
    Running {
        alarm: Some(id),
        ..Running::new(work)
    }
}

fn post(queue: Arc<TestQueue>, path: String) -> Running {
    Running::new(async move {
        queue.post(&path, &json!({})).await;
        Heard::Nothing
    })
}
