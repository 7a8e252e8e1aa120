//! What correctness never needs: a failure is logged, and the sweep or the operator repairs it.

use std::future::poll_fn;
use std::task::Poll;

use futures::future::BoxFuture;

use crate::app::App;
use crate::id::JobId;
use crate::log;

/// Does all of them beside one another, so that one that hangs keeps no other waiting, and counts
/// those that came true. They are a few hundred at the most: each is asked when any has gone on,
/// and the queue that the library's `join_all` keeps of them would be kilobytes of the upload.
pub async fn all_at_once(mut attempts: Vec<BoxFuture<'_, bool>>) -> usize {
    let mut done = 0;
    poll_fn(|context| {
        attempts.retain_mut(|attempt| match attempt.as_mut().poll(context) {
            Poll::Ready(is_done) => {
                done += usize::from(is_done);
                false
            }
            Poll::Pending => true,
        });
        if attempts.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done
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
