//! Advance: one step of one job, taken by its watcher.
//!
//! The next alarm is set before any work, so a step may die anywhere and the job goes on. One step
//! makes at most one call to the provider.

mod submit;
mod unconfigured;

use std::sync::Arc;

use super::deliver::deliver;
use super::settle::{self, News, Settled};
use super::{best_effort, evidence, gate, QueueError};
use crate::app::App;
use crate::backoff::{first_look_delay_ms, look_delay_ms, Jitter};
use crate::gate::{Fate, ASK_AGAIN_MS};
use crate::id::{JobId, ProviderId};
use crate::job::{
    next_step, overdue, Cause, Ending, Failure, Job, Progress, Purpose, Report, Step, Times, Told,
    NOT_FOUND_PATIENCE_MS,
};
use crate::log::{self, Line};
use crate::ports::{Watch, WatcherError};
use crate::providers::{CancelAnswer, Evidence, Looked, Provider};
use crate::store::endpoints;
use crate::store::jobs::{self, AttemptEnd, AttemptOutcome, Heard, Record};
use crate::time::UnixMillis;

/// Until the next try after a failure of our own.
const AGAIN_MS: u64 = 5_000;

/// A cold start with large models takes minutes; a job that waits longer asks whether anybody is
/// there at all.
const DESERTED_MS: u64 = 5 * 60_000;

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
            Settled::Changed | Settled::Again(_) | Settled::Nothing => Self::Stay,
        }
    }
}

/// What an alarm does: takes a step, and comes back soon if the step failed on our side. Alarms
/// that fail too often are dropped for good by the platform, so nothing fails through here but the
/// alarm itself.
pub async fn on_alarm(app: &Arc<App>, watch: &dyn Watch, id: JobId) -> Result<Next, WatcherError> {
    let error = match advance(app, watch, id).await {
        Ok(next) => return Ok(next),
        Err(error) => error,
    };
    let line = log::error("advance.failed").job(id);
    app.log(line.with("error", error.to_string()));
    watch.arm(app.now().plus_ms(AGAIN_MS)).await?;
    Ok(Next::Stay)
}

/// Takes the next step of job `id`, and then tells of it whom the job's caller named. Running it
/// twice takes two steps, each of which is safe.
pub async fn advance(app: &Arc<App>, watch: &dyn Watch, id: JobId) -> Result<Next, QueueError> {
    let Some(record) = jobs::find(&*app.db, id).await? else {
        return Ok(Next::Forget);
    };
    let record = named(app, watch, record).await?;
    let taken = step(app, watch, &record).await;
    // Also if no attempt ever began: a job that ended while it waited must not keep its place.
    if matches!(taken, Ok(Next::Forget)) {
        gate::tell(app, &record, Fate::Left).await;
        best_effort::discard(app, watch.take_early()).await;
    }
    // Also if the step failed: what happened before it is to be told.
    let is_left = deliver(app, watch, &record).await;
    let next = taken?;
    Ok(if is_left? { Next::Stay } else { next })
}

/// The job with the provider's name for its attempt, also if the database did not take it when the
/// provider told it.
async fn named(app: &App, watch: &dyn Watch, record: Record) -> Result<Record, QueueError> {
    let live = record.job.live.as_ref();
    let Some(live) = live.filter(|live| live.provider_id.is_none()) else {
        return Ok(record);
    };
    let kept = watch.sent().await?.filter(|(n, _)| *n == live.n);
    let Some((n, id)) = kept else {
        return Ok(record);
    };
    let noted = jobs::note_provider_id(&*app.db, record.job.id, n, &id).await?;
    Ok(noted.unwrap_or(record))
}

async fn step(app: &App, watch: &dyn Watch, record: &Record) -> Result<Next, QueueError> {
    let step = next_step(&record.job, watch.sending().await?, app.now());
    let Some(provider) = app.providers.named(&record.accepted.provider) else {
        return unconfigured::step(app, watch, record, step).await;
    };
    let provider = Arc::clone(provider);
    if let Some(at) = next_alarm(app, record, &*provider, &step) {
        watch.arm(at).await?;
    }
    let turn = Turn {
        app,
        watch,
        record,
        provider: &*provider,
    };
    let may_wait = matches!(step, Step::Look { .. } | Step::Cancel { .. });
    match turn.take(step).await {
        // The alarm of the next look is set: repeating sooner would hammer what failed.
        Err(error) if may_wait => {
            let line = turn.line("step.failed", record.job.attempts_begun);
            app.log(line.with("why", error.to_string()));
            Ok(Next::Stay)
        }
        taken => taken,
    }
}

/// Where no callback can arrive, the looks are all there is.
fn first_look_ms(app: &App, record: &Record, provider: &dyn Provider) -> u64 {
    let hears = app.config.hears_callbacks;
    provider.first_look_ms(if hears { record.accepted.usual_ms } else { 0 })
}

/// When to come back, supposing that the step goes well: in time for the next deadline.
fn next_alarm(
    app: &App,
    record: &Record,
    provider: &dyn Provider,
    step: &Step,
) -> Option<UnixMillis> {
    let now = app.now();
    let jitter = Jitter(app.random::<1>()[0]);
    let delay_ms = match step {
        Step::Vanish => return None,
        Step::Sleep { until } => return Some(*until),
        // Its gate wakes it: should it wait again, it asks seldom. `dispatch` arms the first look.
        Step::Dispatch { .. } if gate::waits(record) => ASK_AGAIN_MS,
        Step::Dispatch { .. } => first_look_delay_ms(first_look_ms(app, record, provider), jitter),
        Step::Look { .. } | Step::Cancel { .. } => {
            let begun_at = record.attempt_begun_at.unwrap_or(now);
            look_delay_ms(now.since_ms(begun_at), jitter)
        }
        Step::Withdraw { .. } | Step::End(_) | Step::GiveUp(_) | Step::Abandon { .. } => AGAIN_MS,
    };
    let at = now.plus_ms(delay_ms);
    let deadline = record.job.next_deadline(now);
    Some(deadline.map_or(at, |deadline| deadline.min(at)))
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
            Step::Withdraw { n } => self.withdraw(n).await,
            Step::Look { n, id, overdue } => self.look(n, id, overdue).await,
            Step::Cancel { n, id, purpose } => self.cancel(n, id, purpose).await,
            Step::End(ending) => Ok(end(self.app, self.record, ending).await?.into()),
            Step::GiveUp(ending) => {
                let settled = settle::give_up(self.app, self.record, ending).await?;
                Ok(settled.into())
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
        let Some(report) = self.report(n, &id).await? else {
            return Ok(Next::Stay);
        };
        if report == Report::Queued {
            self.say_if_deserted().await?;
        }
        let goes_on = matches!(report, Report::Queued | Report::Running { .. });
        let overdue = match report {
            Report::Running { .. } => overdue.and_then(|_| self.overdue_although_begun()),
            _ => overdue,
        };
        self.tell(n, &report);
        let news = News {
            n,
            provider_id: Some(id.clone()),
            report,
            heard: Heard::Look,
        };
        let settled = settle::settle(self.app, self.record, news).await?;
        match overdue {
            Some(ending) if goes_on => self.cancel(n, id, Purpose::End(ending)).await,
            _ => self.after(settled).await,
        }
    }

    /// It began just in time: only what never began is too late for its start.
    fn overdue_although_begun(&self) -> Option<Ending> {
        let now = self.app.now();
        let started_at = self.job().started_at.or(Some(now));
        let begun = Job {
            started_at,
            ..self.job().clone()
        };
        overdue(&begun, now)
    }

    /// The alarm that is set may ring long after the next attempt may begin.
    async fn after(&self, settled: Settled) -> Result<Next, QueueError> {
        if let Settled::Again(at) = settled {
            self.watch.arm(at).await?;
        }
        Ok(settled.into())
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
                progress: Some(Progress::of_share(share)),
                ..Told::default()
            });
        }
    }

    /// `None`: nothing was learned.
    async fn report(&self, n: u32, id: &ProviderId) -> Result<Option<Report>, QueueError> {
        match self.provider.look(&self.record.accepted.endpoint, id).await {
            Looked::Report(report) => Ok(Some(report)),
            Looked::NotFound if self.is_patient() => Ok(None),
            Looked::NotFound => {
                let message = "the provider no longer knows the job";
                Ok(Some(Report::Failed {
                    failure: Failure::of(Cause::Forgotten, message),
                    times: Times::default(),
                }))
            }
            Looked::Unreachable {
                retry_after_ms,
                evidence,
            } => {
                self.keep("look.failed", n, &evidence).await;
                if let Some(ms) = retry_after_ms {
                    let until = self.app.now().plus_ms(ms);
                    jobs::look_later(&*self.app.db, self.job().id, n, until).await?;
                }
                Ok(None)
            }
        }
    }

    async fn cancel(&self, n: u32, id: ProviderId, purpose: Purpose) -> Result<Next, QueueError> {
        match self
            .provider
            .cancel(&self.record.accepted.endpoint, &id)
            .await
        {
            CancelAnswer::NotFound if self.is_patient() => Ok(Next::Stay),
            CancelAnswer::NotFound => self.stopped(n, id, Times::default(), purpose).await,
            CancelAnswer::Confirmed(times) => {
                let purpose = match purpose {
                    Purpose::End(ending) => Purpose::End(ending.after_run(times)),
                    Purpose::Close => Purpose::Close,
                };
                self.stopped(n, id, times, purpose).await
            }
            // What it made is paid for: it counts, if the job is still open.
            CancelAnswer::EndedBefore => {
                let Some(report) = self.report(n, &id).await? else {
                    return Ok(Next::Stay);
                };
                let news = News {
                    n,
                    provider_id: Some(id),
                    report,
                    heard: Heard::Cancel,
                };
                let settled = settle::settle(self.app, self.record, news).await?;
                self.after(settled).await
            }
            CancelAnswer::Unreachable { evidence } => {
                self.keep("cancel.failed", n, &evidence).await;
                Ok(Next::Stay)
            }
        }
    }

    /// Nothing runs any more.
    async fn stopped(
        &self,
        n: u32,
        id: ProviderId,
        times: Times,
        purpose: Purpose,
    ) -> Result<Next, QueueError> {
        let attempt = AttemptEnd {
            outcome: AttemptOutcome::Canceled,
            times,
            ..ended_by(n, Some(id), Heard::Cancel)
        };
        let settled = match purpose {
            Purpose::Close => settle::close(self.app, self.record, attempt).await?,
            Purpose::End(ending) => settle::end(self.app, self.record, attempt, ending).await?,
        };
        Ok(settled.into())
    }

    /// A job that waits at its endpoint for long says so if nobody is there.
    async fn say_if_deserted(&self) -> Result<(), QueueError> {
        let begun_at = self.record.attempt_begun_at;
        if begun_at.is_none_or(|at| self.app.now().since_ms(at) < DESERTED_MS) {
            return Ok(());
        }
        let endpoint = &self.record.accepted.endpoint;
        let row = endpoints::find(&*self.app.db, endpoint).await?;
        let Some(since) = row.and_then(|row| row.no_worker_since) else {
            return Ok(());
        };
        let since = since.iso8601();
        let reason = format!("the endpoint has shown no worker since {since}");
        Ok(jobs::hold(&*self.app.db, self.job().id, &reason).await?)
    }

    /// Right after a submit the provider may not know the job yet.
    fn is_patient(&self) -> bool {
        let begun_at = self.record.attempt_begun_at;
        begun_at.is_some_and(|at| self.app.now().since_ms(at) < NOT_FOUND_PATIENCE_MS)
    }

    /// Of a call that failed. The log has our words alone: the provider's may be the caller's.
    async fn keep(&self, event: &'static str, n: u32, evidence: &Evidence) {
        evidence::keep(self.app, self.job().id, n, evidence).await;
        let line = self
            .line(event, n)
            .maybe("status", evidence.response_status);
        self.app.log(line.with("why", evidence.error.as_str()));
    }

    fn line(&self, event: &'static str, n: u32) -> Line {
        log::warn(event).job(self.job().id).with("attempt", n)
    }
}

/// Ends the job, and the attempt that provably never ran or was never heard of, if there is one.
async fn end(app: &App, record: &Record, ending: Ending) -> Result<Settled, QueueError> {
    match &record.job.live {
        Some(live) => {
            let attempt = ended_by(live.n, live.provider_id.clone(), Heard::Deadline);
            settle::end(app, record, attempt, ending).await
        }
        None => settle::end_idle(app, record, ending).await,
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
