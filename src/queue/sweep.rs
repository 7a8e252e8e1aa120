//! Sweep: find the forgotten, and wake them.

use futures::FutureExt;

use super::best_effort::{self, all_at_once};
use super::QueueError;
use crate::app::App;
use crate::log;
use crate::store::{deliveries, jobs};
use crate::time::UnixMillis;

/// Jobs woken in one run; a run every minute clears a backlog of ten thousand within the hour.
const SWEEP_MAX: u32 = 200;
/// A job that was woken is found again after this, if it still has not ended.
const SWEEP_AGAIN_MS: u64 = 10 * 60_000;

/// A webhook is sent to the second; one that is this late has been forgotten by its watcher.
const LATE_MS: i64 = 5 * 60_000;

/// Wakes the watchers of jobs that should have ended, or of which something should have been told.
/// Answers how many.
pub async fn sweep(app: &App) -> Result<usize, QueueError> {
    let now = app.now();
    let mut found = jobs::sweep(&*app.db, now, now.plus_ms(SWEEP_AGAIN_MS), SWEEP_MAX).await?;
    let late = UnixMillis::new(now.get() - LATE_MS);
    found.extend(deliveries::sweep(&*app.db, late, now, SWEEP_MAX).await?);
    found.sort_unstable();
    found.dedup();
    // All at once: one that hangs keeps nobody else waiting.
    let wakes = found.iter().map(|id| best_effort::wake(app, *id).boxed());
    let woken = all_at_once(wakes.collect()).await;
    app.log(
        log::info("sweep.done")
            .with("found", found.len())
            .with("woken", woken),
    );
    Ok(woken)
}
