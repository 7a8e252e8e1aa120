//! What was done and not heard of, and what ends while something else is under way.

use std::future::Future;
use std::task::{Context, Waker};

use edge_queue::id::JobId;
use edge_queue::job::{Cause, Failure, Times};
use edge_queue::store::deliveries::{self, Report, Standing, Try};
use edge_queue::store::jobs::{self, Again, AttemptEnd, AttemptOutcome, Heard};
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::{json, Value};

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

#[tokio::test]
async fn an_attempt_whose_failure_was_written_and_not_heard_is_followed_by_another() {
    let plan = json!({"job": {"webhook": {"copies": 0}, "run_ms": 60_000_000}});
    let queue = TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let now = queue.now();
    let end = AttemptEnd {
        n: 1,
        provider_id: None,
        outcome: AttemptOutcome::Failed,
        heard: Heard::Look,
        error: Some(Failure::of(Cause::WorkerLost, "gone")),
        times: Times::default(),
    };
    let next = Again {
        round: 1,
        at: now.plus_ms(5_000),
        reason: "again".into(),
    };
    queue.db.fail_next(DbFault::LostAfter);
    let db = &*queue.app.db;
    assert!(jobs::fail_attempt(db, id, &end, &next, now).await.unwrap());
    let later = now.plus_ms(1);
    let other = jobs::fail_attempt(db, id, &end, &next, later).await;
    assert!(!other.unwrap(), "it had ended before");
}

#[tokio::test]
async fn a_receiver_that_took_an_event_and_is_then_gone_has_taken_it() {
    let queue = TestQueue::live(Plan::default());
    let body = json!({"prompt": "x", "webhook_url": "https://hooks.example/in"});
    let id = queue.create(&body).await;
    let (db, now) = (&*queue.app.db, queue.now());
    let due = deliveries::pending(db, id).await.unwrap();
    let won = deliveries::claim(db, &due, &vec![now.plus_ms(30_000); due.len()]).await;
    assert_eq!(won.unwrap(), vec![true; due.len()]);
    // Another event was answered with 410 while this one was under way.
    deliveries::forsake(db, id, now).await.unwrap();
    let report = Report {
        made: Try {
            n: 1,
            at: now,
            status: Some(204),
            duration_ms: 5,
            why: None,
        },
        standing: Standing::Delivered(now),
    };
    deliveries::report(db, &due[0].event, &report)
        .await
        .unwrap();
    let told = &deliveries::of_job(db, id).await.unwrap()[0];
    assert_eq!((told.delivered_at, told.missed_at), (Some(now), None));
}

/// What the database was asked three times in vain comes true when so much else has happened.
const LATE: DbFault = DbFault::Late(40);

async fn let_it_come_true(queue: &TestQueue, id: JobId) {
    for _ in 0..60 {
        queue.job(id).await;
    }
}

/// The provider had refused attempt 1, and the database did not say whether it had written that
/// down. The attempt was sent again under its number, its answer was lost, and then the database
/// ended it as it had been asked: another was begun beside it.
#[tokio::test]
async fn a_number_that_was_given_up_is_not_sent_when_the_database_did_so_too_late() {
    let queue = live(json!({"job": {"run_ms": 120_000}, "faults": [
        {"on": "run", "fault": {"too_many": {"retry_after": null}}},
        {"on": "run", "fault": "lost", "taken": true},
    ]}));
    for _ in 0..3 {
        queue.db.fail_at("jobs::put_off", LATE);
    }
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(20_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
    let_it_come_true(&queue, id).await;
    queue.pass(300_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// Its number had been begun anew meanwhile, and refused: what comes true so late begins nothing.
#[tokio::test]
async fn an_attempt_that_the_database_begins_too_late_is_not_begun_again() {
    let refused = json!({"on": "run", "fault": {"too_many": {"retry_after": "300"}}});
    let queue = live(json!({"job": {"run_ms": 2_000}, "faults": [refused]}));
    for _ in 0..3 {
        queue.db.fail_at("jobs::begin_attempt", LATE);
    }
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(20_000).await;
    let_it_come_true(&queue, id).await;
    assert_eq!(queue.job(id).await["phase"], "accepted");
    queue.pass(600_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// Its name is noted whatever the status is by then, and it is stopped.
#[tokio::test]
async fn what_is_canceled_while_its_submit_is_on_its_way_is_stopped_at_the_provider() {
    let queue = live(json!({"job": {"run_ms": 300_000, "webhook": {"copies": 0}}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    let mut ringing = Box::pin(queue.ring(id));
    let mut context = Context::from_waker(Waker::noop());
    while queue.runpod.lock().unwrap().counters().jobs == 0 {
        assert!(ringing.as_mut().poll(&mut context).is_pending());
    }
    let cancel = format!("/api/queue/cancel/{id}");
    let asked = queue.post(&cancel, &json!({})).await;
    assert_eq!(asked.json()["job"]["status"], "canceling");
    ringing.await;
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "canceled");
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.jobs(queue.now())[0].status, "CANCELLED");
}

/// A cancel of which nothing was heard was made again; the round after it was canceled, too.
#[tokio::test]
async fn a_cancel_that_comes_true_too_late_does_not_end_the_round_after_it() {
    let queue = live(json!({"job": {"run_ms": 120_000}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    for _ in 0..3 {
        queue.db.fail_at("jobs::cancel", LATE);
    }
    let cancel = format!("/api/queue/cancel/{id}");
    assert_eq!(queue.post(&cancel, &json!({})).await.status, 503);
    assert_eq!(queue.post(&cancel, &json!({})).await.status, 200);
    queue.pass(10_000).await;
    let retry = format!("/api/queue/retry/{id}");
    assert_eq!(queue.post(&retry, &json!({})).await.status, 200);
    let_it_come_true(&queue, id).await;
    queue.pass(300_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
}

/// The database failed for a moment just when the provider had answered. Its name was thrown away,
/// and with the callback lost, too, the job was lost after two hours although nothing else was.
#[tokio::test]
async fn a_name_that_the_database_could_not_take_is_written_down_by_the_next_step() {
    let queue = live(json!({"job": {"webhook": {"copies": 0}}}));
    for _ in 0..3 {
        queue
            .db
            .fail_at("jobs::note_provider_id", DbFault::LostBefore);
    }
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["attempts"][0]["provider_id"], Value::Null, "{job:#}");
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// After a restore every job that had been submitted meanwhile would have been submitted again, had
/// the operator not canceled it.
#[tokio::test]
async fn what_was_sent_before_the_database_was_put_back_is_waited_for_and_not_sent_again() {
    let queue = live(json!({"job": {"run_ms": 120_000}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let put_back =
        "UPDATE jobs SET status = 'queued', phase = 'accepted', version = 1, attempt = 0,
        attempt_nonce = NULL, attempt_begun_at = NULL, provider_id = NULL, started_at = NULL";
    queue.db.query(put_back).unwrap();
    queue.ring(id).await;
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["phase"], "submitting");
    queue.pass(300_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
}
