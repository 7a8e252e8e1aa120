//! A caller's key for partner nodes: it reaches the worker, and nobody else.

use edge_queue::testing::queue::{Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

use super::error;

const KEY: &str = "comfyui-0123456789abcdef-partner";

fn body(key: &Value) -> Value {
    json!({
        "workflow": {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8}},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        },
        "extra_data": {"api_key_comfy_org": key},
    })
}

async fn submit(queue: &TestQueue, key: &Value) -> Answered {
    let named = [("idempotency-key", "k-1")];
    queue.post_with("/api/v2/jobs", &body(key), &named).await
}

/// Everything that the queue keeps: rows, objects and lines.
fn kept(queue: &TestQueue) -> String {
    let tables = queue
        .db
        .query("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let tables = tables.unwrap();
    let names = tables.iter().map(|row| row["name"].as_str().unwrap());
    let rows = names.map(|name| {
        let rows = queue.db.query(&format!("SELECT * FROM {name}"));
        Value::from(rows.unwrap()).to_string()
    });
    let keys = queue.blobs.keys();
    let blobs = keys.iter().map(|key| {
        let bytes = queue.blobs.bytes(key).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    rows.chain(blobs).chain(queue.log.lines()).collect()
}

#[tokio::test]
async fn a_key_for_partner_nodes_goes_to_the_worker_and_is_kept_nowhere_else() {
    let queue = TestQueue::live(Plan::default());
    let created = submit(&queue, &json!(KEY)).await;
    assert_eq!(created.status, 201, "{}", created.json());
    assert!(!created.json().to_string().contains(KEY));
    queue.pass(200).await;
    {
        let runpod = queue.runpod.lock().unwrap();
        let sent = &runpod.jobs(queue.now())[0];
        assert_eq!(sent.partner_key.as_deref(), Some(KEY));
    }
    queue.pass(10_000).await;
    let path = created.json()["urls"]["self"].as_str().unwrap().to_owned();
    let job = queue.get(&path).await.json();
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let workflow = queue.get(&format!("{path}/workflow")).await.json();
    assert_eq!(workflow["workflow"], body(&json!(KEY))["workflow"]);
    assert!(!kept(&queue).contains(KEY));
    assert_eq!(queue.watchers.secrets(), 0, "gone with the job");
}

#[tokio::test]
async fn another_key_is_the_same_request_and_leaves_nothing() {
    let queue = TestQueue::live(Plan::default());
    let first = submit(&queue, &json!(KEY)).await.json();
    let again = submit(&queue, &json!("another-key")).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json()["id"], first["id"]);
    queue.pass(700_000).await;
    assert_eq!(queue.watchers.secrets(), 0, "the orphan is forgotten, too");
}

#[tokio::test]
async fn a_job_is_not_accepted_without_the_key_that_it_was_given() {
    let queue = TestQueue::live(Plan::default());
    queue.watchers.set_deaf(true);
    let refused = submit(&queue, &json!(KEY)).await;
    assert_eq!(error(&refused), (503, "upstream_error".into()));
    let rows = queue.db.query("SELECT id FROM jobs").unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn extra_data_holds_a_key_and_nothing_else() {
    let queue = TestQueue::live(Plan::default());
    for wrong in [
        json!(7),
        json!(""),
        json!("with blanks"),
        json!("k".repeat(513)),
    ] {
        let refused = submit(&queue, &wrong).await;
        assert_eq!(
            error(&refused),
            (422, "contract_violation".into()),
            "{wrong}"
        );
    }
    let mut more = body(&json!(KEY));
    more["extra_data"]["auth_token_comfy_org"] = json!("s3cret");
    let refused = queue.post("/api/v2/jobs", &more).await;
    assert_eq!(error(&refused), (422, "contract_violation".into()));
    let told = refused.json().to_string();
    assert!(!told.contains("s3cret") && !told.contains(KEY), "{told}");
}
