//! The table `spending`: what an account may still do, counted in the batch that does it.
//!
//! A charge and what it pays for are one batch, hence one transaction: however many run at once, no
//! limit is passed, and what is refused is not charged. The charge is written down by name
//! (`<job>:<round>`); the statement that records the job, or opens its round, asks for that name.
//! A batch that runs twice finds its job recorded, and charges nothing.

use super::row::from_row;
use crate::access::{Rights, Window};
use crate::id::{CallerId, JobId, RequestKey};
use crate::ports::{Param, Statement};
use crate::time::UnixMillis;

/// What a charge needs besides a job that is there to be paid: `?1` to `?9` are the same in both.
macro_rules! charge {
    ($paid:literal) => {
        concat!(
            "INSERT INTO spending (account, day, day_jobs, minute, minute_jobs, charge)
SELECT ?1, ?2, 1, ?3, 1, ?4
WHERE (?5 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?5 AND revoked_at IS NULL))
  AND (?6 IS NULL OR (SELECT count(due_at) FROM jobs INDEXED BY jobs_due
    WHERE due_at > 0 AND caller = ?7) < ?6)
  AND ",
            $paid,
            "
ON CONFLICT (account) DO UPDATE SET
  day_jobs = CASE WHEN day < excluded.day THEN 1 ELSE day_jobs + 1 END,
  minute_jobs = CASE WHEN minute < excluded.minute THEN 1 ELSE minute_jobs + 1 END,
  day = max(day, excluded.day), minute = max(minute, excluded.minute), charge = excluded.charge
WHERE (?8 IS NULL OR day < excluded.day OR day_jobs < ?8)
  AND (?9 IS NULL OR minute < excluded.minute OR minute_jobs < ?9)"
        )
    };
}

/// For a job that is not recorded yet, under this id or this request key.
pub const CHARGE: &str = concat!(
    "-- spending::charge\n",
    charge!(
        "NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?10)
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE caller = ?7 AND request_key = ?11)"
    )
);

/// For a round that can be opened.
pub const CHARGE_ROUND: &str = concat!(
    "-- spending::charge_round\n",
    charge!(
        "EXISTS (SELECT 1 FROM jobs WHERE id = ?10 AND round = ?11
    AND status IN ('failed', 'canceled', 'expired')
    AND (attempt = 0 OR attempt_ended_at IS NOT NULL))"
    )
);

/// How an account stands in the day and the minute of now.
pub const STANDING: &str = "-- spending::standing
SELECT ?1 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?1 AND revoked_at IS NULL)
    AS is_valid,
  coalesce((SELECT day_jobs FROM spending WHERE account = ?2 AND day >= ?3), 0) AS day_jobs,
  coalesce((SELECT minute_jobs FROM spending WHERE account = ?2 AND minute >= ?4), 0)
    AS minute_jobs,
  CASE WHEN ?5 IS NULL THEN 0 ELSE (SELECT count(due_at) FROM jobs INDEXED BY jobs_due
    WHERE due_at > 0 AND caller = ?6) END AS live_jobs";

/// At most as many as are asked for are counted.
pub const BACKLOG: &str = "-- spending::backlog
SELECT count(due_at) AS live_jobs FROM
  (SELECT due_at FROM jobs INDEXED BY jobs_due WHERE due_at > 0 LIMIT ?1)";

/// Who pays for what, and when.
#[derive(Clone, Copy)]
pub struct Payer<'a> {
    pub caller: &'a CallerId,
    pub rights: &'a Rights,
    pub now: UnixMillis,
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

impl Payer<'_> {
    /// The charge for a new job; `None`: nothing of this caller is counted.
    pub(super) fn charge(&self, job: JobId, key: Option<&RequestKey>) -> Option<Statement> {
        let key = key.map(RequestKey::as_str).into();
        self.paying(CHARGE, [job.into(), key], charge_of(job, 1))
    }

    pub(super) fn charge_round(&self, job: JobId, round: u32) -> Option<Statement> {
        let charge = charge_of(job, round + 1);
        self.paying(CHARGE_ROUND, [job.into(), round.into()], charge)
    }

    fn paying(&self, sql: &'static str, what: [Param; 2], charge: String) -> Option<Statement> {
        let account = self.rights.account.as_ref()?;
        let [job, detail] = what;
        let params = vec![
            account.name.as_str().into(),
            self.day().into(),
            self.minute().into(),
            charge.into(),
            self.rights.key.as_deref().into(),
            account.limits.live_jobs.into(),
            self.caller.as_str().into(),
            account.limits.jobs_per_day.into(),
            account.limits.jobs_per_minute.into(),
            job,
            detail,
        ];
        Some(Statement { sql, params })
    }

    /// What the statement that is paid for asks: the account, the charge, the key.
    pub(super) fn proof(&self, job: JobId, round: u32) -> [Param; 3] {
        let account = self.rights.account.as_ref();
        [
            account.map(|account| account.name.as_str()).into(),
            charge_of(job, round).into(),
            self.rights.key.as_deref().into(),
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

    fn day(&self) -> i64 {
        Window::Day.number(self.now)
    }

    fn minute(&self) -> i64 {
        Window::Minute.number(self.now)
    }
}

fn charge_of(job: JobId, round: u32) -> String {
    format!("{job}:{round}")
}

/// Jobs that have not ended, of all callers; counts up to `most`.
pub(super) fn backlog(most: u32) -> Statement {
    Statement {
        sql: BACKLOG,
        params: vec![most.into()],
    }
}
