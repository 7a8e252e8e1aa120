//! The tables `credits` and `grants`: what an owner may spend on jobs, and where it came from.
//!
//! A round holds credits from when it is opened until it ends: then they are spent by a success, or
//! by its caller's cancel when work had begun, or given back. Each of these is in the batch that
//! opens the round or ends it, under the very condition of that statement, so that it happens once,
//! however often the batch runs. Between them the row of the job says what it holds, and no total
//! can become negative: the table forbids it.

use serde::Serialize;

use super::row::from_row;
use super::spending::{allowed, can_follow, is_new, Backlog, Paid, Payer, Standing};
use super::{batch, Answer, StoreError};
use crate::access::Credits;
use crate::id::{CallerId, JobId};
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

/// Entries shown of an owner.
const ENTRIES_MAX: u32 = 50;

pub const OPEN: &str = "-- credits::open
INSERT INTO credits (owner, opened_at, begun_with, granted) VALUES (?1, ?3, ?2, ?2)
ON CONFLICT DO NOTHING";

/// Holds what a round costs; of who always pays it opens the ledger, with what that begins with
/// (?13). Asks whatever the charge will ask, so that nothing is held for what is refused then.
macro_rules! reserve {
    ($paid:expr) => {
        concat!(
            "INSERT INTO credits (owner, opened_at, begun_with, granted, reserved, charge)
SELECT ?7, ?14, coalesce(?13, 0), coalesce(?13, 0), iif(?13 >= ?12, ?12, 0), iif(?13 >= ?12, ?4, '')
WHERE (?13 IS NOT NULL OR EXISTS (SELECT 1 FROM credits WHERE owner = ?7))
  AND ",
            allowed!($paid),
            "
ON CONFLICT (owner) DO UPDATE SET reserved = reserved + ?12, charge = ?4
WHERE granted - spent - reserved >= ?12"
        )
    };
}

/// For a job that is not recorded yet, under this id or this request key.
pub const RESERVE: &str = concat!(
    "-- credits::reserve\n",
    reserve!(is_new!("?10", "?7", "?11"))
);

/// For a round that can be opened.
pub const RESERVE_ROUND: &str = concat!(
    "-- credits::reserve_round\n",
    reserve!(can_follow!("?10", "?11"))
);

pub const FIND: &str = "-- credits::find
SELECT granted, spent, reserved FROM credits WHERE owner = ?1";

/// Whether the round that a job's row shows has cost its caller what it held.
macro_rules! is_spent {
    () => {
        "(status = 'succeeded'
    OR status = 'canceled' AND (started_at IS NOT NULL OR execution_ms > 0))"
    };
}
pub(super) use is_spent;

/// The newest of each kind; of the jobs those among the newest that were charged.
pub const ENTRIES: &str = concat!(
    "-- credits::entries
WITH newest AS (SELECT id, template, credits, credits_before, opened_at,
    coalesce(completed_at, opened_at) AS at_ms,
    CASE WHEN ",
    is_spent!(),
    " THEN 'spent' WHEN completed_at IS NULL THEN 'reserved' ELSE 'given_back' END AS kind
  FROM jobs WHERE caller = ?1 ORDER BY id DESC LIMIT ?2)
SELECT 'granted' AS kind, begun_with AS credits, opened_at AS at_ms, NULL AS job_id,
  'begun with' AS what FROM credits WHERE owner = ?1 AND begun_with > 0
UNION ALL SELECT 'granted', credits, granted_at, NULL, why FROM grants WHERE owner = ?1
UNION ALL SELECT kind, credits, at_ms, id, template FROM newest WHERE credits IS NOT NULL
UNION ALL SELECT 'spent', credits_before, opened_at, id, template FROM newest
  WHERE credits_before > 0
ORDER BY at_ms DESC LIMIT ?2"
);

/// Ledgers in the order of their owners, each with what the owner's jobs under way hold. Those jobs
/// are due, so none but them is read.
pub const AUDIT: &str = "-- credits::audit
WITH held AS (SELECT caller, sum(credits) AS credits FROM jobs INDEXED BY jobs_due
  WHERE due_at > 0 AND credits IS NOT NULL AND status IN ('queued', 'running', 'canceling')
  GROUP BY caller)
SELECT owner, reserved, coalesce(held.credits, 0) AS held
FROM credits LEFT JOIN held ON held.caller = credits.owner
WHERE owner > ?1 ORDER BY owner LIMIT ?2";

/// By every job of the owner, due or not. What is paid for and still held is spent, the rest is
/// given back. Not where more would be spent and held than was granted.
pub const MEND: &str = concat!(
    "-- credits::mend
UPDATE credits SET reserved = books.held, spent = max(spent, books.paid)
FROM (SELECT
    coalesce(sum(credits) FILTER (WHERE status IN ('queued', 'running', 'canceling')), 0) AS held,
    coalesce(sum(credits) FILTER (WHERE ",
    is_spent!(),
    "), 0) + coalesce(sum(credits_before), 0) AS paid
  FROM jobs WHERE caller = ?1) AS books
WHERE owner = ?1 AND reserved = ?2 AND reserved <> books.held
  AND max(spent, books.paid) + books.held <= granted"
);

/// Unless this grant was made before.
pub const GRANT: &str = "-- credits::grant
INSERT INTO credits (owner, opened_at, begun_with, granted)
SELECT ?1, ?4, 0, ?3 WHERE NOT EXISTS (SELECT 1 FROM grants WHERE owner = ?1 AND id = ?2)
ON CONFLICT (owner) DO UPDATE SET granted = granted + excluded.granted";

pub const NOTE_GRANT: &str = "-- credits::grant (entry)
INSERT INTO grants (owner, id, credits, granted_at, why) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING";

/// Grants of owners whose names lie between these, a bounded number.
pub const PURGE_GRANTS: &str = "-- credits::purge (grants)
DELETE FROM grants WHERE (owner, id) IN
  (SELECT owner, id FROM grants WHERE owner >= ?1 AND owner < ?2 ORDER BY owner, id LIMIT ?3)";

/// Their ledgers, when nothing of theirs is held any more.
pub const PURGE: &str = "-- credits::purge
DELETE FROM credits WHERE owner IN
  (SELECT owner FROM credits WHERE owner >= ?1 AND owner < ?2 AND reserved = 0
   ORDER BY owner LIMIT ?3)";

/// How an owner stands. What is left is what was granted less the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub granted: u64,
    pub spent: u64,
    pub reserved: u64,
}
from_row!(Balance {
    granted,
    spent,
    reserved
});

impl Balance {
    pub const fn left(&self) -> u64 {
        self.granted.saturating_sub(self.spent + self.reserved)
    }
}

/// What a ledger says that its owner's jobs hold, and what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    pub owner: CallerId,
    pub reserved: u64,
    pub held: u64,
}
from_row!(Audited {
    owner,
    reserved,
    held
});

/// One line of an owner's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// `granted`, `reserved`, `spent` or `given_back`.
    pub kind: String,
    pub credits: u64,
    pub at_ms: UnixMillis,
    pub job_id: Option<JobId>,
    /// The job's template, or what the grant was for.
    pub what: String,
}
from_row!(Entry {
    kind,
    credits,
    at_ms,
    job_id,
    what
});

/// Credits for an owner. A second one under the same id changes nothing.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    pub owner: &'a CallerId,
    pub id: &'a str,
    pub credits: u32,
    pub why: &'a str,
    pub at: UnixMillis,
    /// What the owner's ledger opens with, if this opens it.
    pub begins: Credits,
}

impl Payer<'_> {
    /// `None`: this caller pays with no credits.
    pub(super) fn reserve(&self, paid: Paid<'_>) -> Option<Statement> {
        self.price?;
        let begins = match self.rights.credits {
            Credits::Begins(credits) => Some(credits),
            Credits::Free | Credits::IfGranted => None,
        };
        let sql = match paid {
            Paid::Job(..) => RESERVE,
            Paid::Round(..) => RESERVE_ROUND,
        };
        let mut params = self.asking(paid);
        params.extend([begins.into(), self.now.into()]);
        Some(Statement { sql, params })
    }

    pub(super) fn balance(&self) -> Option<Statement> {
        self.price.map(|_| find(self.caller))
    }
}

fn open(owner: &CallerId, credits: Credits, at: UnixMillis) -> Option<Statement> {
    match credits {
        Credits::Begins(credits) => Some(Statement {
            sql: OPEN,
            params: vec![owner.as_str().into(), credits.into(), at.into()],
        }),
        Credits::Free | Credits::IfGranted => None,
    }
}

fn find(owner: &CallerId) -> Statement {
    Statement {
        sql: FIND,
        params: vec![owner.as_str().into()],
    }
}

/// How a payer stands after a batch that recorded something, or did not.
#[derive(Debug)]
pub struct Told {
    /// `None`: the caller is not limited.
    pub standing: Option<Standing>,
    /// `None`: the caller pays with no credits.
    pub balance: Option<Balance>,
    /// `None`: it was not to be counted.
    pub backlog: Option<Backlog>,
}

impl Told {
    /// Before there is such a batch.
    pub async fn ask(db: &dyn Db, payer: &Payer<'_>) -> Result<Self, StoreError> {
        let answers = batch(db, Self::asked(payer).collect()).await?;
        Self::read(payer, &answers)
    }

    /// What is asked at the end of such a batch.
    pub(super) fn asked(payer: &Payer<'_>) -> impl Iterator<Item = Statement> {
        let asked = [payer.standing(), payer.balance(), payer.backlog()];
        asked.into_iter().flatten()
    }

    /// `answers` are to what was asked, and to nothing else.
    pub(super) fn read(payer: &Payer<'_>, answers: &[Answer]) -> Result<Self, StoreError> {
        let mut answers = answers.iter();
        let mut next = |asked: Option<Statement>| match asked {
            Some(_) => answers.next().ok_or(StoreError::Short(1)).map(Some),
            None => Ok(None),
        };
        let (standing, balance) = (next(payer.standing())?, next(payer.balance())?);
        let backlog = next(payer.backlog())?;
        Ok(Self {
            standing: standing.map(Answer::row).transpose()?.flatten(),
            balance: balance.map(Answer::row).transpose()?.flatten(),
            backlog: backlog.map(Answer::row).transpose()?.flatten(),
        })
    }
}

/// How an owner stands, and its newest entries. `None`: it has no ledger.
pub async fn books(
    db: &dyn Db,
    owner: &CallerId,
) -> Result<(Option<Balance>, Vec<Entry>), StoreError> {
    let entries = Statement {
        sql: ENTRIES,
        params: vec![owner.as_str().into(), ENTRIES_MAX.into()],
    };
    let answers = batch(db, vec![find(owner), entries]).await?;
    Ok((answers[0].row()?, answers[1].rows()?))
}

/// Takes the books of owners between two names away, at most `limit` ledgers and as many grants.
/// Answers how many ledgers.
pub async fn purge(db: &dyn Db, owners: &[String; 2], limit: u32) -> Result<u64, StoreError> {
    let purge = |sql| Statement {
        sql,
        params: vec![
            owners[0].as_str().into(),
            owners[1].as_str().into(),
            limit.into(),
        ],
    };
    let answers = batch(db, vec![purge(PURGE_GRANTS), purge(PURGE)]).await?;
    Ok(answers[1].changes())
}

/// Answers how the owner stands then.
pub async fn grant(db: &dyn Db, grant: &Grant<'_>) -> Result<Balance, StoreError> {
    let params = vec![
        grant.owner.as_str().into(),
        grant.id.into(),
        grant.credits.into(),
        grant.at.into(),
    ];
    let mut noted = params.clone();
    noted.push(grant.why.into());
    let sql = NOTE_GRANT;
    let note = Statement { sql, params: noted };
    let sql = GRANT;
    let opened = open(grant.owner, grant.begins, grant.at);
    let changes = [Statement { sql, params }, note, find(grant.owner)];
    let answers = batch(db, opened.into_iter().chain(changes).collect()).await?;
    let balance = answers.last().map(Answer::row).transpose()?.flatten();
    balance.ok_or(StoreError::Short(1))
}

/// All ledgers in the order of their owners.
pub async fn audit(db: &dyn Db, after: &str, limit: u32) -> Result<Vec<Audited>, StoreError> {
    let params = vec![after.into(), limit.into()];
    super::ask(db, AUDIT, params).await?.rows()
}

/// Puts right what a ledger holds, unless it has moved on since it was seen. False: it has, or it
/// was right, or it cannot be put right.
pub async fn mend(db: &dyn Db, seen: &Audited) -> Result<bool, StoreError> {
    let params = vec![seen.owner.as_str().into(), seen.reserved.into()];
    Ok(super::ask(db, MEND, params).await?.changes() > 0)
}
