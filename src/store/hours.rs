//! What happened, hour by hour. Counted from the jobs of an hour, as often as one likes: the rows
//! of an hour are replaced whole, so that nothing is counted twice.

use serde::Serialize;

use super::row::from_row;
use super::{ask, batch, StoreError};
use crate::id::JobId;
use crate::ports::{Db, Param, Statement};

/// Limits of the buckets of waits and executions: a row has how many of them it is above.
pub const LIMITS_MS: [u64; 14] = [
    200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000,
];

pub const FORGET: &str = "-- hours::forget
DELETE FROM hours WHERE hour = ?1";

/// The jobs whose ids are of this hour; `?4` the limits of the buckets.
pub const COUNT: &str = "-- hours::count
INSERT INTO hours (hour, template, status, queue_bucket, execution_bucket, jobs, queue_ms,
  execution_ms, paid_ms)
SELECT ?1, template, status, queue_bucket, execution_bucket, count(status),
  sum(coalesce(waited_ms, 0)), sum(coalesce(execution_ms, 0)), sum(coalesce(paid_ms, 0))
FROM (SELECT template, status, execution_ms, started_at - opened_at AS waited_ms,
    CASE WHEN started_at IS NULL THEN -1 ELSE (SELECT count(value) FROM json_each(?4)
      WHERE value < started_at - opened_at) END AS queue_bucket,
    CASE WHEN execution_ms IS NULL THEN -1 ELSE (SELECT count(value) FROM json_each(?4)
      WHERE value < execution_ms) END AS execution_bucket,
    (SELECT sum(attempts.execution_ms) FROM attempts WHERE job_id = jobs.id) AS paid_ms
  FROM jobs WHERE id >= ?2 AND id < ?3)
GROUP BY template, status, queue_bucket, execution_bucket";

pub const NOTE_COUNTED: &str = "-- hours::note_counted
INSERT INTO counted (what, hour) VALUES ('jobs', ?1)
ON CONFLICT (what) DO UPDATE SET hour = ?1 WHERE counted.hour <> ?1";

/// How far counting has come, and the hours with jobs that had not ended then.
pub const STALE: &str = "-- hours::stale
SELECT hour, 1 AS is_newest FROM counted WHERE what = 'jobs'
UNION ALL SELECT hour, 0 FROM (SELECT DISTINCT hour FROM hours
  WHERE hour > 0 AND status IN ('queued', 'running', 'canceling') ORDER BY hour LIMIT ?1)";

/// Old hours become one: a counter that began with the first job never falls.
pub const FOLD: &str = "-- hours::fold
INSERT INTO hours (hour, template, status, queue_bucket, execution_bucket, jobs, queue_ms,
  execution_ms, paid_ms)
SELECT 0, template, status, queue_bucket, execution_bucket, sum(jobs), sum(queue_ms),
  sum(execution_ms), sum(paid_ms)
FROM hours WHERE hour > 0 AND hour < ?1
GROUP BY template, status, queue_bucket, execution_bucket
ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, queue_ms = queue_ms + excluded.queue_ms,
  execution_ms = execution_ms + excluded.execution_ms, paid_ms = paid_ms + excluded.paid_ms";

pub const DROP_FOLDED: &str = "-- hours::drop_folded
DELETE FROM hours WHERE hour > 0 AND hour < ?1";

/// `?3` hours are one row. A bound number is a float: `%` of it would be one, too.
pub const SINCE: &str = "-- hours::since
SELECT hour - hour % CAST(?3 AS INTEGER) AS hour, template, status, queue_bucket,
  execution_bucket, sum(jobs) AS jobs, sum(queue_ms) AS queue_ms,
  sum(execution_ms) AS execution_ms, sum(paid_ms) AS paid_ms
FROM hours WHERE hour >= ?1 AND hour > 0
GROUP BY 1, template, status, queue_bucket, execution_bucket ORDER BY 1 DESC LIMIT ?2";

pub const TOTALS: &str = "-- hours::totals
SELECT 0 AS hour, template, status, queue_bucket, execution_bucket, sum(jobs) AS jobs,
  sum(queue_ms) AS queue_ms, sum(execution_ms) AS execution_ms, sum(paid_ms) AS paid_ms
FROM hours WHERE hour >= 0
GROUP BY template, status, queue_bucket, execution_bucket";

/// Jobs that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HourRow {
    /// Hours since 1970 UTC.
    pub hour: i64,
    pub template: String,
    pub status: String,
    pub queue_bucket: i8,
    pub execution_bucket: i8,
    pub jobs: u64,
    pub queue_ms: u64,
    pub execution_ms: u64,
    pub paid_ms: u64,
}
from_row!(HourRow {
    hour,
    template,
    status,
    queue_bucket,
    execution_bucket,
    jobs,
    queue_ms,
    execution_ms,
    paid_ms
});

/// What counting has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// The newest hour that was counted; `None`: none yet.
    pub newest: Option<i64>,
    /// Hours with jobs that had not ended.
    pub open: Vec<i64>,
}

/// The jobs of one hour: those whose ids are at least `from` and below `to`.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    pub hour: i64,
    pub from: JobId,
    pub to: JobId,
}

pub async fn stale(db: &dyn Db, open_max: u32) -> Result<Stale, StoreError> {
    struct Row {
        hour: i64,
        is_newest: bool,
    }
    from_row!(Row {
        hour,
        is_newest: flag
    });
    let mut stale = Stale::default();
    for row in ask(db, STALE, vec![open_max.into()]).await?.rows::<Row>()? {
        if row.is_newest {
            stale.newest = Some(row.hour);
        } else {
            stale.open.push(row.hour);
        }
    }
    Ok(stale)
}

/// Counts one hour anew.
pub async fn count(db: &dyn Db, hour: Hour) -> Result<(), StoreError> {
    let limits = serde_json::json!(LIMITS_MS).to_string();
    let forget = Statement {
        sql: FORGET,
        params: vec![hour.hour.into()],
    };
    let count = Statement {
        sql: COUNT,
        params: vec![
            hour.hour.into(),
            hour.from.into(),
            hour.to.into(),
            Param::Text(limits),
        ],
    };
    batch(db, vec![forget, count]).await.map(drop)
}

/// Notes how far counting has come, and makes one of the hours before `kept_from`.
pub async fn note_counted(db: &dyn Db, newest: i64, kept_from: i64) -> Result<(), StoreError> {
    let with = |sql, hour: i64| Statement {
        sql,
        params: vec![hour.into()],
    };
    let statements = vec![
        with(NOTE_COUNTED, newest),
        with(FOLD, kept_from),
        with(DROP_FOLDED, kept_from),
    ];
    batch(db, statements).await.map(drop)
}

/// What one row of an answer is all jobs of, in hours.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    Hour = 1,
    /// Of UTC; its hour is the first one.
    Day = 24,
}

/// The newest first, at most `limit` rows.
pub async fn since(
    db: &dyn Db,
    hour: i64,
    span: Span,
    limit: u32,
) -> Result<Vec<HourRow>, StoreError> {
    ask(
        db,
        SINCE,
        vec![hour.into(), limit.into(), (span as i64).into()],
    )
    .await?
    .rows()
}

/// Of all hours together.
pub async fn totals(db: &dyn Db) -> Result<Vec<HourRow>, StoreError> {
    ask(db, TOTALS, Vec::new()).await?.rows()
}
