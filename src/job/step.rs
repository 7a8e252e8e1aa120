//! What a watcher should do now.

use super::{Ending, Failure, FailureCode, Job, JobStatus};
use crate::id::ProviderId;
use crate::time::UnixMillis;

/// How long a provider may answer "not found" for a job it has just taken: its own bookkeeping
/// lags. Clients of RunPod report up to 150 s.
pub const NOT_FOUND_PATIENCE_MS: u64 = 150_000;

/// Added to an attempt's time to live, so that its result is still there to be fetched: RunPod
/// keeps results for 30 minutes, and `ttl` cuts that short.
pub const TTL_MARGIN_MS: u64 = 40 * 60_000;

/// Past its execution limit the provider should have stopped the job itself; this much later we do.
const EXECUTION_GRACE_MS: u64 = 60_000;

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
    /// Attempt `n` began, and provably nothing left: submit it.
    Submit { n: u32 },
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
    /// The live attempt can be given up: nothing more will be heard of it.
    Abandon { n: u32 },
    /// Nothing to do before then.
    Sleep { until: UnixMillis },
    /// Nothing will ever be left to do: forget the job.
    Vanish,
}

/// Decides the next step. `sending` is the watcher's own note of the attempt whose submit was
/// begun.
pub fn next_step(job: &Job, sending: Option<u32>, now: UnixMillis) -> Step {
    let Some(live) = &job.live else {
        return without_attempt(job, now);
    };
    let forgotten_at = live.begun_at.plus_ms(job.ttl_ms());
    match (&live.provider_id, now >= forgotten_at) {
        (_, true) => given_up(job, live.n),
        (Some(id), false) => with_known_attempt(job, live.n, id, now),
        (None, false) if sending == Some(live.n) => Step::Sleep {
            until: forgotten_at,
        },
        (None, false) => nothing_left(job, live.n, now),
    }
}

fn without_attempt(job: &Job, now: UnixMillis) -> Step {
    match job.status {
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Step::Vanish
        }
        JobStatus::Canceling => Step::End(Ending::Canceled),
        JobStatus::Queued | JobStatus::Running if now >= job.start_by_at => {
            Step::End(Ending::Expired)
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

/// The attempt began and its submit did not: nobody can be running it.
fn nothing_left(job: &Job, n: u32, now: UnixMillis) -> Step {
    match job.status {
        JobStatus::Queued | JobStatus::Running if now >= job.start_by_at => {
            Step::End(Ending::Expired)
        }
        JobStatus::Queued | JobStatus::Running => Step::Submit { n },
        JobStatus::Canceling => Step::End(Ending::Canceled),
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Step::Abandon { n }
        }
    }
}

/// The provider has forgotten the attempt by now, whatever became of it.
fn given_up(job: &Job, n: u32) -> Step {
    match job.status {
        JobStatus::Queued | JobStatus::Running => Step::End(Ending::Failed(Failure::new(
            FailureCode::ProviderLost,
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
        JobStatus::Queued | JobStatus::Running => Step::Look {
            n,
            overdue: overdue(job, now),
            id,
        },
    }
}

/// How the job ends if a look finds it where it was.
fn overdue(job: &Job, now: UnixMillis) -> Option<Ending> {
    match job.started_at {
        None => (now >= job.start_by_at).then_some(Ending::Expired),
        Some(at) => (now.since_ms(at) > job.execution_limit_ms + EXECUTION_GRACE_MS).then(|| {
            let limit_s = job.execution_limit_ms / 1000;
            let message = format!("the job ran longer than {limit_s} s");
            Ending::Failed(Failure::new(FailureCode::TimedOut, message))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::{job, with_attempt};
    use crate::job::Phase;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(ms)
    }

    fn id(text: &str) -> ProviderId {
        ProviderId::parse(text).unwrap()
    }

    #[test]
    fn a_new_job_is_dispatched() {
        assert_eq!(next_step(&job(), None, at(5)), Step::Dispatch { n: 1 });
    }

    #[test]
    fn a_refused_job_waits_for_its_turn_and_then_begins_another_attempt() {
        let job = Job {
            attempts_begun: 3,
            retry_at: Some(at(9_000)),
            ..job()
        };
        let until = at(9_000);
        assert_eq!(next_step(&job, None, at(5)), Step::Sleep { until });
        assert_eq!(next_step(&job, None, at(9_000)), Step::Dispatch { n: 4 });
    }

    #[test]
    fn a_job_that_never_started_expires() {
        let step = next_step(&job(), None, at(3_600_000));
        assert_eq!(step, Step::End(Ending::Expired));
    }

    #[test]
    fn an_attempt_that_never_left_is_submitted_at_once() {
        let job = with_attempt(None);
        assert_eq!(next_step(&job, None, at(2_000)), Step::Submit { n: 1 });
        assert_eq!(next_step(&job, Some(0), at(2_000)), Step::Submit { n: 1 });
    }

    #[test]
    fn an_attempt_that_may_have_left_is_never_sent_again() {
        let job = with_attempt(None);
        let ttl = i64::try_from(job.ttl_ms()).unwrap();
        let until = at(1_000 + ttl);
        assert_eq!(next_step(&job, Some(1), at(2_000)), Step::Sleep { until });
        let end = next_step(&job, Some(1), until);
        assert!(
            matches!(&end, Step::End(Ending::Failed(f)) if f.code == FailureCode::ProviderLost),
            "{end:?}"
        );
    }

    #[test]
    fn a_submitted_attempt_is_looked_at() {
        let step = next_step(&with_attempt(Some("x")), Some(1), at(2_000));
        let expected = Step::Look {
            n: 1,
            id: id("x"),
            overdue: None,
        };
        assert_eq!(step, expected);
    }

    #[test]
    fn a_cancel_reaches_the_provider_while_an_attempt_is_live() {
        let job = Job {
            status: JobStatus::Canceling,
            ..with_attempt(Some("x"))
        };
        let purpose = Purpose::End(Ending::Canceled);
        let expected = Step::Cancel {
            n: 1,
            id: id("x"),
            purpose,
        };
        assert_eq!(next_step(&job, Some(1), at(2_000)), expected);
    }

    #[test]
    fn a_finished_job_closes_its_live_attempt_before_it_vanishes() {
        let done = Job {
            status: JobStatus::Succeeded,
            ..with_attempt(Some("x"))
        };
        let expected = Step::Cancel {
            n: 1,
            id: id("x"),
            purpose: Purpose::Close,
        };
        assert_eq!(next_step(&done, Some(1), at(2_000)), expected);
        let far = at(i64::MAX);
        assert_eq!(next_step(&done, Some(1), far), Step::Abandon { n: 1 });
        let closed = Job { live: None, ..done };
        assert_eq!(next_step(&closed, Some(1), at(2_000)), Step::Vanish);
    }

    fn overdue_of(step: Step) -> Option<Ending> {
        match step {
            Step::Look { overdue, .. } => overdue,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_past_its_limit_is_looked_at_once_more_and_then_stopped() {
        let job = Job {
            status: JobStatus::Running,
            phase: Phase::Executing,
            started_at: Some(at(10_000)),
            ..with_attempt(Some("x"))
        };
        assert_eq!(overdue_of(next_step(&job, None, at(670_000))), None);
        let overdue = overdue_of(next_step(&job, None, at(670_001)));
        assert!(
            matches!(&overdue, Some(Ending::Failed(f)) if f.code == FailureCode::TimedOut),
            "{overdue:?}"
        );
    }

    #[test]
    fn a_job_still_queued_at_the_provider_when_its_time_is_up_expires_after_one_more_look() {
        let step = next_step(&with_attempt(Some("x")), Some(1), at(3_600_000));
        assert_eq!(overdue_of(step), Some(Ending::Expired));
    }

    #[test]
    fn an_attempt_that_never_left_is_not_sent_after_its_time() {
        let step = next_step(&with_attempt(None), None, at(3_600_000));
        assert_eq!(step, Step::End(Ending::Expired));
    }
}
