//! Deliveries: what callers were told of their jobs, and telling it again.

use super::{best_effort, read, Call, QueueError};
use crate::app::App;
use crate::id::JobId;
use crate::log;
use crate::store::deliveries::{self, Delivery, Event, MissedAfter};
use crate::time::UnixMillis;

/// Missed events shown at once, and made due at once: each job among them is woken.
const PAGE_MAX: u32 = 100;

/// Everything that the caller of a job wanted to hear, oldest first. `None`: there is no such job.
pub async fn of_job(
    app: &App,
    call: &Call,
    id: JobId,
) -> Result<Option<Vec<Delivery>>, QueueError> {
    if read::job(app, call, id).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(deliveries::of_job(&*app.db, id).await?))
}

/// Makes one event of a job due again, or all that nobody took. Answers how many. `None`: there is
/// no such job, or no such event of it.
pub async fn replay(
    app: &App,
    call: &Call,
    id: JobId,
    event: Option<Event>,
) -> Result<Option<u64>, QueueError> {
    if read::job(app, call, id).await?.is_none() {
        return Ok(None);
    }
    let now = app.now();
    let replayed = match event {
        Some(event) if event.job != id => return Ok(None),
        Some(event) => {
            if !deliveries::replay(&*app.db, &event, now).await? {
                return Ok(None);
            }
            1
        }
        None => deliveries::replay_job(&*app.db, id, now).await?,
    };
    // Without anything to be told, nobody is woken: a watcher's step may be a call to the provider.
    if replayed > 0 {
        tell(app, call, replayed);
        best_effort::wake(app, id).await;
    }
    Ok(Some(replayed))
}

/// A page of missed events, and where the next one begins.
#[derive(Debug)]
pub struct MissedPage {
    pub missed: Vec<Delivery>,
    pub next: Option<MissedAfter>,
}

/// Events of all jobs that nobody took, the longest missed first.
pub async fn missed(app: &App, after: MissedAfter) -> Result<MissedPage, QueueError> {
    let missed = deliveries::missed(&*app.db, after, PAGE_MAX).await?;
    let is_full = u32::try_from(missed.len()).is_ok_and(|count| count >= PAGE_MAX);
    let last = missed.last().filter(|_| is_full);
    let next = last.and_then(|last| {
        Some(MissedAfter {
            missed_at: last.missed_at?,
            event: Some(last.event),
        })
    });
    Ok(MissedPage { missed, next })
}

/// Makes missed events of all jobs due again, those missed since then, a page of them. Answers how
/// many, and whether there may be more.
pub async fn replay_missed(
    app: &App,
    call: &Call,
    since: UnixMillis,
) -> Result<(usize, bool), QueueError> {
    let now = app.now();
    let jobs = deliveries::replay_missed(&*app.db, since, now, PAGE_MAX).await?;
    let replayed = jobs.len();
    tell(app, call, replayed as u64);
    let mut woken = jobs;
    woken.sort_unstable();
    woken.dedup();
    for id in woken {
        best_effort::wake(app, id).await;
    }
    let is_full = u32::try_from(replayed).is_ok_and(|count| count >= PAGE_MAX);
    Ok((replayed, is_full))
}

fn tell(app: &App, call: &Call, replayed: u64) {
    app.log(
        log::info("webhook.replayed")
            .with("request_id", call.request_id.as_str())
            .with("by", call.caller.as_str())
            .with("events", replayed),
    );
}
