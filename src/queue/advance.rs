//! Advance: one step of one job, taken by its watcher.
//!
//! The next alarm is set before any work, so a step may die anywhere and the job goes on. One step
//! makes at most one call to the provider.

mod submit;

use std::sync::Arc;

use super::settle::{self, News, Settled};
use super::{evidence, QueueError};
use crate::app::App;
use crate::backoff::{look_delay_ms, Jitter};
use crate::id::{JobId, ProviderId};
use crate::job::{
    next_step, Ending, Failure, FailureCode, Job, Progress, Purpose, Report, Step, Times, Told,
    NOT_FOUND_PATIENCE_MS,
};
use crate::log;
use crate::ports::{Watch, WatcherError};
use crate::providers::{CancelAnswer, Looked, Provider};
use crate::store::jobs::{self, AttemptEnd, AttemptOutcome, Heard, Record};
use crate::time::UnixMillis;

/// Until the next try after a failure of our own.
const AGAIN_MS: u64 = 5_000;
/// Until the next try for a job whose provider is not configured: an operator has to act.
const UNCONFIGURED_MS: u64 = 10 * 60_000;

/// What the watcher does when the step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The alarm that is set stands.
    Stay,
    /// Nothing is left to do: the watcher forgets the job.
    Forget,
}

impl From<Settled> for Next {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Over => Self::Forget,
            Settled::Changed | Settled::Nothing => Self::Stay,
        }
    }
}

/// What an alarm does: takes a step, and comes back soon if the step failed on our side. Alarms
/// that fail too often are dropped for good by the platform, so nothing fails through here but the
/// alarm itself.
pub async fn on_alarm(app: &App, watch: &dyn Watch, id: JobId) -> Result<Next, WatcherError> {
    let error = match advance(app, watch, id).await {
        Ok(next) => return Ok(next),
        Err(error) => error,
    };
    let line = log::error("advance.failed").job(id);
    app.log(line.with("error", error.to_string()));
    watch.arm(app.now().plus_ms(AGAIN_MS)).await?;
    Ok(Next::Stay)
}

/// Takes the next step of job `id`. Running it twice takes two steps, each of which is safe.
pub async fn advance(app: &App, watch: &dyn Watch, id: JobId) -> Result<Next, QueueError> {
    let Some(record) = jobs::find(&*app.db, id).await? else {
        return Ok(Next::Forget);
    };
    let step = next_step(&record.job, watch.sending().await?, app.now());
    let Some(provider) = app.providers.named(&record.accepted.provider) else {
        return unconfigured(app, watch, &record, step).await;
    };
    let provider = Arc::clone(provider);
    if let Some(at) = next_alarm(app, &record, &*provider, &step) {
        watch.arm(at).await?;
    }
    let turn = Turn {
        app,
        watch,
        record: &record,
        provider: &*provider,
    };
    let may_wait = matches!(step, Step::Look { .. } | Step::Cancel { .. });
    match turn.take(step).await {
        // The alarm of the next look is set: repeating sooner would hammer what failed.
        Err(error) if may_wait => {
            turn.warn("step.failed", &error.to_string(), record.job.attempts_begun);
            Ok(Next::Stay)
        }
        taken => taken,
    }
}

/// Deadlines hold without a provider; everything else waits for the operator.
async fn unconfigured(
    app: &App,
    watch: &dyn Watch,
    record: &Record,
    step: Step,
) -> Result<Next, QueueError> {
    let live = record.job.live.as_ref();
    match step {
        Step::Vanish => return Ok(Next::Forget),
        Step::End(ending) => {
            let attempt =
                live.map(|live| ended_by(live.n, live.provider_id.clone(), Heard::Deadline));
            settle::end(app, record, attempt, ending).await?;
        }
        Step::Abandon { n } => {
            let attempt = ended_by(n, None, Heard::Deadline);
            settle::close(app, record, attempt).await?;
        }
        Step::Dispatch { .. }
        | Step::Submit { .. }
        | Step::Look { .. }
        | Step::Cancel { .. }
        | Step::Sleep { .. } => {
            let name = record.accepted.provider.as_str();
            let report = log::error("provider.unconfigured").job(record.job.id);
            app.log(report.with("provider", name));
        }
    }
    watch.arm(app.now().plus_ms(UNCONFIGURED_MS)).await?;
    Ok(Next::Stay)
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
            Step::Look { n, id, overdue } => self.look(n, id, overdue).await,
            Step::Cancel { n, id, purpose } => self.cancel(n, id, purpose).await,
            Step::End(ending) => {
                let live = self.job().live.as_ref();
                let attempt =
                    live.map(|live| ended_by(live.n, live.provider_id.clone(), Heard::Deadline));
                Ok(settle::end(self.app, self.record, attempt, ending)
                    .await?
                    .into())
            }
            Step::Abandon { n } => {
                let attempt = ended_by(n, None, Heard::Deadline);
                Ok(settle::close(self.app, self.record, attempt).await?.into())
            }
        }
    }

    async fn look(
        &self,
        n: u32,
        id: ProviderId,
        overdue: Option<Ending>,
    ) -> Result<Next, QueueError> {
        let Some(report) = self.report(n, &id).await else {
            return Ok(Next::Stay);
        };
        let goes_on = matches!(report, Report::Queued | Report::Running { .. });
        let has_begun = matches!(report, Report::Running { .. });
        self.tell(n, &report);
        let news = News {
            n,
            provider_id: Some(id.clone()),
            report,
            heard: Heard::Look,
        };
        let settled = settle::settle(self.app, self.record, news).await?;
        match overdue {
            // It began just in time: only what never began expires.
            Some(Ending::Expired) if has_begun => Ok(Next::Stay),
            Some(ending) if goes_on => self.cancel(n, id, Purpose::End(ending)).await,
            _ => Ok(settled.into()),
        }
    }

    /// Listeners hear how far the work is, where the provider says.
    fn tell(&self, n: u32, report: &Report) {
        if let Report::Running {
            progress_permille: Some(permille),
        } = report
        {
            let share = f64::from((*permille).min(1000)) / 1000.0;
            self.watch.tell(Told {
                attempt: n,
                has_begun: false,
                progress: Some(Progress::of_share(share)),
                preview: None,
            });
        }
    }

    /// `None`: nothing was learned.
    async fn report(&self, n: u32, id: &ProviderId) -> Option<Report> {
        match self.provider.look(&self.record.accepted.endpoint, id).await {
            Looked::Report(report) => Some(report),
            Looked::NotFound if self.is_patient() => None,
            Looked::NotFound => Some(Report::Failed {
                failure: Failure::new(
                    FailureCode::ProviderLost,
                    "the provider no longer knows the job",
                ),
                times: Times::default(),
            }),
            Looked::Unreachable { why, evidence } => {
                evidence::keep(self.app, self.job().id, n, &evidence).await;
                self.warn("look.failed", &why, n);
                None
            }
        }
    }

    async fn cancel(&self, n: u32, id: ProviderId, purpose: Purpose) -> Result<Next, QueueError> {
        match self
            .provider
            .cancel(&self.record.accepted.endpoint, &id)
            .await
        {
            CancelAnswer::NotFound if self.is_patient() => return Ok(Next::Stay),
            CancelAnswer::Confirmed | CancelAnswer::NotFound => {}
            // What it made is paid for: it counts, if the job is still open.
            CancelAnswer::EndedBefore => {
                let Some(report) = self.report(n, &id).await else {
                    return Ok(Next::Stay);
                };
                let news = News {
                    n,
                    provider_id: Some(id),
                    report,
                    heard: Heard::Cancel,
                };
                return Ok(settle::settle(self.app, self.record, news).await?.into());
            }
            CancelAnswer::Unreachable { why, evidence } => {
                evidence::keep(self.app, self.job().id, n, &evidence).await;
                self.warn("cancel.failed", &why, n);
                return Ok(Next::Stay);
            }
        }
        let attempt = AttemptEnd {
            outcome: AttemptOutcome::Canceled,
            ..ended_by(n, Some(id), Heard::Cancel)
        };
        let settled = match purpose {
            Purpose::Close => settle::close(self.app, self.record, attempt).await?,
            Purpose::End(ending) => {
                settle::end(self.app, self.record, Some(attempt), ending).await?
            }
        };
        Ok(settled.into())
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

/// An attempt of which the provider told no times. Lost, unless whoever ends it says how.
fn ended_by(n: u32, provider_id: Option<ProviderId>, heard: Heard) -> AttemptEnd {
    AttemptEnd {
        n,
        provider_id,
        outcome: AttemptOutcome::Lost,
        heard,
        error: None,
        times: Times::default(),
    }
}
