//! What a piece of news means for a job.

use super::{Ending, Failure, FailureCode, Job, JobStatus, Report};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing changes; the text says why, for the log.
    Ignore(&'static str),
    /// A worker has it: note when.
    Started,
    /// The files are there: store them, then say so.
    Store,
    /// The job ends like this.
    End(Ending),
    /// The job has ended before; only its live attempt ends now.
    Close,
}

/// Judges what the provider reports of attempt `n`.
///
/// A report that goes backwards (running after the end, queued while running) changes nothing, so
/// callbacks may come twice, late and in any order.
pub fn judge(job: &Job, n: u32, report: &Report) -> Verdict {
    match report {
        Report::Queued => Verdict::Ignore("it waits at the provider"),
        Report::Running { .. } => running(job, n),
        Report::Done { outputs, .. } => done(job, n, outputs.len()),
        Report::Failed { failure, .. } => failed(job, n, failure.clone()),
        Report::Canceled { .. } => failed(
            job,
            n,
            Failure::new(
                FailureCode::ProviderLost,
                "the job was canceled at the provider",
            ),
        ),
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

fn done(job: &Job, n: u32, outputs: usize) -> Verdict {
    if job.status.is_terminal() {
        return after_the_end(job, n);
    }
    if outputs < job.outputs_expected.max(1) {
        let message = format!(
            "the provider reports success and delivered {outputs} of {} files",
            job.outputs_expected.max(1)
        );
        return failed(job, n, Failure::new(FailureCode::OutputMissing, message));
    }
    Verdict::Store
}

fn failed(job: &Job, n: u32, failure: Failure) -> Verdict {
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
        | JobStatus::Expired => Verdict::End(Ending::Failed(failure)),
    }
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
    use crate::job::{Attempt, Output, OutputData, Times};

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
            failure: Failure::new(FailureCode::ExecutionFailed, "boom"),
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
        let verdict = match judge(&job, n, report) {
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

    #[test]
    fn done_without_its_files_is_a_failure() {
        check(JobStatus::Running, 2, &files(0), "end failed");
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
