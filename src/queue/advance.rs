//! Advance: one step of one job, taken by its watcher.
//!
//! The next alarm is set before any work, so a step may die anywhere and the job goes on. One step
//! makes at most one call to the provider.

mod submit;

use std::sync::Arc;

use super::settle::{self, Ended, News, Settled};
use super::{evidence, QueueError};
use crate::app::App;
use crate::backoff::{look_delay_ms, Jitter};
use crate::id::{JobId, ProviderId};
use crate::job::{
    next_step, Ending, Failure, FailureCode, Job, Purpose, Report, Step, Times,
    NOT_FOUND_PATIENCE_MS,
};
use crate::log;
use crate::ports::{Watch, WatcherError};
use crate::providers::{CancelAnswer, Looked, Provider};
use crate::store::jobs::{self, Heard, Record};
use crate::time::UnixMillis;

/// Until the next try after a failure of our own.
const AGAIN_MS: u64 = 5_000;

/// What the watcher does when the step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The alarm that is set stands.
    Stay,
    /// Nothing is left to do: the watcher forgets the job.
    Forget,
}

/// What an alarm does: takes a step, and comes back soon if the step failed on our side. Alarms
/// that fail too often are dropped for good by the platform, so nothing fails through here.
pub async fn on_alarm(app: &App, watch: &dyn Watch, id: JobId) -> Next {
    let error = match advance(app, watch, id).await {
        Ok(next) => return next,
        Err(error) => error,
    };
    app.log(
        log::error("advance.failed")
            .job(id)
            .with("error", error.to_string()),
    );
    let again_at = app.now().plus_ms(AGAIN_MS);
    if let Err(error) = watch.arm(again_at).await {
        app.log(
            log::error("alarm.lost")
                .job(id)
                .with("error", error.to_string()),
        );
    }
    Next::Stay
}

/// Takes the next step of job `id`. Running it twice takes two steps, each of which is safe.
pub async fn advance(app: &App, watch: &dyn Watch, id: JobId) -> Result<Next, QueueError> {
    let Some(record) = jobs::find(&*app.db, id).await? else {
        return Ok(Next::Forget);
    };
    let provider = Arc::clone(provider(app, &record)?);
    let step = next_step(&record.job, watch.sending().await?, app.now());
    if let Some(at) = next_alarm(app, &record, &*provider, &step) {
        watch.arm(at).await?;
    }
    let turn = Turn {
        app,
        watch,
        record: &record,
        provider: &*provider,
    };
    turn.take(step).await
}

fn provider<'a>(app: &'a App, record: &Record) -> Result<&'a Arc<dyn Provider>, QueueError> {
    let name = &record.accepted.provider;
    let known = app.providers.named(name);
    known.ok_or_else(|| QueueError::Broken(format!("provider {name} is not configured")))
}

/// When to come back, supposing that the step goes well.
fn next_alarm(
    app: &App,
    record: &Record,
    provider: &dyn Provider,
    step: &Step,
) -> Option<UnixMillis> {
    let now = app.now();
    let delay_ms = match step {
        Step::Vanish => return None,
        Step::Sleep { until } => return Some(*until),
        Step::Dispatch { .. } | Step::Submit { .. } => {
            provider.first_look_ms(record.accepted.usual_ms)
        }
        Step::Look { .. } | Step::Cancel { .. } => {
            let begun_at = record.attempt_begun_at.unwrap_or(now);
            look_delay_ms(now.since_ms(begun_at), Jitter(app.random::<1>()[0]))
        }
        Step::End(_) | Step::Abandon { .. } => AGAIN_MS,
    };
    Some(now.plus_ms(delay_ms))
}

/// One step with what it needs.
struct Turn<'a> {
    app: &'a App,
    watch: &'a dyn Watch,
    record: &'a Record,
    provider: &'a dyn Provider,
}

impl Turn<'_> {
    fn job(&self) -> &Job {
        &self.record.job
    }

    async fn take(&self, step: Step) -> Result<Next, QueueError> {
        match step {
            Step::Vanish => Ok(Next::Forget),
            Step::Sleep { .. } => Ok(Next::Stay),
            Step::Dispatch { n } => self.dispatch(n).await,
            Step::Submit { n } => self.submit_again(n).await,
            Step::Look { n, id } => self.look(n, id).await,
            Step::Cancel { n, id, purpose } => self.cancel(n, id, purpose).await,
            Step::End(ending) => self.end(ending).await,
            Step::Abandon { n } => {
                let ended = ended_by(n, None, Heard::Deadline);
                settle::close(self.app, self.job().id, ended, "lost").await?;
                Ok(Next::Forget)
            }
        }
    }

    async fn look(&self, n: u32, id: ProviderId) -> Result<Next, QueueError> {
        let report = match self.provider.look(&id).await {
            Looked::Report(report) => report,
            Looked::NotFound if self.is_patient() => return Ok(Next::Stay),
            Looked::NotFound => Report::Failed {
                failure: Failure::new(
                    FailureCode::ProviderLost,
                    "the provider no longer knows the job",
                ),
                times: Times::default(),
            },
            Looked::Unreachable { why, evidence, .. } => {
                evidence::keep(self.app, self.job().id, n, &evidence).await;
                self.warn("look.failed", &why, n);
                return Ok(Next::Stay);
            }
        };
        let news = News {
            n,
            provider_id: Some(id),
            report,
            heard: Heard::Look,
        };
        match settle::settle(self.app, self.record, news).await? {
            Settled::Over => Ok(Next::Forget),
            Settled::Changed | Settled::Nothing => Ok(Next::Stay),
        }
    }

    async fn cancel(&self, n: u32, id: ProviderId, purpose: Purpose) -> Result<Next, QueueError> {
        match self.provider.cancel(&id).await {
            CancelAnswer::NotFound if self.is_patient() => return Ok(Next::Stay),
            CancelAnswer::Confirmed | CancelAnswer::NotFound => {}
            CancelAnswer::Unreachable { why, evidence } => {
                evidence::keep(self.app, self.job().id, n, &evidence).await;
                self.warn("cancel.failed", &why, n);
                return Ok(Next::Stay);
            }
        }
        let ended = ended_by(n, Some(id), Heard::Cancel);
        match purpose {
            Purpose::Close => {
                settle::close(self.app, self.job().id, ended, "canceled").await?;
                Ok(Next::Forget)
            }
            Purpose::End(ending) => {
                let won = settle::end(self.app, self.record, Some(ended), ending).await?;
                Ok(if won { Next::Forget } else { Next::Stay })
            }
        }
    }

    async fn end(&self, ending: Ending) -> Result<Next, QueueError> {
        let live = self.job().live.as_ref();
        let ended =
            live.map(|attempt| ended_by(attempt.n, attempt.provider_id.clone(), Heard::Deadline));
        let won = settle::end(self.app, self.record, ended, ending).await?;
        Ok(if won { Next::Forget } else { Next::Stay })
    }

    /// Right after a submit the provider may not know the job yet.
    fn is_patient(&self) -> bool {
        let begun_at = self.record.attempt_begun_at;
        begun_at.is_some_and(|at| self.app.now().since_ms(at) < NOT_FOUND_PATIENCE_MS)
    }

    fn warn(&self, event: &'static str, why: &str, n: u32) {
        self.app.log(
            log::warn(event)
                .job(self.job().id)
                .with("attempt", n)
                .with("why", why),
        );
    }
}

/// The provider told no times.
fn ended_by(n: u32, provider_id: Option<ProviderId>, heard: Heard) -> Ended {
    Ended {
        n,
        provider_id,
        heard,
        times: Times::default(),
    }
}

impl From<WatcherError> for QueueError {
    fn from(error: WatcherError) -> Self {
        Self::Broken(error.to_string())
    }
}
