//! The end of a job and of its attempts.

use super::create::json;
use super::read::by_id;
use super::{OutputRow, Record, FIND};
use crate::id::{JobId, ProviderId};
use crate::job::{Ending, Failure, JobStatus, Times};
use crate::ports::{Db, Param, Statement};
use crate::store::row::from_row;
use crate::store::{batch, deliveries, Answer, StoreError};
use crate::time::UnixMillis;

/// Which job a finish may end; what it holds of its owner's credits is settled by the same words.
macro_rules! may_end {
    () => {
        "id = ?1 AND status IN ('queued', 'running', 'canceling') AND round = ?11
  AND (?3 = 'succeeded' OR (attempt = ?2 AND attempt_ended_at IS NULL)
    OR (?2 = 0 AND (?12 = 1 OR attempt = 0 OR attempt_ended_at IS NOT NULL)))
  AND NOT EXISTS (SELECT 1 FROM attempts
    WHERE job_id = ?1 AND n = ?2 AND outcome = 'canceled')"
    };
}

/// Before the job is ended, with the same parameters: spent by a success, and by a cancel when work
/// had begun, as far as anybody knows (`credits::is_spent`); else given back.
pub const FINISH_CREDITS: &str = concat!(
    "-- jobs::finish (credits)
UPDATE credits SET reserved = reserved - job.credits,
  spent = spent + CASE WHEN ?3 = 'succeeded'
    OR ?3 = 'canceled' AND (job.started_at IS NOT NULL OR ?8 > 0) THEN job.credits ELSE 0 END
FROM (SELECT caller, credits, started_at FROM jobs WHERE ",
    may_end!(),
    " AND credits IS NOT NULL) AS job
WHERE credits.owner = job.caller"
);

/// Whoever comes first wins: the status must still be open, in the round that was judged. Only the
/// live attempt may end it without a result, or none where none is live or the job gives it up
/// (?12); a success counts whichever attempt brings it, unless that one was canceled. An attempt
/// that stays live stays due, to be canceled at the provider.
pub const FINISH: &str = concat!(
    "-- jobs::finish
UPDATE jobs SET status = ?3, completed_at = ?4, settle_nonce = ?5, error_json = ?6,
  delay_ms = ?7, execution_ms = ?8, version = version + 1, wait_reason = NULL,
  due_at = CASE WHEN attempt = ?2 OR attempt = 0 OR attempt_ended_at IS NOT NULL THEN NULL
    ELSE ?9 END,
  started_at = CASE WHEN ?3 = 'succeeded' THEN coalesce(started_at, ?4 - ?8, ?4)
    ELSE started_at END,
  attempt_ended_at = CASE WHEN attempt = ?2 THEN coalesce(attempt_ended_at, ?4)
    ELSE attempt_ended_at END,
  provider_id = CASE WHEN attempt = ?2 THEN coalesce(provider_id, ?10) ELSE provider_id END
WHERE ",
    may_end!()
);

pub const FINISH_OUTPUTS: &str = "-- jobs::finish (outputs)
INSERT INTO outputs (job_id, i, key, kind, content_type, size_bytes, hash, name, node_id, label,
  width, height)
SELECT ?1, value ->> 'i', value ->> 'key', value ->> 'kind', value ->> 'content_type',
  value ->> 'size_bytes', value ->> 'hash', value ->> 'name', value ->> 'node_id',
  value ->> 'label', value ->> 'width', value ->> 'height'
FROM json_each(?3)
WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND settle_nonce = ?2)
ON CONFLICT DO NOTHING";

/// Whether the job was won or not, this attempt has ended. An attempt that never began has no row.
pub const FINISH_ATTEMPT: &str = "-- jobs::finish (attempt)
INSERT INTO attempts (job_id, n, provider, provider_id, begun_at, ended_at, outcome, heard_by,
  error_json, delay_ms, execution_ms)
SELECT id, ?2, provider, coalesce(provider_id, ?3), attempt_begun_at, ?4, ?5, ?6, ?7, ?8, ?9
FROM jobs WHERE id = ?1 AND attempt = ?2
ON CONFLICT DO NOTHING";

/// An attempt that was said to have failed brought the result after all.
pub const FINISH_LATE: &str = "-- jobs::finish (late success)
UPDATE attempts SET outcome = 'succeeded', error_json = NULL
WHERE job_id = ?1 AND n = ?2 AND outcome <> 'succeeded'
  AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND settle_nonce = ?3)";

/// The provider reported the attempt's end, and another will be begun: no timer does this.
pub const FAIL_ATTEMPT: &str = "-- jobs::fail_attempt
UPDATE jobs SET status = 'queued', phase = 'accepted', attempt_ended_at = ?3, retry_at = ?4,
  wait_reason = ?5, failures = failures + 1, started_at = NULL, version = version + 1,
  provider_id = coalesce(provider_id, ?6)
WHERE id = ?1 AND attempt = ?2 AND attempt_ended_at IS NULL AND round = ?7
  AND status IN ('queued', 'running')";

pub const CLOSE_ATTEMPT: &str = "-- jobs::close_attempt
UPDATE jobs SET attempt_ended_at = ?3, due_at = NULL, version = version + 1
WHERE id = ?1 AND attempt = ?2 AND attempt_ended_at IS NULL
  AND status IN ('succeeded', 'failed', 'canceled', 'expired')";

/// The nonce that the job's end carries, ours if we won; and whether an attempt is left.
pub const WINNER: &str = "-- jobs::finish (winner)
SELECT settle_nonce, attempt > 0 AND attempt_ended_at IS NULL AS live FROM jobs WHERE id = ?1";

/// Where the news of an end came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Webhook,
    Look,
    Submit,
    Cancel,
    Deadline,
}

impl Heard {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Look => "look",
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Deadline => "deadline",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    Succeeded,
    Failed,
    Canceled,
    Expired,
    /// Nothing more will be heard of it.
    Lost,
}

impl AttemptOutcome {
    pub const fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Failed(_) => Self::Failed,
            Ending::Canceled => Self::Canceled,
            Ending::Expired => Self::Expired,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Lost => "lost",
        }
    }
}

/// How one attempt ended.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    pub n: u32,
    pub provider_id: Option<ProviderId>,
    pub outcome: AttemptOutcome,
    pub heard: Heard,
    pub error: Option<Failure>,
    pub times: Times,
}

/// What becomes of the live attempt when the job ends.
#[derive(Clone, Debug)]
pub enum Closing {
    /// It ends with the job, like this.
    With(AttemptEnd),
    /// There is none.
    Idle,
    /// It stays live, to be stopped.
    Leaving,
}

impl Closing {
    pub fn attempt(&self) -> Option<&AttemptEnd> {
        match self {
            Self::With(attempt) => Some(attempt),
            Self::Idle | Self::Leaving => None,
        }
    }
}

/// How a job ends.
#[derive(Clone, Debug)]
pub struct Finish {
    pub status: JobStatus,
    /// The round that was judged; another one is not ended.
    pub round: u32,
    /// Names this settle; part of its outputs' keys.
    pub nonce: String,
    pub error: Option<Failure>,
    pub outputs: Vec<OutputRow>,
    pub closing: Closing,
    /// When the sweep looks after it again, if an attempt stays live.
    pub due_at: UnixMillis,
    /// Its caller wants to be told of it.
    pub is_told: bool,
    /// It holds credits of its owner's.
    pub is_paid: bool,
}

/// What stands after a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// This call, or an unanswered repeat of it, ended the job. Otherwise the bytes that it stored
    /// are nobody's.
    pub won: bool,
    /// An attempt is still live at the provider.
    pub live: bool,
}

/// Ends a job, its outputs and its attempt in one batch.
pub async fn finish(
    db: &dyn Db,
    id: JobId,
    finish: &Finish,
    now: UnixMillis,
) -> Result<Finished, StoreError> {
    let update = update(id, finish, now);
    let credits = Statement {
        sql: FINISH_CREDITS,
        params: update.params.clone(),
    };
    let mut statements: Vec<Statement> = finish.is_paid.then_some(credits).into_iter().collect();
    statements.push(update);
    if !finish.outputs.is_empty() {
        statements.push(Statement {
            sql: FINISH_OUTPUTS,
            params: vec![
                id.into(),
                finish.nonce.as_str().into(),
                json(&finish.outputs),
            ],
        });
    }
    if let Some(end) = finish.closing.attempt() {
        statements.push(insert(id, end, now));
        if end.outcome == AttemptOutcome::Succeeded {
            statements.push(Statement {
                sql: FINISH_LATE,
                params: vec![id.into(), end.n.into(), finish.nonce.as_str().into()],
            });
        }
    }
    if finish.is_told {
        statements.push(deliveries::record(id, now));
    }
    statements.push(Statement {
        sql: WINNER,
        params: vec![id.into()],
    });
    let answers = batch(db, statements).await?;
    let winner = answers.last().map(Answer::row::<Winner>).transpose()?;
    Ok(winner.flatten().map_or(
        Finished {
            won: false,
            live: false,
        },
        |row| Finished {
            won: row.settle_nonce.as_deref() == Some(&finish.nonce),
            live: row.live,
        },
    ))
}

struct Winner {
    settle_nonce: Option<String>,
    live: bool,
}
from_row!(Winner {
    settle_nonce,
    live: flag
});

/// Ends an attempt of a job that has ended before.
pub async fn close_attempt(
    db: &dyn Db,
    id: JobId,
    end: &AttemptEnd,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let close = Statement {
        sql: CLOSE_ATTEMPT,
        params: vec![id.into(), end.n.into(), now.into()],
    };
    batch(db, vec![close, insert(id, end, now)]).await.map(drop)
}

/// What follows an attempt that failed.
#[derive(Clone, Debug)]
pub struct Again {
    /// The round that was judged; another one is left alone.
    pub round: u32,
    pub at: UnixMillis,
    pub reason: String,
}

/// Ends attempt `end.n` and lets the job wait for the next one. False: it had ended before, or the
/// job has moved on.
pub async fn fail_attempt(
    db: &dyn Db,
    id: JobId,
    end: &AttemptEnd,
    next: &Again,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let fail = Statement {
        sql: FAIL_ATTEMPT,
        params: vec![
            id.into(),
            end.n.into(),
            now.into(),
            next.at.into(),
            next.reason.as_str().into(),
            provider_id(Some(end)),
            next.round.into(),
        ],
    };
    let batched = vec![fail, insert(id, end, now), by_id(FIND, id)];
    let record: Option<Record> = batch(db, batched).await?[2].row()?;
    // Also of a batch that ran before and was not heard.
    Ok(record.is_some_and(|record| {
        record.attempt_ended_at == Some(now) && record.job.retry_at == Some(next.at)
    }))
}

fn update(id: JobId, finish: &Finish, now: UnixMillis) -> Statement {
    let attempt = finish.closing.attempt();
    let times = attempt.map(|end| end.times).unwrap_or_default();
    Statement {
        sql: FINISH,
        params: vec![
            id.into(),
            attempt.map_or(0, |end| end.n).into(),
            finish.status.as_str().into(),
            now.into(),
            finish.nonce.as_str().into(),
            error(finish.error.as_ref()),
            times.delay_ms.into(),
            times.execution_ms.into(),
            finish.due_at.into(),
            provider_id(attempt),
            finish.round.into(),
            i64::from(matches!(finish.closing, Closing::Leaving)).into(),
        ],
    }
}

fn insert(id: JobId, end: &AttemptEnd, now: UnixMillis) -> Statement {
    Statement {
        sql: FINISH_ATTEMPT,
        params: vec![
            id.into(),
            end.n.into(),
            provider_id(Some(end)),
            now.into(),
            end.outcome.as_str().into(),
            end.heard.as_str().into(),
            error(end.error.as_ref()),
            end.times.delay_ms.into(),
            end.times.execution_ms.into(),
        ],
    }
}

fn provider_id(end: Option<&AttemptEnd>) -> Param {
    end.and_then(|end| end.provider_id.as_ref())
        .map(ProviderId::as_str)
        .into()
}

fn error(failure: Option<&Failure>) -> Param {
    failure.map_or(Param::Null, json)
}
