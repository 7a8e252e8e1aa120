//! The table `tombstones`, and how a job comes into it: with everything that belongs to it, in one
//! batch.
//!
//! Deviation: a tombstone was planned as the job's own row, emptied. A row of its own gives the
//! request key back by itself, and no other statement has to tell the dead from the living.

use serde::Deserialize;

use super::jobs::{json, Audited};
use super::{batch, rows, StoreError};
use crate::id::{CallerId, JobId};
use crate::ports::{Db, Param, Statement};
use crate::time::UnixMillis;

/// A job that somebody still has to come back for is left alone.
pub const BURY: &str = "-- tombstones::bury
INSERT INTO tombstones (job_id, caller, expired_at)
SELECT id, caller, created_at + ?2 FROM jobs
WHERE id IN (SELECT value FROM json_each(?1)) AND completed_at IS NOT NULL AND due_at IS NULL
ON CONFLICT DO NOTHING";

pub const BURY_OUTPUTS: &str = "-- tombstones::bury (outputs)
DELETE FROM outputs WHERE job_id IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = outputs.job_id)";

pub const BURY_ATTEMPTS: &str = "-- tombstones::bury (attempts)
DELETE FROM attempts WHERE job_id IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = attempts.job_id)";

pub const BURY_DELIVERIES: &str = "-- tombstones::bury (deliveries)
DELETE FROM deliveries WHERE job_id IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = deliveries.job_id)";

pub const BURY_PROMPTS: &str = "-- tombstones::bury (prompts)
DELETE FROM prompts WHERE job_id IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = prompts.job_id)";

pub const BURY_JOBS: &str = "-- tombstones::bury (jobs)
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = jobs.id)";

pub const FIND: &str = "-- tombstones::find
SELECT caller, expired_at FROM tombstones WHERE job_id = ?1";

pub const FORGET: &str = "-- tombstones::forget
DELETE FROM tombstones WHERE job_id IN
  (SELECT job_id FROM tombstones WHERE job_id < ?1 ORDER BY job_id LIMIT ?2)";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tombstone {
    pub caller: CallerId,
    pub expired_at: UnixMillis,
}

/// Deletes jobs that were kept for `kept_ms`, whose files are gone already. Answers how many.
pub async fn bury(db: &dyn Db, jobs: &[&Audited], kept_ms: u64) -> Result<u64, StoreError> {
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let ids = json(&ids);
    let statement = |sql, params: &[Param]| Statement {
        sql,
        params: params.to_vec(),
    };
    let of_all = std::slice::from_ref(&ids);
    let outcomes = batch(
        db,
        vec![
            statement(BURY, &[ids.clone(), kept_ms.into()]),
            statement(BURY_OUTPUTS, of_all),
            statement(BURY_ATTEMPTS, of_all),
            statement(BURY_DELIVERIES, of_all),
            statement(BURY_PROMPTS, of_all),
            statement(BURY_JOBS, of_all),
        ],
    );
    Ok(outcomes.await?[5].changes)
}

pub async fn find(db: &dyn Db, id: JobId) -> Result<Option<Tombstone>, StoreError> {
    let find = Statement {
        sql: FIND,
        params: vec![id.into()],
    };
    let outcomes = batch(db, vec![find]).await?;
    Ok(rows(FIND, &outcomes[0])?.into_iter().next())
}

/// Forgets those of jobs before this id. Answers how many.
pub async fn forget(db: &dyn Db, before: JobId, limit: u32) -> Result<u64, StoreError> {
    let forget = Statement {
        sql: FORGET,
        params: vec![before.into(), limit.into()],
    };
    Ok(batch(db, vec![forget]).await?[0].changes)
}
