//! `POST /api/queue/cancel/{id}`.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::id::JobId;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::token::CallbackClaim;
use serde_json::{json, Value};

/// Asks for the end and answers the job as it stands then.
async fn cancel(queue: &TestQueue, id: JobId) -> Value {
    let path = format!("/api/queue/cancel/{id}");
    let answer = queue.post(&path, &Value::Null).await;
    assert_eq!(answer.status, 200);
    answer.json()["job"].clone()
}

/// A job that a worker at RunPod has had for some seconds.
async fn running() -> (TestQueue, JobId) {
    let plan = json!({"job": {"run_ms": 600_000}});
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await["status"], "running");
    (queue, id)
}

#[tokio::test]
async fn a_job_that_nobody_has_yet_is_canceled_at_once_and_never_submitted() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    let job = cancel(&queue, id).await;
    assert_eq!(job["status"], "canceled", "{job:#}");
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await, job);
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 0);
}

#[tokio::test]
async fn a_running_job_is_canceling_until_the_provider_has_stopped_it() {
    let (queue, id) = running().await;
    assert_eq!(cancel(&queue, id).await["status"], "canceling");
    queue.pass(1_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "canceled", "{job:#}");
    assert_eq!(job["attempts"][0]["status"], "canceled");
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.counters().cancels, 1);
    assert_eq!(runpod.jobs(queue.now())[0].status, "CANCELLED");
}

#[tokio::test]
async fn canceling_twice_is_the_same_as_once() {
    let (queue, id) = running().await;
    let first = cancel(&queue, id).await;
    assert_eq!(cancel(&queue, id).await, first);
    queue.pass(1_000).await;
    let ended = queue.job(id).await;
    assert_eq!(cancel(&queue, id).await, ended);
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await, ended);
    assert_eq!(queue.runpod.lock().unwrap().counters().cancels, 1);
}

#[tokio::test]
async fn a_job_that_succeeded_stays_succeeded() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let before = queue.job(id).await;
    assert_eq!(before["status"], "succeeded");
    assert_eq!(cancel(&queue, id).await, before);
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await, before);
    assert_eq!(queue.runpod.lock().unwrap().counters().cancels, 0);
}

/// What a worker posts when it is done, as the stock worker words it.
fn success(job: &Value) -> Value {
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0".to_vec();
    picture.resize(200, 7);
    let picture = STANDARD.encode(&picture);
    let image = json!({"filename": "eq0_00001_.png", "type": "base64", "data": picture});
    let provider_id = &job["attempts"][0]["provider_id"];
    json!({"id": provider_id, "status": "COMPLETED", "output": {"images": [image]}})
}

async fn post_success(queue: &TestQueue, id: JobId) {
    let token = queue.app.signer.callback(CallbackClaim {
        job: id,
        attempt: 1,
    });
    let news = success(&queue.job(id).await);
    let path = format!("/api/webhooks/runpod/{token}");
    assert_eq!(queue.post(&path, &news).await.status, 200);
}

#[tokio::test]
async fn a_success_that_arrives_before_the_cancel_is_confirmed_wins() {
    let (queue, id) = running().await;
    assert_eq!(cancel(&queue, id).await["status"], "canceling");
    post_success(&queue, id).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await, job);
}

#[tokio::test]
async fn a_success_that_arrives_after_the_end_changes_nothing() {
    let (queue, id) = running().await;
    cancel(&queue, id).await;
    queue.pass(1_000).await;
    let ended = queue.job(id).await;
    assert_eq!(ended["status"], "canceled");
    let blobs = queue.blobs.keys();
    post_success(&queue, id).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await, ended);
    assert_eq!(queue.blobs.keys(), blobs, "nothing is left behind");
}
