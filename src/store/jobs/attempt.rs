//! An attempt's life until its end: begun, known to the provider, running, or put off.

use super::read::by_id;
use super::{Record, FIND};
use crate::id::{JobId, ProviderId};
use crate::job::JobStatus;
use crate::ports::{Db, Statement};
use crate::store::{ask, batch, deliveries, StoreError};
use crate::time::UnixMillis;

pub const BEGIN_ATTEMPT: &str = "-- jobs::begin_attempt
UPDATE jobs SET attempt = ?2, attempt_nonce = ?3, attempt_begun_at = ?4, attempt_ended_at = NULL,
  provider_id = NULL, retry_at = NULL, wait_reason = NULL, phase = 'submitting',
  version = version + 1
WHERE id = ?1 AND status = 'queued' AND attempt = ?2 - 1
  AND (attempt = 0 OR attempt_ended_at IS NOT NULL)";

pub const PROMPT: &str = "-- jobs::prompt
SELECT body FROM prompts WHERE job_id = ?1";

/// Guarded by the attempt alone, never by status: a submit in flight while another attempt's late
/// success settles must still be found, to be canceled.
pub const NOTE_PROVIDER_ID: &str = "-- jobs::note_provider_id
UPDATE jobs SET provider_id = ?3, refusals = 0, version = version + 1,
  phase = CASE phase WHEN 'submitting' THEN 'provider_queued' ELSE phase END
WHERE id = ?1 AND attempt = ?2 AND provider_id IS NULL";

pub const NOTE_STARTED: &str = "-- jobs::note_started
UPDATE jobs SET status = 'running', phase = 'executing', started_at = ?3, wait_reason = NULL,
  version = version + 1
WHERE id = ?1 AND attempt = ?2 AND status = 'queued' AND attempt_ended_at IS NULL";

pub const PUT_OFF: &str = "-- jobs::put_off
UPDATE jobs SET attempt_ended_at = ?3, retry_at = ?4, refusals = refusals + 1, wait_reason = ?5,
  phase = 'accepted', version = version + 1
WHERE id = ?1 AND attempt = ?2 AND attempt_ended_at IS NULL AND provider_id IS NULL";

/// Callers see nothing of it: the version stays.
pub const LOOK_LATER: &str = "-- jobs::look_later
UPDATE jobs SET retry_at = ?3 WHERE id = ?1 AND attempt = ?2 AND attempt_ended_at IS NULL";

/// Without a live attempt it waits for no moment of its own any more.
pub const HOLD: &str = "-- jobs::hold
UPDATE jobs SET wait_reason = ?2, version = version + 1,
  retry_at = CASE WHEN attempt > 0 AND attempt_ended_at IS NULL THEN retry_at END
WHERE id = ?1 AND status = 'queued' AND wait_reason IS NOT ?2";

/// The state after an attempt was asked for.
#[derive(Debug)]
pub struct Begun {
    /// Whether this call, or an unanswered repeat of it, began the attempt.
    pub won: bool,
    pub record: Record,
    /// The stored prompt; `None` when it is an object.
    pub prompt: Option<String>,
}

/// Begins attempt `n`, unless the job has moved on.
pub async fn begin_attempt(
    db: &dyn Db,
    id: JobId,
    n: u32,
    nonce: &str,
    now: UnixMillis,
) -> Result<Option<Begun>, StoreError> {
    let begin = Statement {
        sql: BEGIN_ATTEMPT,
        params: vec![id.into(), n.into(), nonce.into(), now.into()],
    };
    let answers = batch(db, vec![begin, by_id(FIND, id), by_id(PROMPT, id)]).await?;
    let Some(record) = answers[1].row::<Record>()? else {
        return Ok(None);
    };
    Ok(Some(Begun {
        won: record.job.status == JobStatus::Queued
            && record.job.is_live(n)
            && record.attempt_nonce.as_deref() == Some(nonce),
        record,
        prompt: answers[2].row()?,
    }))
}

/// Binds the provider's name to attempt `n`, and answers the job as it is then.
pub async fn note_provider_id(
    db: &dyn Db,
    id: JobId,
    n: u32,
    provider_id: &ProviderId,
) -> Result<Option<Record>, StoreError> {
    let note = Statement {
        sql: NOTE_PROVIDER_ID,
        params: vec![id.into(), n.into(), provider_id.as_str().into()],
    };
    batch(db, vec![note, by_id(FIND, id)]).await?[1].row()
}

/// A worker was seen working on attempt `n`.
pub async fn note_started(
    db: &dyn Db,
    id: JobId,
    n: u32,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let note = Statement {
        sql: NOTE_STARTED,
        params: vec![id.into(), n.into(), now.into()],
    };
    let event = deliveries::record(id, now);
    Ok(batch(db, vec![note, event]).await?[0].changes() > 0)
}

/// The provider provably did not take attempt `n`, and never will: the job waits and tries again.
pub async fn put_off(
    db: &dyn Db,
    id: JobId,
    n: u32,
    now: UnixMillis,
    until: UnixMillis,
    reason: &str,
) -> Result<(), StoreError> {
    let params = vec![id.into(), n.into(), now.into(), until.into(), reason.into()];
    ask(db, PUT_OFF, params).await.map(drop)
}

/// The provider asks not to be looked at before `until`.
pub async fn look_later(
    db: &dyn Db,
    id: JobId,
    n: u32,
    until: UnixMillis,
) -> Result<(), StoreError> {
    let params = vec![id.into(), n.into(), until.into()];
    ask(db, LOOK_LATER, params).await.map(drop)
}

/// Says why a queued job waits. Saying it twice writes nothing.
pub async fn hold(db: &dyn Db, id: JobId, reason: &str) -> Result<(), StoreError> {
    ask(db, HOLD, vec![id.into(), reason.into()])
        .await
        .map(drop)
}
