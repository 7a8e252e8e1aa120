//! Cancel: at any moment of a job's life, as often as one likes.
//!
//! Without a live attempt the job ends at once. Otherwise it is `canceling` until the provider
//! confirms; a result that arrives first wins. Asked again, its watcher is not hurried: each step
//! of it is a call to the provider.

use super::{best_effort, read, Call, QueueError, DUE_MARGIN_MS};
use crate::app::App;
use crate::id::JobId;
use crate::job::JobStatus;
use crate::log;
use crate::store::jobs::{self, Full};

/// Answers what stands afterwards; `None`: no such job of the caller's.
pub async fn cancel(app: &App, call: &Call, id: JobId) -> Result<Option<Full>, QueueError> {
    let Some(before) = read::job(app, call, id).await? else {
        return Ok(None);
    };
    match before.record.job.status {
        JobStatus::Queued | JobStatus::Running => {}
        JobStatus::Canceling
        | JobStatus::Succeeded
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Expired => return Ok(Some(before)),
    }
    let now = app.now();
    let round = (id, before.record.job.round);
    let after = jobs::cancel(&*app.db, round, now, now.plus_ms(DUE_MARGIN_MS)).await?;
    app.log(
        log::info("job.cancel_asked")
            .job(id)
            .with("request_id", call.request_id.as_str())
            .maybe(
                "status",
                after.as_ref().map(|full| full.record.job.status.as_str()),
            ),
    );
    best_effort::wake(app, id).await;
    Ok(after)
}
