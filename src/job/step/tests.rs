//! What a watcher does, moment by moment.

use super::*;
use crate::job::tests::{job, with_attempt};
use crate::job::{FailureCode, Phase};

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
fn an_attempt_that_never_left_makes_room_for_another() {
    let job = with_attempt(None);
    assert_eq!(next_step(&job, None, at(2_000)), Step::Withdraw { n: 1 });
    assert_eq!(next_step(&job, Some(0), at(2_000)), Step::Withdraw { n: 1 });
}

#[test]
fn an_attempt_that_may_have_left_is_never_sent_again() {
    let job = with_attempt(None);
    let ttl = i64::try_from(job.ttl_ms(at(1_000))).unwrap();
    let until = at(1_000 + ttl);
    for sending in [1, 2] {
        let step = next_step(&job, Some(sending), at(2_000));
        assert_eq!(step, Step::Sleep { until });
    }
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

fn with_deadline(ms: i64) -> Job {
    Job {
        deadline_at: Some(at(ms)),
        ..with_attempt(Some("x"))
    }
}

fn is_timed_out(ending: &Ending) -> bool {
    matches!(ending, Ending::Failed(f) if f.code == FailureCode::TimedOut)
}

#[test]
fn a_job_past_its_deadline_is_stopped_and_given_up_when_nobody_confirms() {
    let job = with_deadline(100_000);
    assert_eq!(overdue_of(next_step(&job, None, at(99_999))), None);
    let overdue = overdue_of(next_step(&job, None, at(100_000)));
    assert!(overdue.as_ref().is_some_and(is_timed_out), "{overdue:?}");
    let step = next_step(&job, None, at(160_000));
    assert!(
        matches!(&step, Step::GiveUp(ending) if is_timed_out(ending)),
        "{step:?}"
    );
}

#[test]
fn an_unconfirmed_submit_keeps_no_job_open_past_its_deadline() {
    let mut job = with_deadline(100_000);
    job.live.as_mut().unwrap().provider_id = None;
    let until = at(100_000);
    assert_eq!(next_step(&job, Some(1), at(2_000)), Step::Sleep { until });
    let step = next_step(&job, Some(1), until);
    assert!(
        matches!(&step, Step::GiveUp(ending) if is_timed_out(ending)),
        "{step:?}"
    );
    job.status = JobStatus::Failed;
    let step = next_step(&job, Some(1), until);
    assert!(
        matches!(step, Step::Sleep { until } if until > at(100_000)),
        "{step:?}"
    );
}

#[test]
fn a_provider_that_asks_for_patience_is_looked_at_later_but_never_past_a_deadline() {
    let job = Job {
        retry_at: Some(at(200_000)),
        ..with_deadline(500_000)
    };
    let until = at(200_000);
    assert_eq!(next_step(&job, None, at(2_000)), Step::Sleep { until });
    let job = Job {
        deadline_at: Some(at(100_000)),
        ..job
    };
    let until = at(100_000);
    assert_eq!(next_step(&job, None, at(2_000)), Step::Sleep { until });
    assert!(overdue_of(next_step(&job, None, until)).is_some());
}

#[test]
fn what_failed_once_and_found_no_time_to_start_again_has_not_expired() {
    let job = Job {
        failures: 1,
        ..job()
    };
    let step = next_step(&job, None, at(3_600_000));
    assert!(
        matches!(&step, Step::End(ending) if is_timed_out(ending)),
        "{step:?}"
    );
}
