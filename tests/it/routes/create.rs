//! `POST /api/queue/create`.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::id::JobId;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::{json, Value};

use super::uploads::picture;

async fn refused(body: &Value, status: u16, error: &str) -> Value {
    let queue = TestQueue::simulated();
    let answer = queue.post("/api/queue/create", body).await;
    let shown = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &shown["error"]),
        (status, &error.into()),
        "{shown:#}"
    );
    assert_eq!(queue.db.query("SELECT id FROM jobs").unwrap().len(), 0);
    shown
}

fn paths(shown: &Value) -> Vec<&str> {
    let details = shown["details"].as_array().unwrap();
    details
        .iter()
        .map(|detail| detail["path"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let body = json!({
        "prompt": "x".repeat(5_000), "steps": -5, "seed": "many", "colour": "red",
        "labels": {"bad key": "v", "k": 5}, "priority": 99,
    });
    let shown = refused(&body, 422, "contract_violation").await;
    let mut found = paths(&shown);
    found.sort_unstable();
    let expected = [
        "/colour",
        "/labels/bad key",
        "/labels/k",
        "/priority",
        "/prompt",
        "/seed",
        "/steps",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_template_that_is_nearly_right_is_suggested() {
    let body = json!({"template": "qwen-image-edi", "prompt": "x"});
    let shown = refused(&body, 422, "contract_violation").await;
    assert_eq!(paths(&shown), ["/template"]);
    assert!(
        shown["message"]
            .as_str()
            .unwrap()
            .contains("qwen-image-edit"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    for body in [json!([]), json!(null), json!(42), json!("x")] {
        refused(&body, 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn a_workflow_is_refused_before_a_gpu_starts() {
    let graph = json!({"workflow": {"nodes": [], "links": [], "version": 0.4}});
    refused(&graph, 422, "workflow_format_ui").await;
    let dangling = json!({"workflow": {
        "1": {"class_type": "SaveImage", "inputs": {"images": ["9", 0]}},
    }});
    refused(&dangling, 422, "workflow_invalid").await;
}

#[tokio::test]
async fn a_workflow_runs_verbatim_and_its_caller_sees_its_own_names() {
    let queue = TestQueue::live(Plan::default());
    let workflow = json!({
        "3": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "mine"}},
    });
    let id = queue.create(&json!({"workflow": workflow})).await;
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["outputs"][0]["node_id"], "9", "{job:#}");
    assert_eq!(job["outputs"][0]["name"], "mine_00001_.png");
}

#[tokio::test]
async fn the_same_key_returns_the_same_job_and_answer() {
    let queue = TestQueue::live(Plan::default());
    let header = [("idempotency-key", "\"k-1\"")];
    let first = queue
        .post_with("/api/queue/create", &json!({"prompt": "a"}), &header)
        .await;
    queue.pass(10_000).await;
    let body = json!({"request_id": "k-1", "prompt": "a"});
    let again = queue.post("/api/queue/create", &body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    let (mut first, mut again) = (first.json(), again.json());
    assert_ne!(first["request_id"].take(), again["request_id"].take());
    assert_eq!(first, again);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let queue = TestQueue::simulated();
    let header = [("idempotency-key", "k")];
    queue
        .post_with("/api/queue/create", &json!({"prompt": "a"}), &header)
        .await;
    let other = queue
        .post_with("/api/queue/create", &json!({"prompt": "b"}), &header)
        .await;
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["error"], "idempotency_mismatch");
    let both = json!({"prompt": "a", "request_id": "other"});
    let both = queue.post_with("/api/queue/create", &both, &header).await;
    assert_eq!(both.status, 400);
}

#[tokio::test]
async fn a_refused_create_burns_no_key() {
    let queue = TestQueue::simulated();
    let bad = json!({"prompt": "a", "steps": -1, "request_id": "k"});
    assert_eq!(queue.post("/api/queue/create", &bad).await.status, 422);
    queue
        .create(&json!({"prompt": "a", "request_id": "k"}))
        .await;
}

#[tokio::test]
async fn two_callers_never_share_a_key() {
    let queue = TestQueue::simulated();
    let body = json!({"prompt": "a", "request_id": "k"});
    let mine = queue.create(&body).await;
    let bearer = format!("Bearer {}", edge_queue::testing::queue::ADMIN_KEY);
    let headers = [("authorization", bearer.as_str())];
    let other = queue.post_with("/api/queue/create", &body, &headers).await;
    let other = other.json()["job_id"].as_str().unwrap().to_owned();
    assert_ne!(other, mine.to_string());
    let status = queue.get(&format!("/api/queue/status/{other}")).await;
    assert_eq!(status.status, 404, "another caller's job is not there");
}

#[tokio::test]
async fn a_job_too_large_for_the_provider_is_refused_and_names_its_input() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0".to_vec();
    png.resize(7_470_000, 7);
    let image = STANDARD.encode(&png);
    let body = json!({"template": "qwen-image-edit", "prompt": "x", "image": image});
    let queue = TestQueue::simulated();
    let answer = queue.post("/api/queue/create", &body).await;
    let shown = answer.json();
    let named = shown["details"][0]["path"].as_str().unwrap();
    assert!(named.contains("image"), "{shown:#}");
    assert!(answer.status == 413 || answer.status == 422, "{shown:#}");
    assert!(queue.blobs.keys().is_empty(), "nothing is left behind");
}

/// The first answer was lost, the job stood, and its repeat was refused: it was taken for not
/// recorded, its files were deleted, and nobody woke it.
#[tokio::test]
async fn a_commit_in_doubt_stays_so_when_its_repeat_is_refused() {
    let queue = TestQueue::simulated();
    queue.db.fail_next(DbFault::LostAfter);
    queue.db.fail_next(DbFault::Overloaded);
    let body = json!({"template": "qwen-image-edit", "inputs": {"prompt": "x"},
        "images": [{"name": "image", "image": STANDARD.encode(picture())}]});
    let answer = queue.post("/api/queue/create", &body).await;
    assert_eq!(answer.status, 503, "{:#}", answer.json());
    let id = answer.json()["job_id"].as_str().and_then(JobId::parse);
    queue.pass(60_000).await;
    assert_eq!(queue.job(id.unwrap()).await["status"], "succeeded");
}
