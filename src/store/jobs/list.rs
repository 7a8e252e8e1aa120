//! A caller's jobs, newest first.

use std::collections::BTreeMap;

use super::create::json;
use super::record::columns;
use super::Record;
use crate::id::{CallerId, JobId};
use crate::job::JobStatus;
use crate::ports::{Db, Param, Statement};
use crate::store::row::from_row;
use crate::store::{batch, StoreError};

/// Rows examined for one page: a filter that matches little answers short pages, with a cursor.
const EXAMINED_MAX: u32 = 1_000;

/// Filters apply to a window of the newest rows before the cursor, so no page reads the whole
/// table. `$which` says whose rows are in it.
macro_rules! listed {
    ($which:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM (SELECT ",
            columns!(),
            " FROM jobs WHERE ",
            $which,
            " AND id < ?2 AND id >= ?3
   ORDER BY id DESC LIMIT ?4)
WHERE (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR template = ?6)
  AND NOT EXISTS (SELECT 1 FROM json_each(?7) AS asked
    WHERE labels_json ->> ('$.\"' || asked.key || '\"') IS NOT asked.value)
ORDER BY id DESC LIMIT ?8"
        )
    };
}

macro_rules! examined {
    ($which:literal) => {
        concat!(
            "SELECT min(id) AS last, count(id) AS examined
FROM (SELECT id FROM jobs WHERE ",
            $which,
            " AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4)"
        )
    };
}

pub const LIST: &str = concat!("-- jobs::list\n", listed!("caller = ?1"));
pub const LIST_EXAMINED: &str = concat!("-- jobs::list (examined)\n", examined!("caller = ?1"));
pub const LIST_ALL: &str = concat!("-- jobs::list_all\n", listed!("?1 IS NULL"));
pub const LIST_ALL_EXAMINED: &str =
    concat!("-- jobs::list_all (examined)\n", examined!("?1 IS NULL"));

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
    let statements = [LIST, LIST_EXAMINED];
    page(db, statements, caller.as_str().into(), filter, limit).await
}

/// Of every caller.
pub async fn list_all(db: &dyn Db, filter: &Filter, limit: u32) -> Result<Page, StoreError> {
    let statements = [LIST_ALL, LIST_ALL_EXAMINED];
    page(db, statements, Param::Null, filter, limit).await
}

async fn page(
    db: &dyn Db,
    [list, examined]: [&'static str; 2],
    caller: Param,
    filter: &Filter,
    limit: u32,
) -> Result<Page, StoreError> {
    struct Examined {
        last: Option<String>,
        examined: u32,
    }
    from_row!(Examined { last, examined });
    // Above every UUID, and below every one.
    let before = filter
        .before
        .map_or_else(|| "g".into(), |id| id.to_string());
    let after = filter
        .created_after
        .map_or_else(String::new, |id| id.to_string());
    let window = vec![caller, before.into(), after.into(), EXAMINED_MAX.into()];
    let mut params = window.clone();
    params.extend([
        filter.status.map(JobStatus::as_str).into(),
        filter.template.as_deref().into(),
        json(&filter.labels),
        limit.into(),
    ]);
    let statements = vec![
        Statement { sql: list, params },
        Statement {
            sql: examined,
            params: window,
        },
    ];
    let answers = batch(db, statements).await?;
    let jobs: Vec<Record> = answers[0].rows()?;
    let examined: Option<Examined> = answers[1].row()?;
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
