//! Settle: store the files, then say so. Every way of hearing an ending comes through here.
//!
//! Always: bytes to the object store, then the pointer in the row, then forget the alarm. Each
//! settle writes under keys of its own; a compare-and-set tells exactly one that it won, and the
//! others delete what they wrote.

mod decode;
pub(super) mod files;
mod links;

use super::{gate, mail, QueueError, DUE_MARGIN_MS};
use crate::app::App;
use crate::backoff::Jitter;
use crate::gate::Fate;
use crate::id::ProviderId;
use crate::job::{self, Cause, Ending, Failure, JobStatus, Moment, Output, Report, Verdict};
use crate::log;
use crate::store::jobs::{
    self, AttemptEnd, AttemptOutcome, Closing, Finish, Finished, Heard, Record,
};
use crate::time::UnixMillis;
use crate::workflow::compile::{self, ExpectedOutput};

/// What was heard of one attempt.
#[derive(Debug)]
pub struct News {
    pub n: u32,
    pub provider_id: Option<ProviderId>,
    pub report: Report,
    pub heard: Heard,
}

/// What a piece of news changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The job has ended by this news, and nothing of it is live.
    Over,
    /// Something changed; the job or another attempt of it goes on.
    Changed,
    /// The attempt has failed, and another begins then.
    Again(UnixMillis),
    Nothing,
}

/// Judges `news` against the job as `record` shows it, and does what follows.
pub async fn settle(app: &App, record: &Record, news: News) -> Result<Settled, QueueError> {
    let report = complete(record, news.report);
    let verdict = job::judge(&record.job, news.n, &report, moment(app));
    let (outputs, times) = report.into_parts();
    let attempt = AttemptEnd {
        n: news.n,
        provider_id: news.provider_id,
        outcome: AttemptOutcome::Failed,
        heard: news.heard,
        error: None,
        times,
    };
    follow(app, record, attempt, verdict, outputs).await
}

fn moment(app: &App) -> Moment {
    Moment {
        now: app.now(),
        jitter: Jitter(app.random::<1>()[0]),
    }
}

async fn follow(
    app: &App,
    record: &Record,
    attempt: AttemptEnd,
    verdict: Verdict,
    outputs: Vec<Output>,
) -> Result<Settled, QueueError> {
    match verdict {
        Verdict::Ignore(why) => {
            app.log(
                log::info("news.ignored")
                    .job(record.job.id)
                    .with("why", why),
            );
            Ok(Settled::Nothing)
        }
        Verdict::Started => {
            let id = record.job.id;
            let started = jobs::note_started(&*app.db, id, attempt.n, app.now()).await?;
            Ok(if started {
                Settled::Changed
            } else {
                Settled::Nothing
            })
        }
        Verdict::Store => succeed(app, record, attempt, outputs).await,
        Verdict::Again { failure, at } => again(app, record, attempt, failure, at).await,
        Verdict::End(ending) => end(app, record, attempt, ending).await,
        Verdict::Close if outputs.is_empty() => close(app, record, attempt).await,
        Verdict::Close => {
            let outcome = AttemptOutcome::Succeeded;
            close(app, record, AttemptEnd { outcome, ..attempt }).await
        }
    }
}

/// Ends the attempt, and leaves the job waiting for its next one: meanwhile another may have its
/// slot.
async fn again(
    app: &App,
    record: &Record,
    attempt: AttemptEnd,
    failure: Failure,
    at: UnixMillis,
) -> Result<Settled, QueueError> {
    let (id, n) = (record.job.id, attempt.n);
    app.log(
        log::info("attempt.failed")
            .job(id)
            .with("attempt", n)
            .with("error", failure.cause.as_str())
            .with("heard_by", attempt.heard.as_str())
            .maybe(
                "runpod_id",
                attempt.provider_id.as_ref().map(ProviderId::as_str),
            ),
    );
    let next = jobs::Again {
        round: record.job.round,
        at,
        reason: format!("attempt {n} failed ({})", failure.cause.as_str()),
    };
    let attempt = AttemptEnd {
        error: Some(failure),
        ..attempt
    };
    if !jobs::fail_attempt(&*app.db, id, &attempt, &next, app.now()).await? {
        return Ok(Settled::Nothing);
    }
    gate::tell(app, record, Fate::Left).await;
    Ok(Settled::Again(at))
}

/// ComfyUI runs the sound outputs of a half-broken prompt and says nothing of the others: a success
/// that lacks the file of an output node is none. Only a worker that keeps the names of files can
/// tell; of any other, what it made counts.
fn complete(record: &Record, report: Report) -> Report {
    let Report::Done { outputs, times } = report else {
        return report;
    };
    let expected = &record.accepted.outputs;
    let named = outputs.iter().filter_map(|output| output.name.as_deref());
    let made: Vec<&ExpectedOutput> = named
        .filter_map(|name| compile::node_of(name, expected))
        .collect();
    let missing = expected.iter().find(|output| !made.contains(output));
    match missing {
        Some(output) if !made.is_empty() => Report::Failed {
            failure: Failure {
                node_id: output.node_id.clone(),
                ..Failure::of(
                    Cause::OutputIncomplete,
                    "the provider reports success, and an output node delivered nothing",
                )
            },
            times,
        },
        _ => Report::Done { outputs, times },
    }
}

/// Stores `outputs` and ends the job as succeeded; files that are not what they claim are a failure
/// of the attempt.
async fn succeed(
    app: &App,
    record: &Record,
    attempt: AttemptEnd,
    outputs: Vec<Output>,
) -> Result<Settled, QueueError> {
    let nonce = app.nonce();
    let place = (attempt.n, nonce.as_str());
    let stored = match files::store_all(app, record, place, outputs).await? {
        Ok(stored) => stored,
        Err(failure) => {
            let verdict = job::judge_failure(&record.job, attempt.n, failure, moment(app));
            return Box::pin(follow(app, record, attempt, verdict, Vec::new())).await;
        }
    };
    let finish = Finish {
        status: JobStatus::Succeeded,
        round: record.job.round,
        nonce,
        error: None,
        closing: Closing::With(AttemptEnd {
            outcome: AttemptOutcome::Succeeded,
            ..attempt
        }),
        due_at: app.now().plus_ms(DUE_MARGIN_MS),
        is_told: record.accepted.webhook_url.is_some(),
        is_paid: record.credits.is_some(),
        outputs: stored,
    };
    let finished = jobs::finish(&*app.db, record.job.id, &finish, app.now()).await?;
    if !finished.won {
        files::discard(app, &finish.outputs).await;
    }
    Ok(report(app, record, &finish, finished))
}

/// Ends the job without a result, and the attempt with it.
pub async fn end(
    app: &App,
    record: &Record,
    attempt: AttemptEnd,
    ending: Ending,
) -> Result<Settled, QueueError> {
    let outcome = AttemptOutcome::of(&ending);
    let error = failure_of(&ending);
    let attempt = AttemptEnd {
        outcome,
        error,
        ..attempt
    };
    finish(app, record, Closing::With(attempt), ending).await
}

/// Ends the job without a result: it has no live attempt.
pub async fn end_idle(app: &App, record: &Record, ending: Ending) -> Result<Settled, QueueError> {
    finish(app, record, Closing::Idle, ending).await
}

/// Ends the job without a result, although an attempt of it may be running: that one stays live, to
/// be stopped.
pub async fn give_up(app: &App, record: &Record, ending: Ending) -> Result<Settled, QueueError> {
    finish(app, record, Closing::Leaving, ending).await
}

fn failure_of(ending: &Ending) -> Option<Failure> {
    match ending {
        Ending::Failed(failure) => Some(failure.clone()),
        Ending::Canceled | Ending::Expired => None,
    }
}

async fn finish(
    app: &App,
    record: &Record,
    closing: Closing,
    ending: Ending,
) -> Result<Settled, QueueError> {
    let finish = Finish {
        status: ending.status(),
        round: record.job.round,
        nonce: app.nonce(),
        closing,
        error: failure_of(&ending),
        outputs: Vec::new(),
        due_at: app.now().plus_ms(DUE_MARGIN_MS),
        is_told: record.accepted.webhook_url.is_some(),
        is_paid: record.credits.is_some(),
    };
    let finished = jobs::finish(&*app.db, record.job.id, &finish, app.now()).await?;
    Ok(report(app, record, &finish, finished))
}

/// Ends the live attempt of a job that has ended before.
pub async fn close(app: &App, record: &Record, attempt: AttemptEnd) -> Result<Settled, QueueError> {
    jobs::close_attempt(&*app.db, record.job.id, &attempt, app.now()).await?;
    Ok(Settled::Over)
}

fn report(app: &App, record: &Record, finish: &Finish, finished: Finished) -> Settled {
    let attempt = finish.closing.attempt();
    let provider_id = attempt.and_then(|end| end.provider_id.as_ref());
    let event = if finished.won {
        "job.finished"
    } else {
        "settle.lost"
    };
    app.log(
        log::info(event)
            .job(record.job.id)
            .with("status", finish.status.as_str())
            .with("template", record.accepted.template.as_str())
            .with("provider", record.accepted.provider.as_str())
            .with("outputs", finish.outputs.len())
            .with("total_ms", app.now().since_ms(record.job.opened_at))
            .maybe("heard_by", attempt.map(|end| end.heard.as_str()))
            .maybe("runpod_id", provider_id.map(ProviderId::as_str))
            .maybe("delay_ms", attempt.and_then(|end| end.times.delay_ms))
            .maybe(
                "execution_ms",
                attempt.and_then(|end| end.times.execution_ms),
            )
            .maybe(
                "error",
                finish.error.as_ref().map(|failure| failure.cause.as_str()),
            ),
    );
    if finished.won {
        mail::tell(app, record, finish.status, finish.error.as_ref());
    }
    match finished {
        Finished {
            won: true,
            live: false,
        } => Settled::Over,
        Finished {
            won: true,
            live: true,
        } => Settled::Changed,
        Finished { won: false, .. } => Settled::Nothing,
    }
}
