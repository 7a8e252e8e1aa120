//! What correctness never needs: a failure is logged, and the sweep or the operator repairs it.

use futures::future::{join_all, BoxFuture};

use crate::app::App;
use crate::id::JobId;
use crate::log;

/// Does all of them beside one another, so that one that hangs keeps no other waiting, and counts
/// those that came true.
pub async fn all_at_once(attempts: Vec<BoxFuture<'_, bool>>) -> usize {
    let done = join_all(attempts).await;
    done.into_iter().filter(|is_done| *is_done).count()
}

/// Wakes a job's watcher. False if the call was lost: the sweep comes by.
pub async fn wake(app: &App, id: JobId) -> bool {
    let Err(error) = app.watchers.wake(id).await else {
        return true;
    };
    let line = log::warn("wake.failed").job(id);
    app.log(line.with("error", error.to_string()));
    false
}

/// Deletes objects that nothing points to.
pub async fn discard(app: &App, keys: Vec<String>) {
    if keys.is_empty() {
        return;
    }
    if let Err(error) = app.blobs.delete(&keys).await {
        let line = log::warn("discard.failed").with("keys", keys);
        app.log(line.with("error", error.to_string()));
    }
}
