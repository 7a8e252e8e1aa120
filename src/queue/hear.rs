//! Hear: a provider's callback. News, never truth: the token says which attempt it speaks of, the
//! row says what it may still change.

use bytes::Bytes;

use super::settle::{self, News, Settled};
use super::{best_effort, QueueError};
use crate::app::App;
use crate::id::ProviderId;
use crate::job::{OutputData, Report};
use crate::log;
use crate::providers::Provider;
use crate::store::jobs::{self, Heard, Record};
use crate::token::CallbackClaim;

/// A larger body is not read into memory to be settled in the request; the watcher fetches the
/// result instead.
pub const INLINE_BYTES_MAX: usize = 4 << 20;

/// What was read of a callback.
pub enum Told {
    Whole(Bytes),
    /// The rest is missing, too large or cut off.
    Beginning(Bytes),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not a token of ours, or of a job we no longer know.
    Unknown,
    /// Taken; whether it changed anything is nobody's business outside.
    Taken,
}

/// What a callback's token speaks for, if it is one of ours. Touches nothing but the token.
pub fn claim(app: &App, token: &str) -> Option<CallbackClaim> {
    app.signer.verify_callback(token)
}

/// Takes a callback. One that comes twice, late, or out of order changes nothing that has been
/// settled.
pub async fn hear(
    app: &App,
    provider: &str,
    claim: CallbackClaim,
    told: Told,
) -> Result<Answer, QueueError> {
    let Some(provider) = app.providers.named(provider) else {
        return Ok(Answer::Unknown);
    };
    let Some(record) = jobs::find(&*app.db, claim.job).await? else {
        return Ok(Answer::Unknown);
    };
    if record.accepted.provider != provider.name() || claim.attempt > record.job.attempts_begun {
        return Ok(Answer::Unknown);
    }
    let (id, report) = read(&**provider, &told);
    app.log(
        log::info("callback.heard")
            .job(claim.job)
            .with("attempt", claim.attempt)
            .with("readable", report.is_some())
            .maybe("runpod_id", id.as_ref().map(ProviderId::as_str)),
    );
    let settled = match id {
        Some(id) => take(app, &record, claim, (id, report)).await?,
        None => None,
    };
    tell_watcher(app, &record, settled).await;
    Ok(Answer::Taken)
}

/// Whose end it is, and which, as far as it was told: the watcher can ask for an end, but nobody
/// can ask for an id.
fn read(provider: &dyn Provider, told: &Told) -> (Option<ProviderId>, Option<Report>) {
    let (bytes, callback) = match told {
        Told::Whole(bytes) => (bytes, provider.read_callback(bytes)),
        Told::Beginning(bytes) => (bytes, None),
    };
    match callback {
        Some(callback) => (Some(callback.provider_id), Some(callback.report)),
        None => (provider.read_callback_id(bytes), None),
    }
}

/// `None`: the watcher must look for itself.
async fn take(
    app: &App,
    record: &Record,
    claim: CallbackClaim,
    (id, report): (ProviderId, Option<Report>),
) -> Result<Option<Settled>, QueueError> {
    let live = record.job.live.as_ref().filter(|a| a.n == claim.attempt);
    let bound = live.and_then(|attempt| attempt.provider_id.as_ref());
    if bound.is_some_and(|bound| *bound != id) {
        let warning = log::warn("callback.other_id").job(claim.job);
        app.log(warning.with("runpod_id", id.as_str()));
        return Ok(None);
    }
    let Some(report) = report.filter(is_inline) else {
        if live.is_some() && bound.is_none() {
            jobs::note_provider_id(&*app.db, claim.job, claim.attempt, &id).await?;
        }
        return Ok(None);
    };
    let news = News {
        n: claim.attempt,
        provider_id: Some(id),
        report,
        heard: Heard::Webhook,
    };
    settle::settle(app, record, news).await.map(Some)
}

/// Whether everything is in the callback. Files behind links take longer than a callback may.
fn is_inline(report: &Report) -> bool {
    match report {
        Report::Done { outputs, .. } => outputs
            .iter()
            .all(|output| !matches!(output.data, OutputData::Url(_))),
        Report::Queued
        | Report::Running { .. }
        | Report::Failed { .. }
        | Report::Canceled { .. } => true,
    }
}

/// Correctness never needs it: the watcher's own alarm comes anyway.
async fn tell_watcher(app: &App, record: &Record, settled: Option<Settled>) {
    let nothing_new = settled == Some(Settled::Nothing) && record.job.status.is_terminal();
    if !nothing_new {
        best_effort::wake(app, record.job.id).await;
    }
}
