//! What a piece of news means for a job.

use super::step::overdue;
use super::{Cause, Ending, Failure, Job, JobStatus, Report, Times};
use crate::backoff::{again_delay_ms, Jitter};
use crate::time::UnixMillis;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing changes; the text says why, for the log.
    Ignore(&'static str),
    /// A worker has it: note when.
    Started,
    /// The files are there: store them, then say so.
    Store,
    /// The attempt has ended like this, and another begins at `at`.
    Again { failure: Failure, at: UnixMillis },
    /// The job ends like this.
    End(Ending),
    /// The job has ended before; only its live attempt ends now.
    Close,
}

/// When news is judged, and the random number that spreads what follows.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: UnixMillis,
    pub jitter: Jitter,
}

/// Judges what the provider reports of attempt `n`.
///
/// A report that goes backwards (running after the end, queued while running) changes nothing, so
/// callbacks may come twice, late and in any order.
pub fn judge(job: &Job, n: u32, report: &Report, moment: Moment) -> Verdict {
    match report {
        Report::Queued => Verdict::Ignore("it waits at the provider"),
        Report::Running { .. } => running(job, n),
        Report::Done { outputs, .. } => done(job, n, outputs.len(), moment),
        Report::Failed { failure, .. } => judge_failure(job, n, failure.clone(), moment),
        Report::Canceled { times } => canceled(job, n, *times, moment),
    }
}

fn canceled(job: &Job, n: u32, times: Times, moment: Moment) -> Verdict {
    let message = "the job was canceled at the provider";
    let failure = Failure::of(Cause::StoppedElsewhere, message);
    match (
        judge_failure(job, n, failure, moment),
        overdue(job, moment.now),
    ) {
        // By us, and the answer was lost.
        (Verdict::End(Ending::Failed(_)), Some(ending)) => Verdict::End(ending.after_run(times)),
        (verdict, _) => verdict,
    }
}

fn running(job: &Job, n: u32) -> Verdict {
    match job.status {
        JobStatus::Queued if job.is_live(n) => Verdict::Started,
        JobStatus::Queued => Verdict::Ignore("an earlier attempt runs"),
        JobStatus::Running | JobStatus::Canceling => Verdict::Ignore("it runs, as known"),
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Canceled | JobStatus::Expired => {
            Verdict::Ignore("the job has ended")
        }
    }
}

fn done(job: &Job, n: u32, outputs: usize, moment: Moment) -> Verdict {
    if job.status.is_terminal() {
        return after_the_end(job, n);
    }
    if n <= job.canceled_through {
        return Verdict::Ignore("its round was canceled");
    }
    let expected = job.outputs_expected.max(1);
    if outputs >= expected {
        return Verdict::Store;
    }
    let failure = if outputs == 0 {
        let message = "the provider reports success and delivered no file";
        Failure::of(Cause::OutputMissing, message)
    } else {
        let message =
            format!("the provider reports success and delivered {outputs} of {expected} files");
        Failure::of(Cause::OutputIncomplete, message)
    };
    judge_failure(job, n, failure, moment)
}

/// Judges a failure of attempt `n` that the provider reported, or that its files turned out to be.
pub fn judge_failure(job: &Job, n: u32, failure: Failure, moment: Moment) -> Verdict {
    if job.status.is_terminal() {
        return after_the_end(job, n);
    }
    if !job.is_live(n) {
        return Verdict::Ignore("an earlier attempt failed");
    }
    match job.status {
        JobStatus::Canceling => Verdict::End(Ending::Canceled),
        JobStatus::Queued
        | JobStatus::Running
        | JobStatus::Succeeded
        | JobStatus::Failed
        | JobStatus::Canceled
        | JobStatus::Expired => match again_at(job, failure.cause, moment) {
            Some(at) => Verdict::Again { failure, at },
            None => Verdict::End(Ending::Failed(failure)),
        },
    }
}

/// When the next attempt begins; `None`: the failure is final. The limits of the round go on
/// counting, and no attempt begins after them.
fn again_at(job: &Job, cause: Cause, moment: Moment) -> Option<UnixMillis> {
    let wait_ms = again_delay_ms(cause.wait_ms(), job.failures, moment.jitter);
    let at = moment.now.plus_ms(wait_ms);
    let may_begin = at < job.start_by_at && job.deadline_at.is_none_or(|deadline| at < deadline);
    (job.failures + 1 < cause.attempts_max() && may_begin).then_some(at)
}

fn after_the_end(job: &Job, n: u32) -> Verdict {
    if job.is_live(n) {
        Verdict::Close
    } else {
        Verdict::Ignore("the job has ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::with_attempt;
    use crate::job::{Attempt, FailureCode, Output, OutputData, Times};

    fn at(ms: i64) -> Moment {
        Moment {
            now: UnixMillis::new(ms),
            jitter: Jitter(127),
        }
    }

    fn files(count: usize) -> Report {
        let output = Output {
            name: None,
            data: OutputData::Url("https://example.com/a.png".into()),
        };
        Report::Done {
            outputs: vec![output; count],
            times: Times::default(),
        }
    }

    fn broken() -> Report {
        Report::Failed {
            failure: Failure::of(Cause::WorkerFailed, "boom"),
            times: Times::default(),
        }
    }

    fn check(status: JobStatus, n: u32, report: &Report, expected: &str) {
        let job = Job {
            status,
            attempts_begun: 2,
            live: with_attempt(Some("x")).live.map(|a| Attempt { n: 2, ..a }),
            ..with_attempt(None)
        };
        let verdict = match judge(&job, n, report, at(5_000)) {
            Verdict::Ignore(_) => "ignore".into(),
            Verdict::End(ending) => format!("end {}", ending.status().as_str()),
            other => format!("{other:?}").to_lowercase(),
        };
        assert_eq!(verdict, expected, "{status:?} attempt {n} {report:?}");
    }

    #[test]
    fn the_first_sign_of_running_starts_the_job_and_later_ones_change_nothing() {
        let running = Report::Running {
            progress_permille: None,
        };
        check(JobStatus::Queued, 2, &running, "started");
        check(JobStatus::Queued, 1, &running, "ignore");
        check(JobStatus::Running, 2, &running, "ignore");
        check(JobStatus::Succeeded, 2, &running, "ignore");
    }

    #[test]
    fn a_success_counts_while_the_job_is_unfinished_whichever_attempt_brings_it() {
        check(JobStatus::Running, 2, &files(1), "store");
        check(JobStatus::Queued, 1, &files(1), "store");
        check(JobStatus::Canceling, 2, &files(1), "store");
        check(JobStatus::Canceled, 2, &files(1), "close");
        check(JobStatus::Succeeded, 1, &files(1), "ignore");
    }

    /// What becomes of a job with `failures` behind it whose live attempt fails for `cause`.
    fn after(cause: Cause, failures: u32, now_ms: i64) -> Option<Verdict> {
        let job = Job {
            failures,
            status: JobStatus::Running,
            ..with_attempt(Some("x"))
        };
        let failure = Failure::of(cause, "boom");
        let verdict = judge_failure(&job, 1, failure.clone(), at(now_ms));
        (verdict != Verdict::End(Ending::Failed(failure))).then_some(verdict)
    }

    #[test]
    fn each_cause_is_tried_as_often_as_its_class_allows_and_no_more() {
        for cause in Cause::ALL {
            for failures in 0..5 {
                let again = matches!(after(cause, failures, 5_000), Some(Verdict::Again { .. }));
                let allowed = failures + 1 < cause.attempts_max();
                assert_eq!(again, allowed, "{cause:?} after {failures}");
            }
        }
    }

    #[test]
    fn no_attempt_begins_after_the_time_to_start() {
        let last = 3_600_000 - 5_600;
        assert!(after(Cause::WorkerLost, 0, last).is_some());
        assert_eq!(after(Cause::WorkerLost, 0, last + 2_000), None);
    }

    #[test]
    fn done_without_any_file_and_with_too_few_are_failures_of_their_own() {
        let job = Job {
            outputs_expected: 2,
            ..with_attempt(Some("x"))
        };
        let verdict = judge(&job, 1, &files(0), at(5_000));
        assert!(
            matches!(&verdict, Verdict::Again { failure, .. }
                if failure.code == FailureCode::OutputMissing),
            "{verdict:?}"
        );
        let verdict = judge(&job, 1, &files(1), at(5_000));
        assert!(
            matches!(&verdict, Verdict::End(Ending::Failed(f)) if f.message.contains("1 of 2")),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_late_success_counts_unless_its_round_was_canceled() {
        let job = Job {
            canceled_through: 1,
            attempts_begun: 2,
            ..with_attempt(None)
        };
        assert!(matches!(
            judge(&job, 1, &files(1), at(9)),
            Verdict::Ignore(_)
        ));
        assert_eq!(judge(&job, 2, &files(1), at(9)), Verdict::Store);
    }

    #[test]
    fn a_failure_ends_the_job_only_when_the_live_attempt_brings_it() {
        check(JobStatus::Running, 2, &broken(), "end failed");
        check(JobStatus::Running, 1, &broken(), "ignore");
        check(JobStatus::Canceling, 2, &broken(), "end canceled");
        check(JobStatus::Failed, 2, &broken(), "close");
        check(JobStatus::Failed, 1, &broken(), "ignore");
    }
}
