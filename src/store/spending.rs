//! The table `spending`: what an account may still do, counted in the batch that does it.
//!
//! A charge and what it pays for are one batch, hence one transaction: however many run at once, no
//! limit is passed, and what is refused is not charged. The charge is written down by name
//! (`<job>:<round>`); the statement that records the job, or opens its round, asks for that name.
//! A batch that runs twice finds its job recorded, and charges nothing.

use super::row::from_row;
use super::{batch, StoreError};
use crate::access::{Rights, Window};
use crate::id::{CallerId, JobId, RequestKey};
use crate::ports::{Db, Param, Statement};
use crate::time::UnixMillis;

/// No job is recorded under this id, or under this request key of this caller.
macro_rules! is_new {
    ($id:literal, $caller:literal, $key:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM jobs WHERE id = ",
            $id,
            ")
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE caller = ",
            $caller,
            " AND request_key = ",
            $key,
            ")"
        )
    };
}
pub(super) use is_new;

/// Behind this round of the job another one can be opened.
macro_rules! can_follow {
    ($id:literal, $round:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM jobs WHERE id = ",
            $id,
            " AND round = ",
            $round,
            "
    AND status IN ('failed', 'canceled', 'expired'))"
        )
    };
}
pub(super) use can_follow;

/// What a payer may only do while its key is good and its limits are not reached, asked before
/// anything is written: who is refused costs no row. `?1` to `?12` are the same wherever this
/// stands.
macro_rules! allowed {
    ($paid:expr) => {
        concat!(
            "(?5 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?5 AND revoked_at IS NULL))
  AND (?6 IS NULL OR (SELECT count(due_at) FROM jobs INDEXED BY jobs_due
    WHERE due_at > 0 AND caller = ?7) < ?6)
  AND NOT EXISTS (SELECT 1 FROM spending WHERE account = ?1
    AND (day >= ?2 AND day_jobs >= ?8 OR minute >= ?3 AND minute_jobs >= ?9))
  AND ",
            $paid
        )
    };
}
pub(super) use allowed;

/// Where credits are asked for (?12), they have been reserved for this very charge.
macro_rules! charge {
    ($paid:expr) => {
        concat!(
            "INSERT INTO spending (account, day, day_jobs, minute, minute_jobs, charge)
SELECT ?1, ?2, 1, ?3, 1, ?4
WHERE ",
            allowed!($paid),
            "
  AND (?12 IS NULL OR NOT EXISTS (SELECT 1 FROM credits WHERE owner = ?7 AND charge <> ?4))
ON CONFLICT (account) DO UPDATE SET
  day_jobs = CASE WHEN day < excluded.day THEN 1 ELSE day_jobs + 1 END,
  minute_jobs = CASE WHEN minute < excluded.minute THEN 1 ELSE minute_jobs + 1 END,
  day = max(day, excluded.day), minute = max(minute, excluded.minute), charge = excluded.charge"
        )
    };
}

/// For a job that is not recorded yet, under this id or this request key.
pub const CHARGE: &str = concat!(
    "-- spending::charge\n",
    charge!(is_new!("?10", "?7", "?11"))
);

/// For a round that can be opened.
pub const CHARGE_ROUND: &str = concat!(
    "-- spending::charge_round\n",
    charge!(can_follow!("?10", "?11"))
);

/// One more, in a day that is not used up; an upload only of a caller who has fewer than it may
/// (?5).
pub const CHARGE_BESIDE: &str = "-- spending::charge_beside
INSERT INTO spending (account, day, day_jobs, minute, minute_jobs, charge)
SELECT ?1, ?2, 1, 0, 0, ''
WHERE ?5 IS NULL OR (SELECT count(*) FROM (SELECT 1 FROM assets WHERE caller = ?4 LIMIT ?5)) < ?5
ON CONFLICT (account) DO UPDATE SET
  day_jobs = CASE WHEN day < excluded.day THEN 1 ELSE day_jobs + 1 END, day = max(day, excluded.day)
WHERE day < excluded.day OR day_jobs < ?3";

/// Why it was not charged.
pub const UPLOADS: &str = "-- spending::uploads
SELECT count(*) AS uploads FROM (SELECT 1 FROM assets WHERE caller = ?1 LIMIT coalesce(?2, 0))";

/// How an account stands in the day and the minute of now.
pub const STANDING: &str = "-- spending::standing
SELECT ?1 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?1 AND revoked_at IS NULL)
    AS is_valid,
  coalesce((SELECT day_jobs FROM spending WHERE account = ?2 AND day >= ?3), 0) AS day_jobs,
  coalesce((SELECT minute_jobs FROM spending WHERE account = ?2 AND minute >= ?4), 0)
    AS minute_jobs,
  CASE WHEN ?5 IS NULL THEN 0 ELSE (SELECT count(due_at) FROM jobs INDEXED BY jobs_due
    WHERE due_at > 0 AND caller = ?6) END AS live_jobs";

/// At most as many as are asked for are counted. All sessions are one neighbour, and the neighbour
/// shown is the one that has the most.
pub const BACKLOG: &str = "-- spending::backlog
SELECT coalesce(sum(jobs), 0) AS jobs, coalesce(max(jobs), 0) AS crowd_jobs,
  coalesce(neighbour, '') AS crowd
FROM (SELECT iif(caller GLOB 'session:*', 'session:', caller) AS neighbour, count(*) AS jobs
  FROM (SELECT caller FROM jobs INDEXED BY jobs_due WHERE due_at > 0 LIMIT ?1) GROUP BY neighbour)";

/// Who pays for what, and when.
#[derive(Clone, Copy)]
pub struct Payer<'a> {
    pub caller: &'a CallerId,
    pub rights: &'a Rights,
    pub now: UnixMillis,
    /// What it costs in credits. `None`: this caller pays with none.
    pub price: Option<u32>,
    /// Up to how many unfinished jobs are to be counted. `None`: they were a moment ago.
    pub backlog_max: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The key has not been revoked.
    pub is_valid: bool,
    pub day_jobs: u32,
    pub minute_jobs: u32,
    pub live_jobs: u32,
}
from_row!(Standing {
    is_valid: flag,
    day_jobs,
    minute_jobs,
    live_jobs
});

/// Jobs that have not ended, of all callers and of the neighbour that has the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub jobs: u32,
    pub crowd: String,
    pub crowd_jobs: u32,
}
from_row!(Backlog {
    jobs,
    crowd,
    crowd_jobs
});

/// What is to be paid for.
#[derive(Clone, Copy)]
pub(super) enum Paid<'a> {
    /// A new job, under this request key.
    Job(JobId, Option<&'a RequestKey>),
    /// What follows this round.
    Round(JobId, u32),
}

impl Paid<'_> {
    pub(super) fn charge(self) -> String {
        match self {
            Self::Job(job, _) => charge_of(job, 1),
            Self::Round(job, round) => charge_of(job, round + 1),
        }
    }
}

impl Payer<'_> {
    /// `None`: nothing of this caller is counted.
    pub(super) fn charge(&self, paid: Paid<'_>) -> Option<Statement> {
        self.rights.account.as_ref()?;
        let sql = match paid {
            Paid::Job(..) => CHARGE,
            Paid::Round(..) => CHARGE_ROUND,
        };
        let params = self.asking(paid);
        Some(Statement { sql, params })
    }

    /// What `allowed` asks of.
    pub(super) fn asking(&self, paid: Paid<'_>) -> Vec<Param> {
        let account = self.rights.account.as_ref();
        let limits = account.map(|account| account.limits).unwrap_or_default();
        let [job, detail] = match paid {
            Paid::Job(job, key) => [job.into(), key.map(RequestKey::as_str).into()],
            Paid::Round(job, round) => [job.into(), round.into()],
        };
        vec![
            account.map(|account| account.name.as_str()).into(),
            self.day().into(),
            self.minute().into(),
            paid.charge().into(),
            self.rights.key.as_deref().into(),
            limits.live_jobs.into(),
            self.caller.as_str().into(),
            limits.jobs_per_day.into(),
            limits.jobs_per_minute.into(),
            job,
            detail,
            self.price.into(),
        ]
    }

    /// What the statement that is paid for asks: the account, the charge, the key, the credits.
    pub(super) fn proof(&self, job: JobId, round: u32) -> [Param; 4] {
        let account = self.rights.account.as_ref();
        [
            account.map(|account| account.name.as_str()).into(),
            charge_of(job, round).into(),
            self.rights.key.as_deref().into(),
            self.price.into(),
        ]
    }

    /// `None`: there is nothing to tell.
    pub(super) fn standing(&self) -> Option<Statement> {
        let account = self.rights.account.as_ref();
        if account.is_none() && self.rights.key.is_none() {
            return None;
        }
        let name = account.map(|account| account.name.as_str());
        Some(Statement {
            sql: STANDING,
            params: vec![
                self.rights.key.as_deref().into(),
                name.into(),
                self.day().into(),
                self.minute().into(),
                account.and_then(|account| account.limits.live_jobs).into(),
                self.caller.as_str().into(),
            ],
        })
    }

    pub(super) fn backlog(&self) -> Option<Statement> {
        self.backlog_max.map(|most| Statement {
            sql: BACKLOG,
            params: vec![most.into()],
        })
    }

    fn day(&self) -> i64 {
        Window::Day.number(self.now)
    }

    fn minute(&self) -> i64 {
        Window::Minute.number(self.now)
    }
}

pub(super) fn charge_of(job: JobId, round: u32) -> String {
    format!("{job}:{round}")
}

/// What is counted beside jobs, each kind in an account of its own: uploads, purchases.
pub struct Beside<'a> {
    pub account: String,
    pub caller: &'a CallerId,
    pub now: UnixMillis,
    /// Of the account.
    pub day_max: u32,
    /// Uploads that the caller may have, from whatever day. `None`: any number.
    pub uploads_max: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    Yes,
    DayIsSpent,
    CallerHasAll,
}

pub async fn charge_beside(db: &dyn Db, asked: &Beside<'_>) -> Result<Charged, StoreError> {
    let caller = asked.caller.as_str();
    let charge = Statement {
        sql: CHARGE_BESIDE,
        params: vec![
            asked.account.as_str().into(),
            Window::Day.number(asked.now).into(),
            asked.day_max.into(),
            caller.into(),
            asked.uploads_max.into(),
        ],
    };
    let uploads = Statement {
        sql: UPLOADS,
        params: vec![caller.into(), asked.uploads_max.into()],
    };
    let answers = batch(db, vec![charge, uploads]).await?;
    let uploads: u32 = answers[1].row()?.unwrap_or(0);
    Ok(if answers[0].changes() > 0 {
        Charged::Yes
    } else if asked.uploads_max.is_some_and(|most| uploads >= most) {
        Charged::CallerHasAll
    } else {
        Charged::DayIsSpent
    })
}
