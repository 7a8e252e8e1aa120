//! The gate of an endpoint: what verbs ask it, and the keeper that answers in its memory.
//!
//! The keeper may be lost at any moment. What it must know it reads back from the database: the
//! jobs that are at the endpoint, and whether the operator has paused it. Who waits asks again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{best_effort, session, QueueError};
use crate::app::App;
use crate::gate::{Admission, Answer, Ask, Fate, Gatekeeper, Limits, Reason, Standing, Ticket};
use crate::id::CallerId;
use crate::log;
use crate::store::endpoints;
use crate::store::jobs::{self, Record};
use crate::time::UnixMillis;

/// Until a gate that does not answer is asked again.
const SILENT_MS: u64 = 5_000;
/// How old the keeper's knowledge of the database may be: a slot whose end was never told is free
/// again after so long.
const REFRESH_MS: u64 = 5 * 60_000;

/// How long an attempt of which nobody knows whether it is at the endpoint takes a slot there:
/// until a worker that began at once would have been stopped. It may be there for longer; then the
/// endpoint has one job more than it should, which costs nothing but a place in its own queue.
pub fn doubtful_until(record: &Record, begun_at: UnixMillis) -> UnixMillis {
    begun_at.plus_ms(record.accepted.execution_limit_ms)
}

/// Half of what RunPod takes at the least in ten seconds (docs.runpod.io, Serverless, Send
/// requests): people use the endpoint by hand, too.
const SUBMITS_MAX: usize = 500;

/// May this job start? A gate that does not answer lets nobody through.
pub async fn admit(app: &App, record: &Record) -> Admission {
    let ticket = ticket(record, app.now());
    match ask(app, record, Ask::Admit(ticket)).await {
        Some(Answer::Admission(admission)) => admission,
        _ => Admission::Wait {
            until: app.now().plus_ms(SILENT_MS),
            reason: Reason::Silent,
        },
    }
}

/// Whether the job's row says that it waits at its gate: for no moment of its own.
pub fn waits(record: &Record) -> bool {
    let job = &record.job;
    job.live.is_none() && job.retry_at.is_none() && record.wait_reason.is_some()
}

/// Tells what became of a job that was let through. A loss costs a slot until the next refresh.
pub async fn tell(app: &App, record: &Record, fate: Fate) {
    let job = record.job.id;
    ask(app, record, Ask::Tell { job, fate }).await;
}

/// How many wait before this job. `None` without asking, unless its row says that it waits here.
pub async fn position(app: &App, record: &Record) -> Option<usize> {
    if !waits(record) {
        return None;
    }
    match ask(app, record, Ask::Position(record.job.id)).await {
        Some(Answer::Position(position)) => position,
        _ => None,
    }
}

/// How the endpoint of new jobs stands.
pub async fn standing(app: &App, endpoint: &str) -> Result<Standing, QueueError> {
    match app.gate.ask(endpoint, Ask::Standing).await? {
        Answer::Standing(standing) => Ok(standing),
        other => Err(QueueError::Broken(format!("the gate answered {other:?}"))),
    }
}

async fn ask(app: &App, record: &Record, ask: Ask) -> Option<Answer> {
    let answer = app.gate.ask(&record.accepted.endpoint, ask).await;
    answer
        .map_err(|error| {
            let line = log::warn("gate.silent").job(record.job.id);
            app.log(line.with("error", error.to_string()));
        })
        .ok()
}

fn ticket(record: &Record, now: UnixMillis) -> Ticket {
    Ticket {
        job: record.job.id,
        caller: CallerId::new(session::neighbour(&record.accepted.caller)),
        priority: record.accepted.priority,
        since: record.job.opened_at,
        gone_at: now.plus_ms(record.job.ttl_ms(now)),
    }
}

/// The place of a job that is at the endpoint, as far as its row says.
fn inside(record: &Record) -> Ticket {
    let begun_at = record.attempt_begun_at.unwrap_or(record.job.opened_at);
    let ticket = ticket(record, begun_at);
    let live = record.job.live.as_ref();
    if live.is_some_and(|live| live.provider_id.is_some()) {
        return ticket;
    }
    let gone_at = doubtful_until(record, begun_at);
    Ticket { gone_at, ..ticket }
}

struct Known {
    gatekeeper: Gatekeeper,
    refreshed_at: UnixMillis,
}

/// One endpoint's gate, wherever it lives.
pub struct Keeper {
    endpoint: String,
    known: Mutex<Option<Known>>,
}

impl Keeper {
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            known: Mutex::default(),
        }
    }

    /// Answers, and wakes whoever may go now. A keeper that begins anew wakes those who were told
    /// to wait by the one before it: it died with their places.
    pub async fn answer(&self, app: &App, ask: Ask) -> Result<Answer, QueueError> {
        let is_new = self.lock().is_none();
        if ask == Ask::Refresh || self.is_stale(app.now()) {
            self.refresh(app).await?;
        }
        let (answer, wanted) = {
            let mut known = self.lock();
            // Somebody else may only have put a newer one in its place.
            let known = known.get_or_insert_with(|| Known::new(app));
            let (answer, mut wanted) = known.gatekeeper.answer(ask, app.now());
            if is_new {
                wanted.extend(known.gatekeeper.may_ask(app.now()));
                wanted.sort_unstable();
                wanted.dedup();
            }
            (answer, wanted)
        };
        for job in wanted {
            best_effort::wake(app, job).await;
        }
        Ok(answer)
    }

    async fn refresh(&self, app: &App) -> Result<(), QueueError> {
        let most = app.config.jobs_at_endpoint_max;
        let records = jobs::at_endpoint(&*app.db, &self.endpoint, app.now(), most).await?;
        let row = endpoints::find(&*app.db, &self.endpoint).await?;
        let is_new = self.lock().is_none();
        let waiting = if is_new {
            jobs::at_gate(&*app.db, &self.endpoint, most).await?
        } else {
            Vec::new()
        };
        let inside = records.iter().map(inside);
        let is_paused = row.is_some_and(|row| row.paused_at.is_some());
        let now = app.now();
        let mut known = self.lock();
        let known = known.get_or_insert_with(|| Known::new(app));
        known.gatekeeper.refresh(inside.collect(), is_paused, now);
        for record in &waiting {
            known.gatekeeper.expect(ticket(record, now), now);
        }
        known.refreshed_at = now;
        Ok(())
    }

    fn is_stale(&self, now: UnixMillis) -> bool {
        let known = self.lock();
        let known = known.as_ref();
        known.is_none_or(|known| now.since_ms(known.refreshed_at) >= REFRESH_MS)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new(app: &App) -> Self {
        let limits = Limits {
            jobs_max: app.config.jobs_at_endpoint_max as usize,
            submits_max: SUBMITS_MAX,
        };
        Self {
            gatekeeper: Gatekeeper::new(limits),
            refreshed_at: app.now(),
        }
    }
}
