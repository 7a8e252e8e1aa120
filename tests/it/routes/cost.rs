//! Round trips, counted at the ports: they are latency, and they are the bill.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::json;

#[tokio::test]
async fn create_is_one_batch_and_one_wake() {
    let queue = TestQueue::live(Plan::default());
    queue.create(&json!({"prompt": "x"})).await;
    assert_eq!(queue.db.take_batches().len(), 1);
    assert_eq!(queue.watchers.take_calls(), ["wake"]);
}

#[tokio::test]
async fn status_is_one_read() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    queue.db.take_batches();
    queue.watchers.take_calls();
    queue.job(id).await;
    let batches = queue.db.take_batches();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].len(), 1);
    assert!(queue.watchers.take_calls().is_empty());
}

#[tokio::test]
async fn health_asks_the_database_once_in_five_seconds_while_it_is_well() {
    let queue = TestQueue::live(Plan::default());
    for _ in 0..3 {
        assert_eq!(queue.get("/api/health").await.status, 200);
    }
    assert_eq!(queue.db.take_batches().len(), 1);
    queue.pass(5_000).await;
    queue.db.fail_next(DbFault::Overloaded);
    assert_eq!(queue.get("/api/health").await.status, 503);
    assert_eq!(queue.get("/api/health").await.status, 200, "asked again");
}

#[tokio::test]
async fn a_signed_link_needs_no_read() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    queue.db.take_batches();
    let result = queue.get(job["result_url"].as_str().unwrap()).await;
    assert_eq!(result.status, 200);
    assert!(queue.db.take_batches().is_empty());
}

#[tokio::test]
async fn a_webhook_is_one_read_one_batch_and_one_wake() {
    let queue = TestQueue::live(Plan::default());
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(2_000).await;
    queue.db.take_batches();
    queue.watchers.take_calls();
    let webhook_at = queue.runpod.lock().unwrap().next_webhook_at().unwrap();
    queue.clock.set(webhook_at);
    queue.deliver_webhooks().await;
    assert_eq!(queue.db.take_batches().len(), 2);
    assert_eq!(queue.watchers.take_calls(), ["wake"]);
}

#[tokio::test]
async fn a_job_whose_callback_arrives_sets_three_alarms_and_notes_one_submit() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    // The wake, the look that is not needed, the submit, and the wake that ends the watcher.
    assert_eq!(
        queue.watchers.take_writes(),
        ["alarm", "alarm", "sending", "alarm"]
    );
}

#[tokio::test]
async fn a_keyed_job_whose_callback_arrives_writes_at_most_twelve_rows() {
    let queue = TestQueue::live(Plan::default());
    queue.db.take_rows_written();
    let body = json!({"prompt": "x", "request_id": "k"});
    let id = queue.create(&body).await;
    // The job and its three index entries, and the prompt.
    assert_eq!(queue.db.take_rows_written(), 5);
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded");
    assert_eq!(job["outputs"].as_array().unwrap().len(), 1);
    let later = queue.db.take_rows_written();
    assert!(5 + later <= 12, "{later} rows after the create");
}
