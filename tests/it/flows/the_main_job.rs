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
