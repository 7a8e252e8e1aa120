//! What callers and the clock turn: cancel, retry, sweep.

use super::read::by_id;
use super::{Full, FULL};
use crate::id::JobId;
use crate::ports::{Db, Statement};
use crate::store::credits::{is_spent, Told};
use crate::store::spending::{Paid, Payer};
use crate::store::{ask, batch, deliveries, StoreError};
use crate::time::UnixMillis;

/// Without a live attempt the job ends at once; otherwise the provider must confirm first. The
/// round that was asked to end, and no later one.
pub const CANCEL: &str = "-- jobs::cancel
UPDATE jobs SET version = version + 1, wait_reason = NULL,
  due_at = CASE WHEN attempt = 0 OR attempt_ended_at IS NOT NULL THEN NULL ELSE ?3 END,
  status = CASE WHEN attempt = 0 OR attempt_ended_at IS NOT NULL THEN 'canceled'
    ELSE 'canceling' END,
  completed_at = CASE WHEN attempt = 0 OR attempt_ended_at IS NOT NULL THEN ?2 END
WHERE id = ?1 AND status IN ('queued', 'running') AND round = ?4";

/// Before the job is canceled: what it holds goes back.
pub const CANCEL_CREDITS: &str = "-- jobs::cancel (credits)
UPDATE credits SET reserved = reserved - job.credits
FROM (SELECT caller, credits FROM jobs WHERE id = ?1 AND status IN ('queued', 'running')
  AND round = ?2 AND (attempt = 0 OR attempt_ended_at IS NOT NULL) AND credits IS NOT NULL) AS job
WHERE credits.owner = job.caller";

/// A new round of the same job: attempt numbers, version and history go on. Whoever asks has seen
/// that no attempt of the last round is live: as long as that round has ended, none becomes so
/// again.
pub const RETRY: &str = concat!(
    "-- jobs::retry
UPDATE jobs SET status = 'queued', phase = 'accepted', round = round + 1, opened_at = ?3,
  due_at = ?4, completed_at = NULL, error_json = NULL, settle_nonce = NULL,
  started_at = NULL, delay_ms = NULL, execution_ms = NULL, retry_at = NULL, refusals = 0,
  failures = 0, wait_reason = NULL, version = version + 1,
  credits = (SELECT ?8 FROM credits WHERE owner = caller AND charge = ?6),
  credits_before = credits_before + iif(",
    is_spent!(),
    ", coalesce(jobs.credits, 0), 0),
  canceled_through = CASE status WHEN 'canceled' THEN attempt ELSE canceled_through END
WHERE id = ?1 AND round = ?2 AND status IN ('failed', 'canceled', 'expired')
  AND (?5 IS NULL OR EXISTS (SELECT 1 FROM spending WHERE account = ?5 AND charge = ?6))
  AND (?7 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?7 AND revoked_at IS NULL))
  AND (?8 IS NULL OR NOT EXISTS (SELECT 1 FROM credits WHERE owner = caller AND charge <> ?6))"
);

/// Moves what it finds ten minutes on, so that rows that cannot be woken do not starve others.
pub const SWEEP: &str = "-- jobs::sweep
UPDATE jobs SET due_at = ?2
WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_due WHERE due_at <= ?1 ORDER BY due_at LIMIT ?3)
RETURNING id";

/// Asks for the end of a job's round and answers what stands then. Twice is the same as once.
pub async fn cancel(
    db: &dyn Db,
    (id, round): (JobId, u32),
    now: UnixMillis,
    due_at: UnixMillis,
) -> Result<Option<Full>, StoreError> {
    let cancel = Statement {
        sql: CANCEL,
        params: vec![id.into(), now.into(), due_at.into(), round.into()],
    };
    let credits = Statement {
        sql: CANCEL_CREDITS,
        params: vec![id.into(), round.into()],
    };
    let event = deliveries::record(id, now);
    batch(db, vec![credits, cancel, event, by_id(FULL, id)]).await?[3].row()
}

/// A new round, and who pays for it.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// The round that has ended.
    pub after: u32,
    pub opened_at: UnixMillis,
    pub due_at: UnixMillis,
    pub payer: Payer<'a>,
}

/// What stands after a retry, and how its payer stands.
#[derive(Debug)]
pub struct Opened {
    pub job: Option<Full>,
    pub told: Told,
}

/// Opens a round. Twice opens one.
pub async fn retry(db: &dyn Db, id: JobId, next: &Round<'_>) -> Result<Opened, StoreError> {
    let Round { payer, .. } = next;
    let mut params = vec![
        id.into(),
        next.after.into(),
        next.opened_at.into(),
        next.due_at.into(),
    ];
    params.extend(payer.proof(id, next.after + 1));
    let retry = Statement { sql: RETRY, params };
    let event = deliveries::record(id, next.opened_at);
    let paid = Paid::Round(id, next.after);
    let changes = [
        payer.reserve(paid),
        payer.charge(paid),
        Some(retry),
        Some(event),
    ];
    let mut statements: Vec<Statement> = changes.into_iter().flatten().collect();
    let told_from = statements.len();
    statements.push(by_id(FULL, id));
    statements.extend(Told::asked(payer));
    let answers = batch(db, statements).await?;
    Ok(Opened {
        job: answers[told_from].row()?,
        told: Told::read(payer, &answers[told_from + 1..])?,
    })
}

/// Jobs that should have ended by `now`, at most `limit`; each is found again after `next_at`.
pub async fn sweep(
    db: &dyn Db,
    now: UnixMillis,
    next_at: UnixMillis,
    limit: u32,
) -> Result<Vec<JobId>, StoreError> {
    let params = vec![now.into(), next_at.into(), limit.into()];
    ask(db, SWEEP, params).await?.rows()
}
