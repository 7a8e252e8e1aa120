//! Metrics: what happened, counted hour by hour from the jobs themselves, so that a job costs no
//! row for it and nothing is counted twice.

use super::QueueError;
use crate::app::App;
use crate::id::JobId;
use crate::store::hours::{self, Hour, HourRow, Span};
use crate::time::UnixMillis;

pub const HOUR_MS: i64 = 3_600_000;
/// Hours that are kept apart; older ones are one.
pub const KEPT_HOURS: i64 = 35 * 24;
/// Where counting begins on jobs that are there already.
const FIRST_HOURS: i64 = 7 * 24;
/// Hours counted in one run, besides those with jobs that had not ended: a run of cron has 30 s.
const HOURS_MAX: i64 = 24;
const OPEN_MAX: u32 = 24;
/// More hours than these are told by the day, as a chart shows them: 100,000 jobs of 35 days were
/// 40,000 rows by the hour.
const BY_HOUR_MAX: i64 = 48;
/// Rows of an answer: 35 days of some hundred kinds of jobs a day.
const ROWS_MAX: u32 = 20_000;

/// Counts the hours that have changed. Cron does it, so figures are five minutes old at most.
pub async fn count(app: &App) -> Result<usize, QueueError> {
    let now = app.now().get() / HOUR_MS;
    let stale = hours::stale(&*app.db, OPEN_MAX).await?;
    let from = stale.newest.unwrap_or(now - FIRST_HOURS);
    // The newest hour is counted again: it was not over.
    let to = now.min(from + HOURS_MAX);
    // While older hours are caught up with, the current one is shown all the same.
    let open = stale.open.iter().copied().filter(|hour| *hour != now);
    let beside = open.chain([now]).filter(|hour| !(from..=to).contains(hour));
    let mut counted = 0;
    for hour in (from..=to).chain(beside) {
        hours::count(&*app.db, of(hour)).await?;
        counted += 1;
    }
    hours::note_counted(&*app.db, to, now - KEPT_HOURS).await?;
    Ok(counted)
}

fn of(hour: i64) -> Hour {
    let id = |hour: i64| JobId::mint(UnixMillis::new(hour * HOUR_MS), [0; 10]);
    Hour {
        hour,
        from: id(hour),
        to: id(hour + 1),
    }
}

/// The last `count` hours, the newest first.
pub async fn last(app: &App, count: i64) -> Result<Vec<HourRow>, QueueError> {
    let now = app.now().get() / HOUR_MS;
    let span = if count > BY_HOUR_MAX {
        Span::Day
    } else {
        Span::Hour
    };
    Ok(hours::since(&*app.db, now - count + 1, span, ROWS_MAX).await?)
}

/// Since the first job.
pub async fn totals(app: &App) -> Result<Vec<HourRow>, QueueError> {
    Ok(hours::totals(&*app.db).await?)
}
