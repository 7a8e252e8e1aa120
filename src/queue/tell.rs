//! Tell: what a GPU's worker says of its attempt while it works. Never truth: it changes nothing of
//! the job but that work has begun, and is shown to whoever listens.

use bytes::Bytes;

use super::settle::files;
use super::{best_effort, QueueError};
use crate::app::App;
use crate::job::{Early, JobStatus, Preview, Progress, Told};
use crate::log;
use crate::store::jobs::{self, OutputRow, Record};
use crate::token::CallbackClaim;

/// What the worker is told in return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not a token of ours, or of a job we no longer know.
    Unknown,
    /// Somebody still wants the result.
    GoOn,
    /// The job has ended, was canceled, or is another attempt's by now: nobody waits for this.
    Stop,
    /// Its file is nothing that a job may have; why.
    Unfit(String),
}

/// What a worker tells at one moment.
#[derive(Debug, Default)]
pub struct News {
    pub progress: Option<Progress>,
    pub preview: Option<Preview>,
    /// A file that is done, by the name its node gave it.
    pub file: Option<(Option<String>, Bytes)>,
}

/// What a worker's token speaks for, if it is one of ours. Touches nothing but the token.
pub fn claim(app: &App, token: &str) -> Option<CallbackClaim> {
    app.signer.verify_progress(token)
}

/// Passes it on to the job's watcher. Twice, late or out of order does no harm.
pub async fn tell(
    app: &App,
    claim: CallbackClaim,
    news: News,
    show: fn(&App, &Record, &OutputRow) -> String,
) -> Result<Answer, QueueError> {
    let Some(record) = jobs::find(&*app.db, claim.job).await? else {
        return Ok(Answer::Unknown);
    };
    let job = &record.job;
    let live = job
        .live
        .as_ref()
        .is_some_and(|live| live.n == claim.attempt);
    let has_begun = match job.status {
        JobStatus::Queued if live => {
            jobs::note_started(&*app.db, job.id, claim.attempt, app.now()).await?
        }
        JobStatus::Running if live => false,
        JobStatus::Queued
        | JobStatus::Running
        | JobStatus::Canceling
        | JobStatus::Succeeded
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Expired => return Ok(Answer::Stop),
    };
    // What credits pay for is had when they are spent, and not before.
    let is_paid_for = record.credits.is_some();
    let early = match news.file.filter(|_| !is_paid_for) {
        Some(file) => match files::store_early(app, &record, claim.attempt, file).await? {
            Ok(row) => Some(Early {
                shown: show(app, &record, &row),
                key: row.key,
            }),
            Err(failure) => return Ok(Answer::Unfit(failure.message)),
        },
        None => None,
    };
    let stored = early.as_ref().map(|early| early.key.clone());
    let told = Told {
        attempt: claim.attempt,
        has_begun,
        progress: news.progress,
        preview: news.preview,
        early,
    };
    // The next one comes in a moment.
    if let Err(error) = app.watchers.tell(job.id, &told).await {
        let report = log::warn("tell.failed").job(job.id);
        app.log(report.with("error", error.to_string()));
        best_effort::discard(app, stored.into_iter().collect()).await;
    }
    Ok(Answer::GoOn)
}
