//! A job and everything that may happen to it, without I/O: the whole state machine.
//!
//! [`next_step`] says what a watcher should do now; [`judge`] says what a piece of news means. Both
//! are pure: whoever does the I/O asks here first, and decides nothing itself.
//!
//! Always true: a job has at most one live attempt of its own doing; a terminal status changes only
//! through the caller's explicit retry, which opens a new round; a late success of an attempt we
//! gave up on still counts while the job is unfinished; another attempt of ours begins only after
//! the provider reported how the last one ended ([`Cause`] says when that makes sense).

mod cause;
mod failure;
mod judge;
mod progress;
mod report;
mod step;

pub use cause::Cause;
pub use failure::{Failure, FailureCode};
pub use judge::{judge, judge_failure, Moment, Verdict};
pub use progress::{Early, Preview, Progress, Told};
pub use report::{Output, OutputData, Report, Times};
pub use step::{
    next_step, overdue, Purpose, Step, DEADLINE_PATIENCE_MS, EXECUTION_GRACE_MS,
    NOT_FOUND_PATIENCE_MS, TTL_MARGIN_MS,
};

use serde::{Deserialize, Serialize};

use crate::id::{JobId, ProviderId};
use crate::time::UnixMillis;

/// Where a job stands, as callers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Accepted. Leaves when the provider reports that it runs, when it ends, or when it is
    /// canceled.
    Queued,
    /// A worker has it. Leaves by its end, by a cancel, or back to `Queued` when the attempt failed
    /// and another will be begun.
    Running,
    /// A cancel was asked for and an attempt is live. Leaves when the provider confirms, or by a
    /// result that arrived first.
    Canceling,
    /// Every output is in the object store and can be fetched.
    Succeeded,
    /// Ended without a result; `error` says why and whether a retry makes sense.
    Failed,
    /// Ended by the caller's cancel.
    Canceled,
    /// Never started before its deadline; nothing was spent.
    Expired,
}

impl JobStatus {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
    ];

    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Canceling => false,
            Self::Succeeded | Self::Failed | Self::Canceled | Self::Expired => true,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What an unfinished job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Recorded; no attempt is live.
    Accepted,
    /// An attempt began; the provider has not confirmed it.
    Submitting,
    /// The provider has it in its queue.
    ProviderQueued,
    /// A worker reported that it runs.
    Executing,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Submitting => "submitting",
            Self::ProviderQueued => "provider_queued",
            Self::Executing => "executing",
        }
    }
}

/// One submission that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1 and never restarts, whatever the round.
    pub n: u32,
    pub begun_at: UnixMillis,
    /// `None`: begun, and the provider's answer is not known.
    pub provider_id: Option<ProviderId>,
}

/// What decisions are made of. Everything else about a job is in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub status: JobStatus,
    pub phase: Phase,
    /// Goes up with every change of the row; never restarts.
    pub version: u64,
    /// Goes up with every retry by the caller.
    pub round: u32,
    /// The moment this round was asked for.
    pub opened_at: UnixMillis,
    /// If nothing has started by then, the job expires. No attempt begins later.
    pub start_by_at: UnixMillis,
    /// If it has not ended by then, it is stopped and fails. `None`: only the other limits hold.
    pub deadline_at: Option<UnixMillis>,
    /// How long a worker may work on it.
    pub execution_limit_ms: u64,
    pub attempts_begun: u32,
    /// Attempts of this round that failed and are to be followed by another.
    pub failures: u32,
    /// Attempts up to this number were canceled with their round: no success of theirs counts.
    pub canceled_through: u32,
    pub live: Option<Attempt>,
    /// No dispatch before then; while an attempt is live, no look.
    pub retry_at: Option<UnixMillis>,
    /// Submits in a row that the provider put off.
    pub refusals: u32,
    pub started_at: Option<UnixMillis>,
    /// How many files a success must have.
    pub outputs_expected: usize,
}

impl Job {
    /// From its beginning until the provider may forget an attempt. The margin covers the time that
    /// RunPod keeps results, because its `ttl` deletes running jobs and results too.
    pub fn ttl_ms(&self, begun_at: UnixMillis) -> u64 {
        self.start_by_at.since_ms(begun_at) + self.execution_limit_ms + TTL_MARGIN_MS
    }

    /// How long a worker may work on an attempt that begins at `now`.
    pub fn execution_limit_from(&self, now: UnixMillis) -> u64 {
        let left = self.deadline_at.map(|at| at.since_ms(now));
        left.map_or(self.execution_limit_ms, |left| {
            left.min(self.execution_limit_ms)
        })
    }

    /// The next moment at which a limit of time may change what is to be done.
    pub fn next_deadline(&self, now: UnixMillis) -> Option<UnixMillis> {
        let begins = self.started_at.is_none().then_some(self.start_by_at);
        let limit_ms = self.execution_limit_ms + EXECUTION_GRACE_MS + 1;
        let stops = self.started_at.map(|at| at.plus_ms(limit_ms));
        let gives_up = self.deadline_at.map(|at| at.plus_ms(DEADLINE_PATIENCE_MS));
        let all = [begins, stops, self.deadline_at, gives_up]
            .into_iter()
            .flatten();
        all.filter(|at| *at > now).min()
    }

    pub fn is_live(&self, n: u32) -> bool {
        self.live.as_ref().is_some_and(|attempt| attempt.n == n)
    }
}

/// How a job or a round of it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Failed(Failure),
    Canceled,
    Expired,
}

impl Ending {
    /// After the provider confirmed the cancel: only what never ran has expired.
    #[must_use]
    pub fn after_run(self, times: Times) -> Self {
        match self {
            Self::Expired if times.execution_ms.is_some_and(|ms| ms > 0) => {
                let message = "the job began too late, and was stopped";
                Self::Failed(Failure::of(Cause::DeadlinePassed, message))
            }
            ending => ending,
        }
    }

    pub const fn status(&self) -> JobStatus {
        match self {
            Self::Failed(_) => JobStatus::Failed,
            Self::Canceled => JobStatus::Canceled,
            Self::Expired => JobStatus::Expired,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A job accepted at 0 that must start within an hour and may run ten minutes.
    pub fn job() -> Job {
        Job {
            id: JobId::from_bytes([1; 16]),
            status: JobStatus::Queued,
            phase: Phase::Accepted,
            version: 1,
            round: 1,
            opened_at: UnixMillis::new(0),
            start_by_at: UnixMillis::new(3_600_000),
            deadline_at: None,
            execution_limit_ms: 600_000,
            attempts_begun: 0,
            failures: 0,
            canceled_through: 0,
            live: None,
            retry_at: None,
            refusals: 0,
            started_at: None,
            outputs_expected: 1,
        }
    }

    pub fn with_attempt(provider_id: Option<&str>) -> Job {
        Job {
            attempts_begun: 1,
            live: Some(Attempt {
                n: 1,
                begun_at: UnixMillis::new(1_000),
                provider_id: provider_id.and_then(ProviderId::parse),
            }),
            phase: Phase::ProviderQueued,
            ..job()
        }
    }

    #[test]
    fn what_ran_before_it_was_canceled_has_not_expired() {
        let ran = |execution_ms| Times {
            execution_ms,
            ..Times::default()
        };
        let after = |ms| Ending::Expired.after_run(ran(ms)).status();
        assert_eq!(after(None), JobStatus::Expired);
        assert_eq!(after(Some(0)), JobStatus::Expired);
        assert_eq!(after(Some(1)), JobStatus::Failed);
    }

    #[test]
    fn a_deadline_shortens_what_a_worker_may_take() {
        let job = Job {
            deadline_at: Some(UnixMillis::new(90_000)),
            ..job()
        };
        assert_eq!(job.execution_limit_from(UnixMillis::new(30_000)), 60_000);
        assert_eq!(
            super::tests::job().execution_limit_from(UnixMillis::new(5)),
            600_000
        );
    }

    #[test]
    fn every_status_is_parsed_from_its_own_name() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(JobStatus::parse("done"), None);
    }
}
