//! Recover: what an operator sees of jobs that should have ended, and asks to be done about it.
//!
//! Looking changes nothing. Doing wakes the job's watcher, which takes the same step that its alarm
//! would: so it is safe twice, and while everything else goes on.

use serde::Serialize;

use super::QueueError;
use crate::app::App;
use crate::id::JobId;
use crate::store::jobs::{self, Audited, DueAfter};
use crate::time::UnixMillis;

/// Jobs shown at once. Each asks its watcher, and a request may ask a thousand others.
const PAGE_MAX: u32 = 100;

/// What is seen of one job, and what would be done.
#[derive(Debug, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    pub job: Audited,
    /// When its watcher wakes by itself; `None`: never, or its watcher did not answer.
    pub alarm_at: Option<UnixMillis>,
    pub would: Deed,
    /// Why, in a sentence.
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Make its watcher take the next step now.
    Wake,
    /// Nothing is left to do for it.
    Nothing,
}

#[derive(Debug)]
pub struct OverduePage {
    pub jobs: Vec<Seen>,
    pub next: Option<DueAfter>,
}

/// Jobs that are past the time by which they should have ended, the longest overdue first.
pub async fn overdue(app: &App, after: Option<DueAfter>) -> Result<OverduePage, QueueError> {
    let now = app.now();
    let after = after.unwrap_or(DueAfter {
        due_at: UnixMillis::default(),
        id: None,
    });
    let found = jobs::overdue(&*app.db, now, after, PAGE_MAX).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= PAGE_MAX);
    let last = found.last().filter(|_| is_full);
    let next = last.and_then(|job| {
        Some(DueAfter {
            due_at: job.due_at?,
            id: Some(job.id),
        })
    });
    let mut seen = Vec::with_capacity(found.len());
    for job in found {
        seen.push(see(app, job).await);
    }
    Ok(OverduePage { jobs: seen, next })
}

/// One job, overdue or not. `None`: there is no such job.
pub async fn look(app: &App, id: JobId) -> Result<Option<Seen>, QueueError> {
    let Some(job) = jobs::audit_these(&*app.db, &[id]).await?.pop() else {
        return Ok(None);
    };
    Ok(Some(see(app, job).await))
}

/// Looks at a job again and does what is to be done. `None`: there is no such job.
pub async fn recover(app: &App, id: JobId) -> Result<Option<Seen>, QueueError> {
    let seen = look(app, id).await?;
    if let Some(Seen {
        would: Deed::Wake, ..
    }) = seen
    {
        app.watchers.wake(id).await?;
    }
    Ok(seen)
}

async fn see(app: &App, job: Audited) -> Seen {
    // A watcher that cannot be asked is one more reason to wake it.
    let alarm_at = app.watchers.alarm_at(job.id).await.unwrap_or_default();
    let (would, because) = judge(&job, alarm_at, app.now());
    Seen {
        job,
        alarm_at,
        would,
        because,
    }
}

fn judge(job: &Audited, alarm_at: Option<UnixMillis>, now: UnixMillis) -> (Deed, String) {
    if !job.has_work_left() && job.due_at.is_none() {
        return (Deed::Nothing, "it has ended and nothing is left".to_owned());
    }
    let overdue = match job.due_at {
        Some(due_at) if due_at <= now => format!("should have ended {} ago", ago(due_at, now)),
        Some(_) => "is not overdue".to_owned(),
        None => "is due at no time".to_owned(),
    };
    let alarm = match alarm_at {
        None => "has no alarm".to_owned(),
        Some(at) if at <= now => format!("has an alarm that should have rung {} ago", ago(at, now)),
        Some(at) => format!("has an alarm in {}", ago(now, at)),
    };
    let attempt = match (job.is_live, &job.provider_id) {
        (false, _) => "no attempt is live".to_owned(),
        (true, Some(_)) => format!("attempt {} is at the provider", job.attempt),
        (true, None) => format!(
            "attempt {} began and its answer is not known: it is not sent again",
            job.attempt
        ),
    };
    let status = job.status.as_str();
    (
        Deed::Wake,
        format!("it is {status}, {overdue} and {alarm}; {attempt}"),
    )
}

fn ago(earlier: UnixMillis, later: UnixMillis) -> String {
    let seconds = later.since_ms(earlier) / 1_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
