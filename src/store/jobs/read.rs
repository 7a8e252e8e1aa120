//! Reading one job.

use super::row::{columns, Row};
use super::{Full, Record};
use crate::id::JobId;
use crate::ports::{Db, Statement};
use crate::store::{batch, rows, StoreError};

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

/// What decisions need of a job.
pub async fn find(db: &dyn Db, id: JobId) -> Result<Option<Record>, StoreError> {
    let outcomes = batch(db, vec![by_id(FIND, id)]).await?;
    let found = rows::<Row>(FIND, &outcomes[0])?;
    Ok(found.into_iter().next().map(Into::into))
}

/// A job with everything its caller may see, in one read.
pub async fn full(db: &dyn Db, id: JobId) -> Result<Option<Full>, StoreError> {
    let outcomes = batch(db, vec![by_id(FULL, id)]).await?;
    let found = rows::<Row>(FULL, &outcomes[0])?;
    Ok(found.into_iter().next().map(Into::into))
}

pub(super) fn by_id(sql: &'static str, id: JobId) -> Statement {
    Statement {
        sql,
        params: vec![id.into()],
    }
}
