//! Retry: the caller opens another round of a job that ended without a result.

use super::allow::Denied;
use super::{best_effort, read, Call, QueueError, DUE_MARGIN_MS};
use crate::app::App;
use crate::id::JobId;
use crate::job::{Job, JobStatus};
use crate::log;
use crate::store::jobs::{self, Full, Round};

#[derive(Debug)]
pub enum Retried {
    /// What stands now: a new round, or the one that is already under way.
    Job(Box<Full>),
    /// It succeeded: there is nothing to try again.
    Succeeded,
    /// An attempt of the last round may still be running at the provider.
    StillStopping,
    /// The caller has had its share.
    Denied(Denied),
    NoJob,
}

/// Twice opens one round: the second call finds the job under way.
pub async fn retry(app: &App, call: &Call, id: JobId) -> Result<Retried, QueueError> {
    let Some(before) = read::job(app, call, id).await? else {
        return Ok(Retried::NoJob);
    };
    let job = &before.record.job;
    match job.status {
        JobStatus::Succeeded => return Ok(Retried::Succeeded),
        JobStatus::Queued | JobStatus::Running | JobStatus::Canceling => {
            return Ok(Retried::Job(Box::new(before)));
        }
        JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired if job.live.is_some() => {
            return Ok(Retried::StillStopping);
        }
        JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {}
    }
    let accepted = &before.record.accepted;
    if let Err(denied) = call.may_do(app, &accepted.template) {
        return Ok(Retried::Denied(denied));
    }
    let now = app.now();
    let next = Round {
        after: job.round,
        opened_at: now,
        due_at: now.plus_ms(accepted.usual_ms + DUE_MARGIN_MS),
        payer: call.payer(app, now, &accepted.template),
    };
    let opened = jobs::retry(&*app.db, id, &next).await?;
    Call::learn(app, &opened.told);
    let Some(after) = opened.job else {
        return Ok(Retried::NoJob);
    };
    // It could be opened, and was not: only its payer can be why.
    if after.record.job.round == job.round && can_be_opened(&after.record.job) {
        let denied = call.denied(app, &next.payer, &opened.told);
        return Ok(Retried::Denied(denied));
    }
    app.log(
        log::info("job.retried")
            .job(id)
            .with("request_id", call.request_id.as_str())
            .with("round", job.round + 1),
    );
    best_effort::wake(app, id).await;
    Ok(Retried::Job(Box::new(after)))
}

fn can_be_opened(job: &Job) -> bool {
    match job.status {
        JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => job.live.is_none(),
        JobStatus::Succeeded | JobStatus::Queued | JobStatus::Running | JobStatus::Canceling => {
            false
        }
    }
}
