//! A caller's jobs, newest first.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::create::json;
use super::row::{columns, Row};
use super::Record;
use crate::id::{CallerId, JobId};
use crate::job::JobStatus;
use crate::ports::{Db, Statement};
use crate::store::{batch, rows, StoreError};

/// Rows examined for one page: a filter that matches little answers short pages, with a cursor.
const EXAMINED_MAX: u32 = 1_000;

/// Filters apply to a window of the newest rows before the cursor, so no page reads the whole
/// table.
pub const LIST: &str = concat!(
    "-- jobs::list\nSELECT ",
    columns!(),
    " FROM (SELECT ",
    columns!(),
    " FROM jobs WHERE caller = ?1 AND id < ?2 AND id >= ?3
   ORDER BY id DESC LIMIT ?4)
WHERE (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR template = ?6)
  AND NOT EXISTS (SELECT 1 FROM json_each(?7) AS asked
    WHERE labels_json ->> ('$.\"' || asked.key || '\"') IS NOT asked.value)
ORDER BY id DESC LIMIT ?8"
);

pub const LIST_EXAMINED: &str = "-- jobs::list (examined)
SELECT min(id) AS last, count(id) AS examined
FROM (SELECT id FROM jobs WHERE caller = ?1 AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4)";

/// What a caller asks for. Ids are compared as text, so a cursor is simply the last id seen.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub before: Option<JobId>,
    pub created_after: Option<JobId>,
    pub status: Option<JobStatus>,
    pub template: Option<String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Page {
    pub jobs: Vec<Record>,
    /// Where the next page begins; `None`: there is nothing more.
    pub next: Option<String>,
}

pub async fn list(
    db: &dyn Db,
    caller: &CallerId,
    filter: &Filter,
    limit: u32,
) -> Result<Page, StoreError> {
    #[derive(Deserialize)]
    struct Examined {
        last: Option<String>,
        examined: u32,
    }
    // Above every UUID, and below every one.
    let before = filter
        .before
        .map_or_else(|| "g".into(), |id| id.to_string());
    let after = filter
        .created_after
        .map_or_else(String::new, |id| id.to_string());
    let window = vec![
        caller.as_str().into(),
        before.into(),
        after.into(),
        EXAMINED_MAX.into(),
    ];
    let mut params = window.clone();
    params.extend([
        filter.status.map(JobStatus::as_str).into(),
        filter.template.as_deref().into(),
        json(&filter.labels),
        limit.into(),
    ]);
    let statements = vec![
        Statement { sql: LIST, params },
        Statement {
            sql: LIST_EXAMINED,
            params: window,
        },
    ];
    let outcomes = batch(db, statements).await?;
    let jobs: Vec<Record> = rows::<Row>(LIST, &outcomes[0])?
        .into_iter()
        .map(Into::into)
        .collect();
    let examined = rows::<Examined>(LIST_EXAMINED, &outcomes[1])?
        .into_iter()
        .next();
    let full = u32::try_from(jobs.len()).is_ok_and(|count| count >= limit);
    let next = if full {
        jobs.last().map(|record| record.job.id.to_string())
    } else {
        examined
            .filter(|window| window.examined >= EXAMINED_MAX)
            .and_then(|window| window.last)
    };
    Ok(Page { jobs, next })
}
