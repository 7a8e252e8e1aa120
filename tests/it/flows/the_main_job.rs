//! A prompt goes in, a picture comes out.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::json;

#[tokio::test]
async fn a_prompt_alone_becomes_a_picture_on_the_simulated_gpu() {
    let queue = TestQueue::simulated();
    let id = queue.create(&json!({"prompt": "test prompt"})).await;
    assert_eq!(queue.job(id).await["status"], "queued");
    queue.pass(5_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let output = &job["outputs"][0];
    let result = queue.get(output["url"].as_str().unwrap()).await;
    assert_eq!(result.status, 200);
    assert!(result.bytes.starts_with(b"\x89PNG"));
    assert_eq!(output["size_bytes"], result.bytes.len());
}

#[tokio::test]
async fn a_prompt_alone_becomes_a_picture_on_runpod() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "test prompt"})).await;
    queue.pass(5_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["attempts"][0]["status"], "succeeded");
    assert!(queue.watchers.is_forgotten(id));
}

/// Golden pictures are compared: what is sent names the job, and must not show in them.
#[tokio::test]
async fn the_same_request_makes_the_same_picture_in_every_job() {
    let queue = TestQueue::simulated();
    for _ in 0..2 {
        queue.create(&json!({"prompt": "a fox", "seed": 7})).await;
    }
    queue.pass(60_000).await;
    let hashes = queue.db.query("SELECT DISTINCT hash FROM outputs").unwrap();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
    let outputs = queue.db.query("SELECT key FROM outputs").unwrap();
    assert_eq!(outputs.len(), 2);
}
