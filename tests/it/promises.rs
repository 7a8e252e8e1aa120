//! What callers are promised, one test for each; stories elsewhere prove them under faults
//! (`simulation`, `flows`).

use axum::body::Body;
use edge_queue::id::JobId;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{json, Value};

/// Callers that create with one key at the same time.
const CALLERS: usize = 10_000;

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

/// Promise: "Accepted is durable. A 200 on create means the row is committed. The provider is never
/// on the path of create."
#[tokio::test]
async fn accepted_is_durable_and_never_waits_for_the_provider() {
    let down = json!({"on": "any", "times": 1_000_000, "fault": "not_sent"});
    let queue = live(json!({"faults": [down]}));
    let answer = queue
        .post("/api/queue/create", &json!({"prompt": "x"}))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(queue.runpod.lock().unwrap().counters().requests, 0);
    let rows = queue.db.query("SELECT id FROM jobs").unwrap();
    assert_eq!(rows[0]["id"], answer.json()["job_id"]);
    queue.db.fail_next(DbFault::Overloaded);
    let refused = queue
        .post("/api/queue/create", &json!({"prompt": "y"}))
        .await;
    assert_eq!(refused.status, 503, "what is not committed is not accepted");
    assert_eq!(queue.db.query("SELECT id FROM jobs").unwrap().len(), 1);
}

/// Promise: "Idempotent replay … also for 10,000 callers at once (never two jobs)". Every one gets
/// the same bytes but for the request id, which names the call.
#[tokio::test]
async fn ten_thousand_creates_with_one_key_at_once_are_one_job_and_one_answer() {
    let queue = live(json!({}));
    queue.db.stop_counting();
    // A small workflow: a template would take most of the test's time to compile.
    let body = json!({"labels": {"order": "17"}, "workflow": {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }});
    let body = body.to_string();
    let length = body.len().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
        ("idempotency-key", "one"),
        ("x-request-id", "same"),
    ];
    let calls: FuturesUnordered<_> = (0..CALLERS)
        .map(|_| {
            let body = Body::from(body.clone());
            queue.send(request("POST", "/api/queue/create", &headers, body))
        })
        .collect();
    let answers: Vec<_> = calls.collect().await;
    assert_eq!(answers.len(), CALLERS);
    for answer in &answers {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.bytes, answers[0].bytes, "byte by byte the same");
    }
    let replayed = |answer: &&Answered| answer.header("idempotent-replayed") == "true";
    assert_eq!(answers.iter().filter(replayed).count(), CALLERS - 1);
    let rows = queue.db.query("SELECT id FROM jobs").unwrap();
    assert_eq!(rows.len(), 1, "never two jobs");
    queue.pass(60_000).await;
    let id = JobId::parse(rows[0]["id"].as_str().unwrap()).unwrap();
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// Promise: "A refused request burns no key."
#[tokio::test]
async fn a_refused_request_burns_no_key() {
    let queue = live(json!({}));
    let refused = json!({"prompt": "x", "steps": "many", "request_id": "k"});
    assert_eq!(queue.post("/api/queue/create", &refused).await.status, 422);
    queue
        .create(&json!({"prompt": "x", "request_id": "k"}))
        .await;
}

/// Promise: "`succeeded` means downloadable: every output is in R2, with size and hash known,
/// before the status says so."
#[tokio::test]
async fn succeeded_means_downloadable() {
    let queue = live(json!({}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(2_500).await;
    queue.blobs.fail_next(1);
    queue.deliver_webhooks().await;
    assert_ne!(
        queue.job(id).await["status"],
        "succeeded",
        "the store failed"
    );
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded");
    for output in job["outputs"].as_array().unwrap() {
        let result = queue.get(output["url"].as_str().unwrap()).await;
        assert_eq!(result.status, 200);
        assert_eq!(output["size_bytes"], result.bytes.len());
        assert_eq!(
            output["hash"],
            blake3::hash(&result.bytes).to_hex().as_str()
        );
    }
}

/// Promise: "Honest unknowns: 404 never existed …; a job the provider forgot is `failed:
/// provider_lost`." (410 comes with retention.)
#[tokio::test]
async fn unknowns_are_told_honestly() {
    let queue = live(json!({"job": {"forget_after_ms": 1_000, "run_ms": 600_000}}));
    let nobody = queue
        .get("/api/queue/status/0190163d-8694-739b-aea5-966c26f8ad91")
        .await;
    assert_eq!(nobody.status, 404);
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(30 * 60_000).await;
    let job = queue.job(id).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&"failed".into(), &"provider_lost".into())
    );
}

/// Promise: "One attempt at a time, never paid twice by our doing. A submit whose outcome is
/// unknown is not repeated on a timer": its callback finds it instead.
#[tokio::test]
async fn an_unknown_submit_is_adopted_by_its_callback_and_paid_once() {
    let fault = json!({"on": "run", "times": 1, "fault": "lost", "taken": true});
    let queue = live(json!({"job": {"run_ms": 20_000}, "faults": [fault]}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    queue.pass(24 * 3_600_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
}

/// Promise: "Wrong workflows cost nothing: refused at create with every violation at once."
#[tokio::test]
async fn wrong_workflows_cost_nothing() {
    let queue = live(json!({}));
    let workflow = json!({"workflow": {
        "1": {"class_type": "SaveImage", "inputs": {"images": ["9", 0]}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
    }});
    let answer = queue.post("/api/queue/create", &workflow).await;
    assert_eq!(answer.json()["error"], "workflow_invalid");
    assert!(answer.json()["details"].as_array().unwrap().len() >= 2);
    queue.pass(60_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().requests, 0);
}

/// Promise: "Limits: JSON body 10 MiB …, prompt 4,000 characters by default …, 16 labels".
#[tokio::test]
async fn limits_hold_and_are_named() {
    let queue = live(json!({}));
    let labels: serde_json::Map<_, _> = (0..17).map(|n| (format!("k{n}"), "v".into())).collect();
    for (body, status, path) in [
        (json!({"prompt": "x".repeat(4_001)}), 422, "/prompt"),
        (json!({"prompt": "x", "labels": labels}), 422, "/labels"),
        (
            json!({"prompt": "x", "labels": {"k": "v".repeat(257)}}),
            422,
            "/labels/k",
        ),
        (json!({"prompt": "x".repeat(11 << 20)}), 413, ""),
    ] {
        let answer = queue.post("/api/queue/create", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let named = answer.json()["details"][0]["path"].clone();
        assert!(path.is_empty() || named == path, "{named} {path}");
    }
}
