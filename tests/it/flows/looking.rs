//! When the provider is looked at: late enough to be left alone, soon enough to lose nothing.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

fn build(settings: &[(&str, &str)], plan: Value) -> TestQueue {
    TestQueue::build(settings, serde_json::from_value::<Plan>(plan).unwrap(), 1)
}

fn looks(queue: &TestQueue) -> u64 {
    queue.runpod.lock().unwrap().counters().looks
}

/// How many looks there were in the first five minutes of a job that runs for an hour, each minute.
async fn each_minute(queue: &TestQueue) -> Vec<u64> {
    queue.create(&json!({"prompt": "x"})).await;
    let mut each = Vec::new();
    for _ in 0..5 {
        let before = looks(queue);
        queue.pass(60_000).await;
        each.push(looks(queue) - before);
    }
    each
}

#[tokio::test]
async fn looks_become_rarer_as_the_job_grows_older() {
    let queue = build(&[], json!({"job": {"queue_ms": 3_000_000}}));
    let each = each_minute(&queue).await;
    assert!(each[0] >= 3 && each[0] <= 12, "{each:?}");
    assert!(each[4] <= 2, "{each:?}");
}

/// RunPod's cloud cannot call this machine back: the looks are all there is.
#[tokio::test]
async fn where_no_callback_can_arrive_the_first_look_comes_soon() {
    let quiet = json!({"job": {"queue_ms": 600_000}});
    let local = build(&[("PUBLIC_URL", "http://127.0.0.1:8787")], quiet.clone());
    let public = build(&[], quiet);
    for queue in [&local, &public] {
        queue.create(&json!({"prompt": "x"})).await;
        queue.pass(6_000).await;
    }
    assert_eq!((looks(&local), looks(&public)), (1, 0));
}

#[tokio::test]
async fn a_look_that_is_told_to_come_later_comes_later() {
    let fault = json!({"on": "status", "times": 1, "fault": {"too_many": {"retry_after": "300"}}});
    let plan = json!({"job": {"queue_ms": 600_000}, "faults": [fault]});
    let queue = build(&[("PUBLIC_URL", "http://127.0.0.1:8787")], plan);
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let requests = queue.runpod.lock().unwrap().counters().requests;
    queue.pass(290_000).await;
    assert_eq!(
        queue.runpod.lock().unwrap().counters().requests,
        requests,
        "left alone"
    );
    queue.pass(30_000).await;
    assert!(queue.runpod.lock().unwrap().counters().requests > requests);
}

/// A wake takes a step and nothing is asked twice: what was told to come later stays so.
#[tokio::test]
async fn a_wake_does_not_break_the_silence_that_the_provider_asked_for() {
    let fault = json!({"on": "status", "times": 1, "fault": {"too_many": {"retry_after": "300"}}});
    let plan = json!({"job": {"queue_ms": 600_000}, "faults": [fault]});
    let queue = build(&[("PUBLIC_URL", "http://127.0.0.1:8787")], plan);
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let requests = queue.runpod.lock().unwrap().counters().requests;
    for _ in 0..3 {
        queue.ring(id).await;
    }
    assert_eq!(queue.runpod.lock().unwrap().counters().requests, requests);
}
