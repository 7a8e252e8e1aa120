//! Jobs as an operator sees them: where each stands, and what it points to.

use serde::Serialize;

use super::InputFile;
use crate::id::{JobId, ProviderId};
use crate::job::{JobStatus, Phase};
use crate::ports::Db;
use crate::store::row::from_row;
use crate::store::{ask, StoreError};
use crate::time::UnixMillis;

/// The columns of an [`Audited`] job, in every statement that reads one.
macro_rules! audited {
    () => {
        "id, status, phase, version, due_at, created_at, provider, provider_id, attempt, \
         attempt > 0 AND attempt_ended_at IS NULL AS is_live, files_json, prompt_in_blob, \
         (SELECT json_group_array(json_object('key', key, 'size_bytes', size_bytes, 'hash', hash)) \
          FROM outputs WHERE outputs.job_id = jobs.id) AS outputs_json"
    };
}

pub const OVERDUE: &str = concat!(
    "-- jobs::overdue\nSELECT ",
    audited!(),
    " FROM jobs INDEXED BY jobs_due
WHERE due_at <= ?1 AND (due_at, id) > (?2, ?3) ORDER BY due_at, id LIMIT ?4"
);

pub const AUDIT: &str = concat!(
    "-- jobs::audit\nSELECT ",
    audited!(),
    " FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2"
);

pub const AUDIT_THESE: &str = concat!(
    "-- jobs::audit (these)\nSELECT ",
    audited!(),
    " FROM jobs WHERE id IN (SELECT value FROM json_each(?1))"
);

/// A job that has work left is due some day, and one that has none is not.
pub const MEND_DUE: &str = "-- jobs::mend_due
UPDATE jobs SET due_at = CASE
  WHEN status IN ('queued', 'running', 'canceling') OR (attempt > 0 AND attempt_ended_at IS NULL)
  THEN coalesce(due_at, ?3) END
WHERE id = ?1 AND version = ?2";

/// Attempts that the provider should know of, counted up to a limit. What is live is due.
pub const COUNT_LIVE: &str = "-- jobs::count_live
SELECT count(*) AS live FROM (SELECT 1 FROM jobs
  WHERE due_at > 0 AND provider = ?1 AND endpoint = ?2
    AND attempt > 0 AND attempt_ended_at IS NULL LIMIT ?3)";

/// A file that a row says is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    pub key: String,
    pub size_bytes: u64,
    pub hash: String,
}
from_row!(StoredFile {
    key,
    size_bytes,
    hash
});

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audited {
    pub id: JobId,
    pub status: JobStatus,
    pub phase: Phase,
    pub version: u64,
    pub due_at: Option<UnixMillis>,
    pub created_at: UnixMillis,
    pub provider: String,
    pub provider_id: Option<ProviderId>,
    pub attempt: u32,
    /// Whether its newest attempt may still run at the provider.
    pub is_live: bool,
    #[serde(skip)]
    files_json: Vec<InputFile>,
    #[serde(skip)]
    pub prompt_in_blob: bool,
    #[serde(skip)]
    outputs_json: Vec<StoredFile>,
}
from_row!(Audited {
    id,
    status,
    phase,
    version,
    due_at,
    created_at,
    provider,
    provider_id,
    attempt,
    is_live: flag,
    files_json: list,
    prompt_in_blob: flag,
    outputs_json: list
});

impl Audited {
    /// Whether somebody has to come back for it.
    pub const fn has_work_left(&self) -> bool {
        !self.status.is_terminal() || self.is_live
    }

    pub fn inputs(&self) -> &[InputFile] {
        &self.files_json
    }

    pub fn outputs(&self) -> &[StoredFile] {
        &self.outputs_json
    }
}

/// Where a page of overdue jobs ends.
#[derive(Clone, Copy, Debug)]
pub struct DueAfter {
    pub due_at: UnixMillis,
    pub id: Option<JobId>,
}

/// Jobs that should have ended by `now`, the longest overdue first.
pub async fn overdue(
    db: &dyn Db,
    now: UnixMillis,
    after: DueAfter,
    limit: u32,
) -> Result<Vec<Audited>, StoreError> {
    let id = after.id.map_or_else(String::new, |id| id.to_string());
    let params = vec![now.into(), after.due_at.into(), id.into(), limit.into()];
    ask(db, OVERDUE, params).await?.rows()
}

/// All jobs in the order of their ids, which is that of their age.
pub async fn audit(
    db: &dyn Db,
    after: Option<JobId>,
    limit: u32,
) -> Result<Vec<Audited>, StoreError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let params = vec![after.into(), limit.into()];
    ask(db, AUDIT, params).await?.rows()
}

/// Those of these jobs that exist, in no order.
pub async fn audit_these(db: &dyn Db, ids: &[JobId]) -> Result<Vec<Audited>, StoreError> {
    let ids = super::create::json(&ids);
    ask(db, AUDIT_THESE, vec![ids]).await?.rows()
}

/// Puts `due_at` right, unless the job has moved on since it was seen. False: it has.
pub async fn mend_due(db: &dyn Db, seen: &Audited, due_at: UnixMillis) -> Result<bool, StoreError> {
    let params = vec![seen.id.into(), seen.version.into(), due_at.into()];
    Ok(ask(db, MEND_DUE, params).await?.changes() > 0)
}

/// The live attempts at one endpoint, at most `limit`.
pub async fn count_live(
    db: &dyn Db,
    provider: &str,
    endpoint: &str,
    limit: u32,
) -> Result<u64, StoreError> {
    let params = vec![provider.into(), endpoint.into(), limit.into()];
    Ok(ask(db, COUNT_LIVE, params).await?.row()?.unwrap_or(0))
}
