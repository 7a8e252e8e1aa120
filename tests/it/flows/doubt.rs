//! What was done and not heard of, and what ends while something else is under way.

use edge_queue::job::{Cause, Failure, Times};
use edge_queue::store::deliveries::{self, Report, Standing, Try};
use edge_queue::store::jobs::{self, Again, AttemptEnd, AttemptOutcome, Heard};
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::json;

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
