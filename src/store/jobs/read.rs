//! Reading one job.

use super::record::columns;
use super::{Full, Record};
use crate::id::{CallerId, JobId};
use crate::ports::{Db, Statement};
use crate::store::{ask, StoreError};
use crate::time::UnixMillis;

pub const FIND: &str = concat!(
    "-- jobs::find\nSELECT ",
    columns!(),
    " FROM jobs WHERE id = ?1"
);

/// One row holds the job, its outputs and its ended attempts.
pub const FULL: &str = concat!(
    "-- jobs::full\nSELECT ",
    columns!(),
    ",
  (SELECT json_group_array(json_object('i', i, 'key', key, 'kind', kind, 'content_type',
     content_type, 'size_bytes', size_bytes, 'hash', hash, 'name', name, 'node_id', node_id,
     'label', label, 'width', width, 'height', height))
   FROM outputs WHERE outputs.job_id = jobs.id) AS outputs,
  (SELECT json_group_array(json_object('n', n, 'provider', provider, 'provider_id',
     attempts.provider_id, 'begun_at', begun_at, 'ended_at', ended_at, 'outcome', outcome,
     'heard_by', heard_by, 'error_json', attempts.error_json, 'delay_ms', attempts.delay_ms,
     'execution_ms', attempts.execution_ms))
   FROM attempts WHERE attempts.job_id = jobs.id) AS attempts
FROM jobs WHERE id = ?1"
);

/// The index of unfinished jobs finds them. Not those of which nobody has heard for longer than a
/// worker may take.
pub const AT_ENDPOINT: &str = concat!(
    "-- jobs::at_endpoint\nSELECT ",
    columns!(),
    " FROM jobs WHERE due_at > 0 AND endpoint = ?1 AND attempt > 0 AND attempt_ended_at IS NULL
  AND (provider_id IS NOT NULL OR attempt_begun_at + execution_limit_ms > ?3)
LIMIT ?2"
);

/// Who waits to be let through, as far as their rows say: those at the endpoint's gate.
pub const AT_GATE: &str = concat!(
    "-- jobs::at_gate\nSELECT ",
    columns!(),
    " FROM jobs WHERE due_at > 0 AND endpoint = ?1 AND status = 'queued' AND retry_at IS NULL
  AND wait_reason IS NOT NULL AND (attempt = 0 OR attempt_ended_at IS NOT NULL)
ORDER BY priority DESC, opened_at LIMIT ?2"
);

pub const BEGINNING: &str = "-- jobs::beginning
SELECT id FROM jobs WHERE caller = ?1 AND id >= ?2 AND id < ?2 || 'g'";

pub const PROMPT_OF: &str = "-- jobs::prompt_of
SELECT body FROM prompts WHERE job_id = ?1";

/// What decisions need of a job.
pub async fn find(db: &dyn Db, id: JobId) -> Result<Option<Record>, StoreError> {
    ask(db, FIND, vec![id.into()]).await?.row()
}

/// A job with everything its caller may see, in one read.
pub async fn full(db: &dyn Db, id: JobId) -> Result<Option<Full>, StoreError> {
    ask(db, FULL, vec![id.into()]).await?.row()
}

/// Jobs with a live attempt that is or may be at the endpoint, at most `limit`.
pub async fn at_endpoint(
    db: &dyn Db,
    endpoint: &str,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let params = vec![endpoint.into(), limit.into(), now.into()];
    ask(db, AT_ENDPOINT, params).await?.rows()
}

/// Jobs that wait at the endpoint's gate, at most `limit`: the first of them.
pub async fn at_gate(db: &dyn Db, endpoint: &str, limit: u32) -> Result<Vec<Record>, StoreError> {
    let params = vec![endpoint.into(), limit.into()];
    ask(db, AT_GATE, params).await?.rows()
}

/// The caller's jobs whose ids begin so: those of one millisecond.
pub async fn beginning(
    db: &dyn Db,
    caller: &CallerId,
    begins: &str,
) -> Result<Vec<JobId>, StoreError> {
    let params = vec![caller.as_str().into(), begins.into()];
    ask(db, BEGINNING, params).await?.rows()
}

/// The stored prompt; `None` when it is an object.
pub async fn prompt(db: &dyn Db, id: JobId) -> Result<Option<String>, StoreError> {
    ask(db, PROMPT_OF, vec![id.into()]).await?.row()
}

pub(super) fn by_id(sql: &'static str, id: JobId) -> Statement {
    Statement {
        sql,
        params: vec![id.into()],
    }
}
