//! What a watcher should do now.

use super::{Cause, Ending, Failure, Job, JobStatus};
use crate::id::ProviderId;
use crate::time::UnixMillis;

/// How long a provider may answer "not found" for a job it has just taken: its own bookkeeping
/// lags. Clients of RunPod report up to 150 s.
pub const NOT_FOUND_PATIENCE_MS: u64 = 150_000;

/// Added to an attempt's time to live, so that its result is still there to be fetched: RunPod
/// keeps results for 30 minutes, and `ttl` cuts that short.
pub const TTL_MARGIN_MS: u64 = 40 * 60_000;

/// Past its execution limit the provider should have stopped the job itself; this much later we do.
pub const EXECUTION_GRACE_MS: u64 = 60_000;

/// How long past its deadline a job waits for the provider to confirm that it was stopped. Then it
/// ends all the same: the caller named a moment, and the attempt is watched on without it.
pub const DEADLINE_PATIENCE_MS: u64 = 60_000;

/// Why a cancel is sent to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The job ends like this once the provider confirms.
    End(Ending),
    /// The job has ended already; this attempt is not needed any more.
    Close,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin attempt `n` and submit it.
    Dispatch { n: u32 },
    /// Attempt `n` began, and provably nothing left: end it, so that another may begin. Its own
    /// number is never sent any more.
    Withdraw { n: u32 },
    /// Ask the provider how attempt `n` is. If it has not ended and its time is up, it is canceled
    /// with the ending `overdue`.
    Look {
        n: u32,
        id: ProviderId,
        overdue: Option<Ending>,
    },
    /// Ask the provider to stop attempt `n`.
    Cancel {
        n: u32,
        id: ProviderId,
        purpose: Purpose,
    },
    /// No attempt can be running: end the job.
    End(Ending),
    /// End the job; its attempt may be running, and is stopped or waited for after that.
    GiveUp(Ending),
    /// The live attempt can be given up: nothing more will be heard of it.
    Abandon { n: u32 },
    /// Nothing to do before then.
    Sleep { until: UnixMillis },
    /// Nothing will ever be left to do: forget the job.
    Vanish,
}

/// Decides the next step. `sending` is the watcher's own note of the newest attempt whose submit
/// was begun; of a row that was put back to an earlier state it may be ahead.
pub fn next_step(job: &Job, sending: Option<u32>, now: UnixMillis) -> Step {
    let Some(live) = &job.live else {
        return without_attempt(job, now);
    };
    let forgotten_at = live.begun_at.plus_ms(job.ttl_ms(live.begun_at));
    match &live.provider_id {
        None if sending.is_none_or(|sent| sent < live.n) => nothing_left(job, live.n, now),
        _ if now >= forgotten_at => given_up(job, live.n),
        Some(id) => with_known_attempt(job, live.n, id, now),
        None => unconfirmed(job, forgotten_at, now),
    }
}

fn without_attempt(job: &Job, now: UnixMillis) -> Step {
    match job.status {
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Step::Vanish
        }
        JobStatus::Canceling => Step::End(Ending::Canceled),
        JobStatus::Queued | JobStatus::Running if now >= job.start_by_at => {
            Step::End(never_began(job))
        }
        JobStatus::Queued | JobStatus::Running => match job.retry_at {
            Some(at) if at > now => Step::Sleep {
                until: at.min(job.start_by_at),
            },
            _ => Step::Dispatch {
                n: job.attempts_begun + 1,
            },
        },
    }
}

/// The time to start is over, and no attempt is running: nothing was spent, unless one failed.
fn never_began(job: &Job) -> Ending {
    if job.failures == 0 {
        return Ending::Expired;
    }
    let message = "an attempt failed, and the time to start another was over before one began";
    Ending::Failed(Failure::of(Cause::DeadlinePassed, message))
}

fn has_passed(deadline_at: Option<UnixMillis>, now: UnixMillis) -> bool {
    deadline_at.is_some_and(|at| now >= at)
}

fn deadline_passed() -> Ending {
    let message = "the job had not ended by its deadline";
    Ending::Failed(Failure::of(Cause::DeadlinePassed, message))
}

/// The submit may have arrived, and nothing says under which name: only its callback can tell.
fn unconfirmed(job: &Job, forgotten_at: UnixMillis, now: UnixMillis) -> Step {
    match job.status {
        JobStatus::Queued | JobStatus::Running => match job.deadline_at {
            Some(at) if now >= at => Step::GiveUp(deadline_passed()),
            Some(at) => Step::Sleep {
                until: at.min(forgotten_at),
            },
            None => Step::Sleep {
                until: forgotten_at,
            },
        },
        JobStatus::Canceling
        | JobStatus::Succeeded
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Expired => Step::Sleep {
            until: forgotten_at,
        },
    }
}

/// The attempt began and its submit did not: nobody can be running it.
fn nothing_left(job: &Job, n: u32, now: UnixMillis) -> Step {
    match job.status {
        JobStatus::Queued | JobStatus::Running if now >= job.start_by_at => {
            Step::End(never_began(job))
        }
        JobStatus::Queued | JobStatus::Running => Step::Withdraw { n },
        JobStatus::Canceling => Step::End(Ending::Canceled),
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Step::Abandon { n }
        }
    }
}

/// The provider has forgotten the attempt by now, whatever became of it.
fn given_up(job: &Job, n: u32) -> Step {
    match job.status {
        JobStatus::Queued | JobStatus::Running => Step::End(Ending::Failed(Failure::of(
            Cause::Unconfirmed,
            "the provider never reported how the job ended",
        ))),
        JobStatus::Canceling => Step::End(Ending::Canceled),
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Step::Abandon { n }
        }
    }
}

fn with_known_attempt(job: &Job, n: u32, id: &ProviderId, now: UnixMillis) -> Step {
    let id = id.clone();
    let cancel = |purpose| {
        let id = id.clone();
        Step::Cancel { n, id, purpose }
    };
    match job.status {
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            cancel(Purpose::Close)
        }
        JobStatus::Canceling => cancel(Purpose::End(Ending::Canceled)),
        JobStatus::Queued | JobStatus::Running => open_attempt(job, n, id, now),
    }
}

fn open_attempt(job: &Job, n: u32, id: ProviderId, now: UnixMillis) -> Step {
    let patient_until = job.deadline_at.map(|at| at.plus_ms(DEADLINE_PATIENCE_MS));
    if has_passed(patient_until, now) {
        return Step::GiveUp(deadline_passed());
    }
    let overdue = overdue(job, now);
    match job.retry_at {
        // The provider asked not to be looked at before then.
        Some(at) if at > now && overdue.is_none() => Step::Sleep {
            until: job.next_deadline(now).map_or(at, |next| next.min(at)),
        },
        _ => Step::Look { n, id, overdue },
    }
}

/// How the job ends if nothing else is heard of it: its time is up.
pub fn overdue(job: &Job, now: UnixMillis) -> Option<Ending> {
    match job.started_at {
        None if now >= job.start_by_at => Some(never_began(job)),
        Some(at) if now.since_ms(at) > job.execution_limit_ms + EXECUTION_GRACE_MS => {
            let limit_s = job.execution_limit_ms / 1000;
            let message = format!("the job ran longer than {limit_s} s");
            Some(Ending::Failed(Failure::of(
                Cause::ExecutionTimeout,
                message,
            )))
        }
        None | Some(_) => has_passed(job.deadline_at, now).then(deadline_passed),
    }
}

#[cfg(test)]
mod tests;
