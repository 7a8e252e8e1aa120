//! Recover: an operator asks for one job to be looked after now.

use super::QueueError;
use crate::app::App;
use crate::id::JobId;
use crate::store::jobs;

/// False: there is no such job.
pub async fn recover(app: &App, id: JobId) -> Result<bool, QueueError> {
    if jobs::find(&*app.db, id).await?.is_none() {
        return Ok(false);
    }
    app.watchers.wake(id).await?;
    Ok(true)
}
