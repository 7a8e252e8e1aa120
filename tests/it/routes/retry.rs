//! `POST /api/queue/retry/{id}`.

use edge_queue::id::JobId;
use edge_queue::testing::queue::{Answered, TestQueue};
use serde_json::{json, Value};

/// A queue whose first job fails in a node, and the job.
async fn failed() -> (TestQueue, JobId) {
    let plan = json!({"next": [{"outcome": "node_failed"}]});
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "failed");
    (queue, id)
}

async fn retry(queue: &TestQueue, id: JobId) -> Answered {
    let path = format!("/api/queue/retry/{id}");
    queue.post(&path, &Value::Null).await
}

#[tokio::test]
async fn a_failed_job_succeeds_in_another_round_and_its_attempts_count_on() {
    let (queue, id) = failed().await;
    let answer = retry(&queue, id).await;
    assert_eq!(answer.status, 200);
    let job = answer.json()["job"].clone();
    assert_eq!((&job["id"], &job["status"]), (&json!(id), &json!("queued")));
    assert!(job["error"].is_null(), "{job:#}");
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let attempts = job["attempts"].as_array().unwrap().iter();
    let attempts: Vec<_> = attempts.map(|a| (&a["n"], &a["status"])).collect();
    let expected = [(json!(1), json!("failed")), (json!(2), json!("succeeded"))];
    assert_eq!(attempts, expected.each_ref().map(|(n, status)| (n, status)));
}

#[tokio::test]
async fn asked_twice_it_opens_one_round() {
    let (queue, id) = failed().await;
    let first = retry(&queue, id).await.json();
    let second = retry(&queue, id).await.json();
    assert_eq!(first["job"], second["job"]);
    let round = queue.db.query("SELECT round FROM jobs").unwrap();
    assert_eq!(round[0]["round"], 2);
    queue.pass(10_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 2);
}

#[tokio::test]
async fn a_job_that_succeeded_is_not_run_again() {
    let queue = TestQueue::live(edge_queue::testing::runpod::Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let before = queue.job(id).await;
    let answer = retry(&queue, id).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["error"], "conflict");
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await, before);
}
