//! Runbooks of docs/OPERATIONS.md against a fault made on purpose: what the operator is told to
//! look at is there, and what is told to be done helps.

use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::sqlite::DbFault;
use serde_json::{json, Value};

use super::super::access::make_key;

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value(plan).unwrap())
}

async fn operate(queue: &TestQueue, method: &str, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let body = body.to_string();
    let length = body.len().to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    let body = if method == "GET" { "" } else { body.as_str() };
    let answer = queue
        .send(request(method, path, &headers, body.to_owned().into()))
        .await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    answer.json()
}

/// Lines of one event.
fn events(queue: &TestQueue, event: &str) -> Vec<Value> {
    let lines = queue.log.lines().into_iter();
    let parsed = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    parsed.filter(|line| line["event"] == event).collect()
}

fn submits(queue: &TestQueue) -> u64 {
    queue.runpod.lock().unwrap().counters().submits
}

/// The rows 401 and 404: the jobs wait, the log says why, and they go on by themselves.
#[tokio::test]
async fn a_key_or_an_endpoint_that_is_refused_is_logged_and_the_jobs_wait_for_the_operator() {
    for (status, says) in [(401, "RunPod refused the API key"), (404, "endpoint")] {
        let fault = json!({"on": "run", "times": 2, "fault": {"problem": {"status": status}}});
        let queue = live(json!({ "faults": [fault] }));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(5_000).await;
        let failed = events(&queue, "submit.failed");
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].to_string().contains(says), "{}", failed[0]);
        assert_eq!(queue.job(id).await["status"], "queued");
        let path = format!("/api/admin/jobs/{id}/evidence");
        let record = operate(&queue, "GET", &path, &Value::Null).await["evidence"][0].take();
        assert_eq!(record["response_status"], status);
        // The operator has put it right.
        queue.pass(5 * 60_000).await;
        assert_eq!(queue.job(id).await["status"], "succeeded");
        assert_eq!(submits(&queue), 1, "the refused ones were not taken");
    }
}

/// The row 5xx: the answer is unknown, so it is not repeated; a pause holds back the others.
#[tokio::test]
async fn while_runpod_is_in_trouble_nothing_is_sent_twice_and_a_pause_keeps_the_rest_here() {
    let fault = json!({"on": "run", "fault": {"html": {"status": 502}}, "taken": true});
    let queue = live(json!({ "faults": [fault] }));
    let first = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(100).await;
    operate(&queue, "POST", "/api/admin/pause", &json!({})).await;
    let second = queue.create(&json!({"prompt": "y"})).await;
    queue.pass(10 * 60_000).await;
    assert_eq!(
        queue.job(first).await["status"],
        "succeeded",
        "by its callback"
    );
    assert_eq!(submits(&queue), 1);
    operate(&queue, "POST", "/api/admin/resume", &json!({})).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(second).await["status"], "succeeded");
    assert_eq!(submits(&queue), 2);
}

/// The row of a model that is missing: the job names the file and the cause, and once the inventory
/// is put a workflow that names it is refused before anything is sent.
#[tokio::test]
async fn a_missing_model_has_its_cause_and_with_the_inventory_it_costs_nothing_any_more() {
    let queue = live(json!({"job": {"outcome": "validation_failed"}}));
    let workflow = json!({
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "gone.safetensors"}},
        "2": {"class_type": "EmptyLatentImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "a"}},
    });
    let body = json!({ "workflow": workflow });
    let id = queue.create(&body).await;
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["cause"], "model_missing", "{job:#}");
    assert_eq!(submits(&queue), 1);
    queue.stock().await;
    let refused: Answered = queue.post("/api/queue/create", &body).await;
    assert_eq!(refused.status, 422, "{:#}", refused.json());
    let told = refused.json()["details"].to_string();
    assert!(told.contains("gone.safetensors"), "{told}");
    queue.pass(60_000).await;
    assert_eq!(submits(&queue), 1);
}

/// The row of an overloaded D1: 503 with a pause, the cause in the log, and nothing half done.
#[tokio::test]
async fn an_overloaded_database_is_told_with_a_pause_and_its_cause_is_in_the_log() {
    let queue = live(json!({}));
    let kept = queue.create(&json!({"prompt": "before"})).await;
    queue.db.fail_next(DbFault::Overloaded);
    let refused = queue
        .post("/api/queue/create", &json!({"prompt": "during"}))
        .await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "2");
    let answered = events(&queue, "request.answered");
    let line = answered.iter().find(|line| line["status"] == 503).unwrap();
    assert!(
        line["cause"].as_str().unwrap().contains("overloaded"),
        "{line}"
    );
    queue.pass(60_000).await;
    assert_eq!(queue.job(kept).await["status"], "succeeded");
    assert_eq!(queue.db.query("SELECT id FROM jobs").unwrap().len(), 1);
}

/// The row of cost running away: who asks is seen, a pause stops the spending at once, and the key
/// that had no limit is ended.
#[tokio::test]
async fn a_flood_that_costs_is_stopped_by_a_pause_and_its_key_is_found_and_ended() {
    let queue = live(json!({"job": {"run_ms": 600_000}}));
    let (id, key) = make_key(&queue, "flood", &json!({})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let create = |n: u32| {
        let body = json!({"prompt": n.to_string()});
        let queue = &queue;
        async move { queue.post_with("/api/queue/create", &body, &headers).await }
    };
    for n in 0..5 {
        assert_eq!(create(n).await.status, 200);
    }
    operate(&queue, "POST", "/api/admin/pause", &json!({})).await;
    let before = submits(&queue);
    queue.pass(10 * 60_000).await;
    assert_eq!(submits(&queue), before, "nothing more is bought");
    let keys = operate(&queue, "GET", "/api/admin/keys", &Value::Null).await;
    let unlimited = keys["data"].as_array().unwrap().iter();
    let unlimited = unlimited.filter(|key| key["jobs_per_day"].is_null());
    let owners: Vec<&Value> = unlimited.map(|key| &key["owner"]).collect();
    assert_eq!(owners, [&json!("flood")]);
    let revoke = format!("/api/admin/keys/{id}/revoke");
    operate(&queue, "POST", &revoke, &json!({})).await;
    assert_eq!(create(9).await.status, 401);
}
