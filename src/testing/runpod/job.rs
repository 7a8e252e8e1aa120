//! One job of the fake: what happened to it is a pure function of its plan and the time.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::Value;

use super::plan::{JobPlan, Outcome};
use super::work::{self, Ending};
use crate::time::UnixMillis;

/// A result is kept thirty minutes (docs.runpod.io, operation reference).
pub const EXPIRE_AFTER_MS: u64 = 30 * 60 * 1000;

/// What RunPod does with an empty input: two dispatches, twenty seconds each, then a failure.
const EMPTY_INPUT_RUN_MS: u64 = 20_000;

/// One dispatch to a worker. Each is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    pub started_at: UnixMillis,
    pub ended_at: UnixMillis,
}

pub(super) struct FakeJob {
    pub(super) id: String,
    pub(super) input: Box<RawValue>,
    pub(super) webhook: Option<String>,
    pub(super) execution_timeout_ms: u64,
    pub(super) ttl_ms: u64,
    pub(super) plan: JobPlan,
    pub(super) files_url: String,
    pub(super) submitted_at: UnixMillis,
    pub(super) canceled_at: Option<UnixMillis>,
    pub(super) purged_at: Option<UnixMillis>,
    /// Runs before a retry by hand.
    pub(super) past_runs: Vec<Run>,
    /// Its webhooks have been made.
    pub(super) announced: bool,
    /// How it ends if nobody interferes: made once, because it is asked for again and again.
    pub(super) own_ending: OnceCell<Ending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    /// With the number of the run, from 0.
    Running(usize),
    Ended,
    Gone,
}

/// When a job does what.
pub(super) struct Timeline {
    pub(super) runs: Vec<Run>,
    /// `None`: it never reports an end.
    pub(super) ended_at: Option<UnixMillis>,
    gone_at: UnixMillis,
}

/// The wire's job object. The fields are in the order of their names on the wire, because RunPod
/// writes keys sorted.
#[derive(Serialize, Default)]
pub(super) struct JobObject<'j> {
    #[serde(rename = "delayTime", skip_serializing_if = "Option::is_none")]
    delay_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(rename = "executionTime", skip_serializing_if = "Option::is_none")]
    execution_time: Option<u64>,
    pub(super) id: &'j str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'j RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<usize>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'j str>,
    #[serde(rename = "workerId", skip_serializing_if = "Option::is_none")]
    worker_id: Option<String>,
}

impl FakeJob {
    pub(super) fn timeline(&self) -> Timeline {
        let (runs, ended_at) = self.undisturbed();
        let ttl_at = self.submitted_at.plus_ms(self.ttl_ms);
        let stop_at = self
            .canceled_at
            .or(self.purged_at)
            .unwrap_or(ttl_at)
            .min(ttl_at);
        let forget_at = self
            .plan
            .forget_after_ms
            .map(|ms| self.submitted_at.plus_ms(ms));
        let runs = runs
            .into_iter()
            .filter(|run| run.started_at < stop_at)
            .filter(|run| forget_at.is_none_or(|at| run.started_at < at))
            .map(|run| Run {
                ended_at: run.ended_at.min(stop_at),
                ..run
            })
            .collect();
        let ended_at = self.canceled_at.unwrap_or(ended_at);
        let gone_at = [self.purged_at, forget_at].into_iter().flatten().fold(
            ttl_at.min(ended_at.plus_ms(EXPIRE_AFTER_MS)),
            UnixMillis::min,
        );
        Timeline {
            runs,
            ended_at: (ended_at < gone_at).then_some(ended_at),
            gone_at,
        }
    }

    /// What would happen if nobody interfered: the runs, and when the end is reported.
    fn undisturbed(&self) -> (Vec<Run>, UnixMillis) {
        let plan = &self.plan;
        let empty = self.has_empty_input();
        let dispatches = match plan.outcome {
            _ if empty => 2,
            Outcome::TimedOut => 0,
            Outcome::WorkerLost => plan.runs.max(2),
            _ => plan.runs.max(1),
        };
        let run_ms = match plan.outcome {
            _ if empty => EMPTY_INPUT_RUN_MS,
            Outcome::ExecutionTimeout => self.execution_timeout_ms,
            _ if plan.overruns => plan.run_ms,
            _ => plan.run_ms.min(self.execution_timeout_ms),
        };
        let mut runs = Vec::new();
        let mut at = self.submitted_at;
        for _ in 0..dispatches {
            let started_at = at.plus_ms(plan.queue_ms);
            at = started_at.plus_ms(run_ms);
            runs.push(Run {
                started_at,
                ended_at: at,
            });
        }
        let unpicked_at = self.submitted_at.plus_ms(plan.queue_ms);
        let ended_at = if runs.is_empty() { unpicked_at } else { at };
        (runs, ended_at)
    }

    fn has_empty_input(&self) -> bool {
        let text = self.input.get().trim_start_matches('{').trim_start();
        self.input.get().starts_with('{') && text.starts_with('}')
    }

    pub(super) fn state(&self, now: UnixMillis) -> State {
        let timeline = self.timeline();
        let running = timeline
            .runs
            .iter()
            .position(|run| run.started_at <= now && now < run.ended_at);
        if now >= timeline.gone_at {
            State::Gone
        } else if timeline.ended_at.is_some_and(|at| at <= now) {
            State::Ended
        } else {
            running.map_or(State::Queued, State::Running)
        }
    }

    /// How it ends, whenever that is.
    pub(super) fn ending(&self) -> Cow<'_, Ending> {
        if self.canceled_at.is_some() {
            return Cow::Owned(Ending::canceled());
        }
        Cow::Borrowed(self.own_ending.get_or_init(|| self.undisturbed_ending()))
    }

    fn undisturbed_ending(&self) -> Ending {
        if self.has_empty_input() {
            return Ending::worker_lost();
        }
        if self.plan.run_ms > self.execution_timeout_ms && !self.plan.overruns {
            return Ending::execution_timeout();
        }
        work::ending(&self.plan.outcome, self.input.get(), &self.files_url)
    }

    /// What `/status` shows. `None`: nobody knows the job.
    pub(super) fn object(&self, now: UnixMillis) -> Option<JobObject<'_>> {
        let timeline = self.timeline();
        match self.state(now) {
            State::Gone => None,
            State::Queued => Some(JobObject {
                id: &self.id,
                status: "IN_QUEUE",
                ..JobObject::default()
            }),
            State::Running(run) => {
                Some(self.running(&timeline, run, self.progress(&timeline, now)))
            }
            State::Ended if self.regressed(&timeline, now) => {
                let progress = self.plan.progress.last().cloned();
                let last = timeline.runs.len().saturating_sub(1);
                Some(self.running(&timeline, last, progress))
            }
            State::Ended => Some(self.ended(&timeline)),
        }
    }

    /// What the webhook shows: the ended job with its input and webhook, without its worker.
    pub(super) fn news(&self) -> JobObject<'_> {
        JobObject {
            input: Some(&self.input),
            webhook: self.webhook.as_deref(),
            worker_id: None,
            ..self.ended(&self.timeline())
        }
    }

    fn ended(&self, timeline: &Timeline) -> JobObject<'_> {
        let ending = self.ending().into_owned();
        let run = timeline.runs.last();
        JobObject {
            delay_time: run.map(|run| run.started_at.since_ms(self.submitted_at)),
            error: ending.error,
            execution_time: run.map(|run| run.ended_at.since_ms(run.started_at)),
            id: &self.id,
            output: ending.output,
            retries: retries(timeline.runs.len()),
            status: ending.status,
            worker_id: run.map(|_| self.worker_id(timeline.runs.len())),
            ..JobObject::default()
        }
    }

    fn running(&self, timeline: &Timeline, run: usize, output: Option<Value>) -> JobObject<'_> {
        let started_at = timeline.runs.get(run).map(|run| run.started_at);
        JobObject {
            delay_time: started_at.map(|at| at.since_ms(self.submitted_at)),
            id: &self.id,
            output,
            retries: retries(run + 1),
            status: "IN_PROGRESS",
            worker_id: Some(self.worker_id(run + 1)),
            ..JobObject::default()
        }
    }

    fn progress(&self, timeline: &Timeline, now: UnixMillis) -> Option<Value> {
        let run = timeline.runs.iter().rfind(|run| run.started_at <= now)?;
        let steps = self.plan.progress.len() as u64;
        let length_ms = run.ended_at.since_ms(run.started_at).max(1);
        let step = now.since_ms(run.started_at) * steps / length_ms;
        self.plan.progress.get(usize::try_from(step).ok()?).cloned()
    }

    fn regressed(&self, timeline: &Timeline, now: UnixMillis) -> bool {
        let until = |at: UnixMillis| at.plus_ms(self.plan.late_progress_ms);
        timeline.ended_at.is_some_and(|at| now < until(at))
    }

    fn worker_id(&self, run: usize) -> String {
        let hash = blake3::hash(format!("{} {run}", self.id).as_bytes()).to_hex();
        hash[..14].to_owned()
    }

    /// The runs that have begun, this far.
    pub(super) fn runs_until(&self, now: UnixMillis) -> Vec<Run> {
        let begun = self.timeline().runs.into_iter();
        let begun = self.past_runs.iter().copied().chain(begun);
        begun
            .filter(|run| run.started_at <= now)
            .map(|run| Run {
                ended_at: run.ended_at.min(now),
                ..run
            })
            .collect()
    }
}

/// The key appears only after a second dispatch.
fn retries(runs: usize) -> Option<usize> {
    (runs > 1).then(|| runs - 1)
}
