//! The table `tombstones`, and how a job comes into it: with everything that belongs to it, in one
//! batch.
//!
//! Deviation: a tombstone was planned as the job's own row, emptied. A row of its own gives the
//! request key back by itself, and no other statement has to tell the dead from the living.

use super::jobs::{json, Audited};
use super::row::from_row;
use super::{ask, batch, Answer, StoreError};
use crate::id::{CallerId, JobId};
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

/// A job that somebody still has to come back for is left alone.
pub const BURY: &str = "-- tombstones::bury
INSERT INTO tombstones (job_id, caller, expired_at)
SELECT id, caller, created_at + ?2 FROM jobs
WHERE id IN (SELECT value FROM json_each(?1)) AND completed_at IS NOT NULL AND due_at IS NULL
ON CONFLICT DO NOTHING";

/// What belongs to a job goes after its tombstone stands, and not without it.
macro_rules! delete {
    ($table:literal, $id:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $id,
            " IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM tombstones WHERE tombstones.job_id = ",
            $table,
            ".",
            $id,
            ")"
        )
    };
}

pub const BURY_OUTPUTS: &str = concat!(
    "-- tombstones::bury (outputs)\n",
    delete!("outputs", "job_id")
);
pub const BURY_ATTEMPTS: &str = concat!(
    "-- tombstones::bury (attempts)\n",
    delete!("attempts", "job_id")
);
pub const BURY_DELIVERIES: &str = concat!(
    "-- tombstones::bury (deliveries)\n",
    delete!("deliveries", "job_id")
);
pub const BURY_PROMPTS: &str = concat!(
    "-- tombstones::bury (prompts)\n",
    delete!("prompts", "job_id")
);
pub const BURY_JOBS: &str = concat!("-- tombstones::bury (jobs)\n", delete!("jobs", "id"));

pub const FIND: &str = "-- tombstones::find
SELECT caller, expired_at FROM tombstones WHERE job_id = ?1";

pub const FORGET: &str = "-- tombstones::forget
DELETE FROM tombstones WHERE job_id IN
  (SELECT job_id FROM tombstones WHERE job_id < ?1 ORDER BY job_id LIMIT ?2)";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub caller: CallerId,
    pub expired_at: UnixMillis,
}
from_row!(Tombstone { caller, expired_at });

/// Deletes jobs that were kept for `kept_ms`, whose files are gone already. Answers how many.
pub async fn bury(db: &dyn Db, jobs: &[&Audited], kept_ms: u64) -> Result<u64, StoreError> {
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let ids = json(&ids);
    let bury = Statement {
        sql: BURY,
        params: vec![ids.clone(), kept_ms.into()],
    };
    let mut statements = vec![bury];
    for sql in [
        BURY_OUTPUTS,
        BURY_ATTEMPTS,
        BURY_DELIVERIES,
        BURY_PROMPTS,
        BURY_JOBS,
    ] {
        let params = vec![ids.clone()];
        statements.push(Statement { sql, params });
    }
    let answers = batch(db, statements).await?;
    Ok(answers.last().map_or(0, Answer::changes))
}

pub async fn find(db: &dyn Db, id: JobId) -> Result<Option<Tombstone>, StoreError> {
    ask(db, FIND, vec![id.into()]).await?.row()
}

/// Forgets those of jobs before this id. Answers how many.
pub async fn forget(db: &dyn Db, before: JobId, limit: u32) -> Result<u64, StoreError> {
    let params = vec![before.into(), limit.into()];
    Ok(ask(db, FORGET, params).await?.changes())
}
