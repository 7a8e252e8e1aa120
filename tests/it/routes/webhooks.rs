//! `POST /api/webhooks/…`.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue};
use edge_queue::testing::runpod::Plan;
use edge_queue::token::CallbackClaim;
use serde_json::{json, Value};

fn live(job: &Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(json!({ "job": job })).unwrap())
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_unknown() {
    let queue = TestQueue::live(Plan::default());
    let news = json!({"id": "x-u1", "status": "COMPLETED", "output": {}});
    let answer = queue.post("/api/webhooks/runpod/forged-token", &news).await;
    assert_eq!(answer.status, 404);
    let id = queue.create(&json!({"prompt": "x"})).await;
    let never_begun = queue.app.signer.callback(CallbackClaim {
        job: id,
        attempt: 9,
    });
    let answer = queue
        .post(&format!("/api/webhooks/runpod/{never_begun}"), &news)
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn the_same_news_again_changes_nothing() {
    let queue = live(&json!({"webhook": {"copies": 3}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(30_000).await;
    let sql = format!("SELECT version, settle_nonce FROM jobs WHERE id = '{id}'");
    let before = queue.db.query(&sql).unwrap();
    let job = queue.job(id).await;
    assert_eq!(job["outputs"].as_array().unwrap().len(), 1);
    let token = queue.app.signer.callback(CallbackClaim {
        job: id,
        attempt: 1,
    });
    let provider_id = &job["attempts"][0]["provider_id"];
    let late = json!({"id": provider_id, "status": "FAILED", "error": "late"});
    let path = format!("/api/webhooks/runpod/{token}");
    assert_eq!(queue.post(&path, &late).await.status, 200);
    assert_eq!(queue.db.query(&sql).unwrap(), before);
}

#[tokio::test]
async fn garbage_is_taken_and_the_watcher_looks_for_itself() {
    let queue = live(&json!({"webhook": {"copies": 0}, "run_ms": 60_000}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(2_000).await;
    queue.watchers.take_calls();
    let token = queue.app.signer.callback(CallbackClaim {
        job: id,
        attempt: 1,
    });
    let path = format!("/api/webhooks/runpod/{token}");
    for garbage in ["", "[", "null", "{\"id\":5}", "<html>"] {
        let request = request("POST", &path, &[], Body::from(garbage));
        assert_eq!(queue.send(request).await.status, 200, "{garbage}");
    }
    assert_eq!(queue.watchers.take_calls(), ["wake"; 5]);
    queue.pass(100).await;
    assert_eq!(queue.job(id).await["status"], "running");
}

#[tokio::test]
async fn a_job_whose_callback_never_comes_is_found_by_polling() {
    let queue = live(&json!({"webhook": {"copies": 0}, "run_ms": 40_000}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(120_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

#[tokio::test]
async fn a_submit_whose_answer_was_lost_is_adopted_by_its_callback() {
    let plan = json!({"faults": [{"on": "run", "times": 1, "fault": "lost", "taken": true}]});
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
}
