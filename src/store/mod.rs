//! The only SQL in the crate: one directory or file per table.
//!
//! Every statement is a `const` beside its only function, begins with its own name, and is listed
//! in [`STATEMENTS`], so that tests can prove that each uses an index and runs on D1.

pub mod assets;
pub mod credits;
pub mod deliveries;
pub mod endpoints;
pub mod hours;
pub mod inventories;
pub mod jobs;
pub mod keys;
mod row;
pub mod spending;
pub mod tombstones;

use thiserror::Error;

use crate::ports::{Db, DbError, Outcome, Param, Statement};
use row::FromRow;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// The database answered something the code does not know: a bug, or a migration that is
    /// missing.
    #[error("unreadable row from {statement}: {source}")]
    Row {
        statement: &'static str,
        source: serde_json::Error,
    },
    #[error("the database answered {0} results less than it was asked for")]
    Short(usize),
}

/// Every statement of the crate.
pub const STATEMENTS: &[&str] = &[
    PING,
    assets::PUT,
    assets::FIND,
    assets::PAGE,
    assets::FORGET,
    credits::OPEN,
    credits::RESERVE,
    credits::RESERVE_ROUND,
    credits::FIND,
    credits::ENTRIES,
    credits::AUDIT,
    credits::MEND,
    credits::GRANT,
    credits::NOTE_GRANT,
    credits::PURGE_GRANTS,
    credits::PURGE,
    deliveries::RECORD,
    deliveries::PENDING,
    deliveries::OF_JOB,
    deliveries::CLAIM,
    deliveries::REPORT,
    deliveries::FORSAKE,
    deliveries::REPLAY,
    deliveries::FORGIVE,
    deliveries::REPLAY_JOB,
    deliveries::REPLAY_MISSED,
    deliveries::MISSED,
    deliveries::SWEEP,
    endpoints::FIND,
    endpoints::PAUSE,
    endpoints::NOTE_WORKERS,
    hours::FORGET,
    hours::COUNT,
    hours::NOTE_COUNTED,
    hours::STALE,
    hours::FOLD,
    hours::DROP_FOLDED,
    hours::SINCE,
    hours::TOTALS,
    inventories::ADD,
    inventories::ADOPT,
    inventories::FORGET,
    inventories::FIND,
    inventories::LOAD,
    inventories::NAMES,
    assets::FIND_BEGINNING,
    assets::RENEW,
    assets::DELETE,
    assets::PURGE,
    jobs::CREATE,
    jobs::CREATE_PROMPT,
    jobs::FIND,
    jobs::FIND_CREATED,
    jobs::FIND_BY_KEY,
    jobs::FULL,
    jobs::AT_ENDPOINT,
    jobs::AT_GATE,
    jobs::BEGINNING,
    jobs::PROMPT_OF,
    jobs::LIST,
    jobs::LIST_EXAMINED,
    jobs::LIST_ALL,
    jobs::LIST_ALL_EXAMINED,
    jobs::BEGIN_ATTEMPT,
    jobs::PROMPT,
    jobs::NOTE_PROVIDER_ID,
    jobs::NOTE_STARTED,
    jobs::PUT_OFF,
    jobs::LOOK_LATER,
    jobs::HOLD,
    jobs::FINISH,
    jobs::FINISH_CREDITS,
    jobs::FINISH_OUTPUTS,
    jobs::FINISH_ATTEMPT,
    jobs::FINISH_LATE,
    jobs::FAIL_ATTEMPT,
    jobs::WINNER,
    jobs::CLOSE_ATTEMPT,
    jobs::CANCEL,
    jobs::CANCEL_CREDITS,
    jobs::RETRY,
    jobs::SWEEP,
    jobs::OVERDUE,
    jobs::AUDIT,
    jobs::AUDIT_THESE,
    jobs::MEND_DUE,
    jobs::COUNT_LIVE,
    keys::CREATE,
    keys::FIND,
    keys::LIST,
    keys::REVOKE,
    keys::ROTATE,
    keys::FIND_WEBHOOK_SECRET,
    keys::ROTATE_WEBHOOK_SECRET,
    spending::CHARGE,
    spending::CHARGE_ROUND,
    spending::CHARGE_BESIDE,
    spending::UPLOADS,
    spending::STANDING,
    spending::BACKLOG,
    tombstones::BURY,
    tombstones::BURY_OUTPUTS,
    tombstones::BURY_ATTEMPTS,
    tombstones::BURY_DELIVERIES,
    tombstones::BURY_PROMPTS,
    tombstones::BURY_JOBS,
    tombstones::FIND,
    tombstones::FORGET,
];

/// Reads one row at the most: whether the schema is there, not only the database.
pub const PING: &str = "-- store::ping
SELECT 1 AS one FROM jobs WHERE id = ''";

pub async fn ping(db: &dyn Db) -> Result<(), StoreError> {
    ask(db, PING, Vec::new()).await.map(drop)
}

/// How often a batch is repeated when it is not known whether it was committed. Every batch here
/// may run twice: it says what it wants by nonce or key, and what a job hangs on reads back what
/// stands. Where only changes are counted, the worst is a try or a wake less; the sweep makes it.
const REPEATS_MAX: usize = 2;

/// What a statement answered.
struct Answer {
    statement: &'static str,
    outcome: Outcome,
}

/// Runs one statement.
async fn ask(db: &dyn Db, sql: &'static str, params: Vec<Param>) -> Result<Answer, StoreError> {
    let mut answers = batch(db, vec![Statement { sql, params }]).await?;
    answers.pop().ok_or(StoreError::Short(1))
}

/// Runs a batch, and runs it again when its outcome is unknown. Answers as many as it was asked. Of
/// a batch that may stand already nothing but an answer is certain: what refuses its repeat says
/// nothing of it.
async fn batch(db: &dyn Db, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
    let mut doubt = None;
    let mut repeats = 0;
    let outcomes = loop {
        match db.batch(statements.clone()).await {
            Err(error @ DbError::Unknown(_)) if repeats < REPEATS_MAX => {
                repeats += 1;
                doubt = Some(error);
            }
            Err(error) => return Err(doubt.unwrap_or(error).into()),
            Ok(outcomes) => break outcomes,
        }
    };
    if outcomes.len() < statements.len() {
        return Err(StoreError::Short(statements.len() - outcomes.len()));
    }
    let answer = |(asked, outcome): (Statement, Outcome)| Answer {
        statement: asked.sql,
        outcome,
    };
    Ok(statements.into_iter().zip(outcomes).map(answer).collect())
}

impl Answer {
    const fn changes(&self) -> u64 {
        self.outcome.changes
    }

    fn rows<T: FromRow>(&self) -> Result<Vec<T>, StoreError> {
        row::read(&self.outcome.rows).map_err(|source| StoreError::Row {
            statement: name(self.statement),
            source,
        })
    }

    /// The first row, where there is one.
    fn row<T: FromRow>(&self) -> Result<Option<T>, StoreError> {
        Ok(self.rows()?.into_iter().next())
    }
}

/// The name in a statement's first line.
pub fn name(statement: &'static str) -> &'static str {
    statement
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("-- "))
        .unwrap_or(statement)
}

/// The largest whole number that a JavaScript number holds exactly; a provider's wild figure
/// becomes this instead of a row that cannot be written.
const EXACT_MAX: i64 = (1 << 53) - 1;

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Param {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<u64> for Param {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(EXACT_MAX).min(EXACT_MAX))
    }
}

impl From<crate::time::UnixMillis> for Param {
    fn from(at: crate::time::UnixMillis) -> Self {
        Self::Integer(at.get())
    }
}

impl From<crate::id::JobId> for Param {
    fn from(id: crate::id::JobId) -> Self {
        Self::Text(id.to_string())
    }
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
