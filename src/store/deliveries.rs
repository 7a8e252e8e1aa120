//! The table `deliveries`: what callers want to be told, and how telling it went.
//!
//! An event is a status that a round of a job came to: at most one of each kind in a round, however
//! often the batch runs that records it. A try is claimed before it is made, by a compare-and-set
//! on the count of tries, so that no two are under way of one event by our own doing.

use super::row::{from_row, FromRow, Row};
use super::{ask, batch, StoreError};
use crate::id::JobId;
use crate::job::{Failure, JobStatus};
use crate::ports::{Db, Param, Statement};
use crate::time::UnixMillis;

/// The columns of a [`Delivery`], in every statement that reads one.
macro_rules! columns {
    () => {
        "job_id, round, status, happened_at, then_json, due_at, tries, tries_before, \
         delivered_at, missed_at, answer, log_json"
    };
}

/// What the job stands at, if its caller wants to hear of it and nothing is recorded of it yet.
/// Belongs into every batch that changes a status.
pub const RECORD: &str = "-- deliveries::record
INSERT INTO deliveries (job_id, round, status, happened_at, then_json, due_at)
SELECT id, round, status, ?2, json_object('opened_at', opened_at, 'started_at', started_at,
  'completed_at', completed_at, 'execution_ms', execution_ms, 'error', json(error_json)), ?2
FROM jobs WHERE id = ?1 AND webhook_url IS NOT NULL AND status <> 'canceling'
  AND (webhook_events IS NULL OR instr(',' || webhook_events || ',', ',' || status || ',') > 0)
ON CONFLICT DO NOTHING";

/// What is still to be told, and whether the receiver said that it wants no more.
pub const PENDING: &str = concat!(
    "-- deliveries::pending\nSELECT ",
    columns!(),
    " FROM deliveries WHERE job_id = ?1 AND (due_at IS NOT NULL OR answer = 410)
ORDER BY happened_at"
);

pub const OF_JOB: &str = concat!(
    "-- deliveries::of_job\nSELECT ",
    columns!(),
    " FROM deliveries WHERE job_id = ?1 ORDER BY happened_at"
);

/// Whoever counts the try makes it. The next one is set before this one is made: a sender that died
/// is followed by another.
pub const CLAIM: &str = "-- deliveries::claim
UPDATE deliveries SET tries = tries + 1, due_at = ?5
WHERE job_id = ?1 AND round = ?2 AND status = ?3 AND tries = ?4 AND due_at IS NOT NULL";

/// Only of the newest try: an older one has been followed.
pub const REPORT: &str = "-- deliveries::report
UPDATE deliveries SET due_at = ?5, delivered_at = ?6, missed_at = ?7, answer = ?8,
  log_json = json_insert(CASE WHEN json_array_length(log_json) >= ?10
    THEN json_remove(log_json, '$[0]') ELSE log_json END, '$[#]', json(?9))
WHERE job_id = ?1 AND round = ?2 AND status = ?3 AND tries = ?4
  AND (due_at IS NOT NULL OR (answer = 410 AND ?6 IS NOT NULL))";

/// A receiver that is gone is told nothing more of this job.
pub const FORSAKE: &str = "-- deliveries::forsake
UPDATE deliveries SET due_at = NULL, missed_at = ?2, answer = 410
WHERE job_id = ?1 AND due_at IS NOT NULL";

/// After so many tries an event is replayed no more: whoever names a receiver could have us knock
/// there without end. Ten replays of the whole schedule; the last may begin one try before.
pub const TRIES_OF_EVENT_MAX: u32 = 110;

/// One event again, whatever became of it, unless it was tried too often.
pub const REPLAY: &str = "-- deliveries::replay
UPDATE deliveries SET due_at = ?4, delivered_at = NULL, missed_at = NULL, tries_before = tries,
  answer = NULL
WHERE job_id = ?1 AND round = ?2 AND status = ?3 AND tries < ?5";

/// Whoever asks for a replay believes that the receiver is there again.
pub const FORGIVE: &str = "-- deliveries::forgive
UPDATE deliveries SET answer = NULL WHERE job_id = ?1 AND answer = 410
  AND EXISTS (SELECT 1 FROM deliveries AS again WHERE again.job_id = ?1 AND again.round = ?2
    AND again.status = ?3 AND again.due_at IS NOT NULL)";

/// All of a job's events that nobody took.
pub const REPLAY_JOB: &str = "-- deliveries::replay (job)
UPDATE deliveries SET due_at = ?2, missed_at = NULL, tries_before = tries, answer = NULL
WHERE job_id = ?1 AND missed_at IS NOT NULL AND tries < ?3";

/// Events of all jobs that nobody took; not those whose receiver wants no more.
pub const REPLAY_MISSED: &str = "-- deliveries::replay (missed)
UPDATE deliveries SET due_at = ?2, missed_at = NULL, tries_before = tries, answer = NULL
WHERE (job_id, round, status) IN (SELECT job_id, round, status FROM deliveries
  WHERE missed_at >= ?1 AND answer IS NOT 410 AND tries < ?4 ORDER BY missed_at LIMIT ?3)
RETURNING job_id";

/// The longest missed first.
pub const MISSED: &str = concat!(
    "-- deliveries::missed\nSELECT ",
    columns!(),
    " FROM deliveries WHERE missed_at >= ?1
  AND (missed_at > ?1 OR (job_id, round, status) > (?2, ?3, ?4))
ORDER BY missed_at, job_id, round, status LIMIT ?5"
);

/// Jobs whose watchers should have told something by now. What is found is due now, so that what
/// cannot be woken does not starve others.
pub const SWEEP: &str = "-- deliveries::sweep
UPDATE deliveries SET due_at = ?2 WHERE (job_id, round, status) IN
  (SELECT job_id, round, status FROM deliveries WHERE due_at <= ?1 ORDER BY due_at LIMIT ?3)
RETURNING job_id";

/// Names one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub job: JobId,
    pub round: u32,
    pub status: JobStatus,
}

/// What the job's row said when it happened.
#[derive(Clone, Debug)]
pub struct Then {
    pub opened_at: UnixMillis,
    pub started_at: Option<UnixMillis>,
    pub completed_at: Option<UnixMillis>,
    pub execution_ms: Option<u64>,
    pub error: Option<Failure>,
}
from_row!(Then {
    opened_at,
    started_at,
    completed_at,
    execution_ms,
    error: nested
});

/// One try, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Try {
    pub n: u32,
    pub at: UnixMillis,
    /// Of the answer; null: there was none.
    pub status: Option<u16>,
    pub duration_ms: u64,
    /// What was wrong; null: nothing.
    pub why: Option<String>,
}
from_row!(Try {
    n,
    at,
    status,
    duration_ms,
    why
});

/// An event with what became of it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event: Event,
    pub happened_at: UnixMillis,
    pub then: Then,
    pub due_at: Option<UnixMillis>,
    pub tries: u32,
    pub tries_before: u32,
    pub delivered_at: Option<UnixMillis>,
    pub missed_at: Option<UnixMillis>,
    pub answer: Option<u16>,
    pub log: Vec<Try>,
}

impl FromRow for Delivery {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event: Event {
                job: row.get("job_id")?,
                round: row.get("round")?,
                status: row.get("status")?,
            },
            happened_at: row.get("happened_at")?,
            then: row.object("then_json")?,
            due_at: row.get("due_at")?,
            tries: row.get("tries")?,
            tries_before: row.get("tries_before")?,
            delivered_at: row.get("delivered_at")?,
            missed_at: row.get("missed_at")?,
            answer: row.get("answer")?,
            log: row.list("log_json")?,
        })
    }
}

/// Tries that are kept of one event: two rounds of the schedule.
const TRIES_KEPT_MAX: u32 = 20;

pub(super) fn record(job: JobId, now: UnixMillis) -> Statement {
    Statement {
        sql: RECORD,
        params: vec![job.into(), now.into()],
    }
}

fn of(event: &Event) -> Vec<Param> {
    vec![
        event.job.into(),
        event.round.into(),
        event.status.as_str().into(),
    ]
}

/// What is to be told of a job, and what a receiver that is gone was told last; oldest first.
pub async fn pending(db: &dyn Db, job: JobId) -> Result<Vec<Delivery>, StoreError> {
    ask(db, PENDING, vec![job.into()]).await?.rows()
}

/// Every event of a job, oldest first.
pub async fn of_job(db: &dyn Db, job: JobId) -> Result<Vec<Delivery>, StoreError> {
    ask(db, OF_JOB, vec![job.into()]).await?.rows()
}

/// Counts a try of each before it is made, and sets when the next one follows. True for those that
/// are ours to make.
pub async fn claim(
    db: &dyn Db,
    due: &[Delivery],
    next_at: &[UnixMillis],
) -> Result<Vec<bool>, StoreError> {
    let claims = due.iter().zip(next_at).map(|(delivery, next_at)| {
        let mut params = of(&delivery.event);
        params.extend([delivery.tries.into(), (*next_at).into()]);
        Statement { sql: CLAIM, params }
    });
    let answers = batch(db, claims.collect()).await?;
    Ok(answers.iter().map(|answer| answer.changes() > 0).collect())
}

/// What came of a try.
#[derive(Clone, Debug)]
pub struct Report {
    pub made: Try,
    pub standing: Standing,
}

/// How an event stands after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Delivered(UnixMillis),
    Again(UnixMillis),
    Missed(UnixMillis),
}

pub async fn report(db: &dyn Db, event: &Event, report: &Report) -> Result<(), StoreError> {
    let (due_at, delivered_at, missed_at) = match report.standing {
        Standing::Again(at) => (Some(at), None, None),
        Standing::Delivered(at) => (None, Some(at), None),
        Standing::Missed(at) => (None, None, Some(at)),
    };
    let mut params = of(event);
    params.extend([
        report.made.n.into(),
        due_at.into(),
        delivered_at.into(),
        missed_at.into(),
        report.made.status.map(u32::from).into(),
        super::jobs::json(&report.made),
        TRIES_KEPT_MAX.into(),
    ]);
    ask(db, REPORT, params).await.map(drop)
}

/// Nothing more is told of the job, until a replay.
pub async fn forsake(db: &dyn Db, job: JobId, now: UnixMillis) -> Result<(), StoreError> {
    ask(db, FORSAKE, vec![job.into(), now.into()])
        .await
        .map(drop)
}

/// Makes one event due. False: there is no such event.
pub async fn replay(db: &dyn Db, event: &Event, now: UnixMillis) -> Result<bool, StoreError> {
    let mut params = of(event);
    params.extend([now.into(), TRIES_OF_EVENT_MAX.into()]);
    let sql = REPLAY;
    let forgive = Statement {
        sql: FORGIVE,
        params: of(event),
    };
    let answers = batch(db, vec![Statement { sql, params }, forgive]).await?;
    Ok(answers[0].changes() > 0)
}

/// Makes every missed event of a job due. Answers how many.
pub async fn replay_job(db: &dyn Db, job: JobId, now: UnixMillis) -> Result<u64, StoreError> {
    let params = vec![job.into(), now.into(), TRIES_OF_EVENT_MAX.into()];
    Ok(ask(db, REPLAY_JOB, params).await?.changes())
}

/// Makes events of all jobs due that were missed since then, at most `limit`. Answers their jobs.
pub async fn replay_missed(
    db: &dyn Db,
    since: UnixMillis,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<JobId>, StoreError> {
    let most = TRIES_OF_EVENT_MAX;
    let params = vec![since.into(), now.into(), limit.into(), most.into()];
    ask(db, REPLAY_MISSED, params).await?.rows()
}

/// Jobs of which something should have been told by `before`, at most `limit` events.
pub async fn sweep(
    db: &dyn Db,
    before: UnixMillis,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<JobId>, StoreError> {
    let params = vec![before.into(), now.into(), limit.into()];
    ask(db, SWEEP, params).await?.rows()
}

/// Where a page of missed events begins: after this event, missed at this moment.
#[derive(Clone, Copy, Debug)]
pub struct MissedAfter {
    pub missed_at: UnixMillis,
    pub event: Option<Event>,
}

/// Events that nobody took, at most `limit`, the longest missed first.
pub async fn missed(
    db: &dyn Db,
    after: MissedAfter,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let mut params = vec![after.missed_at.into()];
    match &after.event {
        Some(event) => params.extend(of(event)),
        None => params.extend(["".into(), 0_u32.into(), "".into()]),
    }
    params.push(limit.into());
    ask(db, MISSED, params).await?.rows()
}
