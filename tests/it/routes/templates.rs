//! `GET /api/templates…` and `GET /api/gpu/health`.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::workflow::template;
use serde_json::json;

#[tokio::test]
async fn every_template_is_offered_in_order_and_one_is_the_default() {
    let queue = TestQueue::simulated();
    let answer = queue.get("/api/templates").await;
    assert_eq!(answer.status, 200);
    let shown = answer.json();
    let all = shown["templates"].as_array().unwrap();
    let names: Vec<&str> = all.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, template::names().collect::<Vec<_>>());
    let mut defaults = all.iter().filter(|t| t["default"] == true);
    assert_eq!(defaults.next().unwrap()["name"], template::DEFAULT);
    assert!(defaults.next().is_none());
    for template in all {
        for member in ["version", "title", "description", "public"] {
            assert!(!template[member].is_null(), "{member}: {template:#}");
        }
    }
}

#[tokio::test]
async fn one_template_is_its_form_and_the_hash_that_jobs_record() {
    let queue = TestQueue::simulated();
    let path = format!("/api/templates/{}", template::DEFAULT);
    let answer = queue.get(&path).await;
    assert_eq!(answer.status, 200);
    let shown = answer.json();
    assert_eq!(shown["template"]["name"], template::DEFAULT);
    queue.create(&json!({"prompt": "x"})).await;
    let row = queue.db.query("SELECT template_hash FROM jobs").unwrap();
    assert_eq!(shown["hash"], row[0]["template_hash"]);
}

#[tokio::test]
async fn a_template_that_is_not_there_is_not_found() {
    let queue = TestQueue::simulated();
    let answer = queue.get("/api/templates/no-such-template").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"], "not_found");
}

#[tokio::test]
async fn the_health_of_the_gpu_is_what_its_provider_counts() {
    let health = json!({
        "jobs": {"completed": 1, "failed": 2, "inProgress": 3, "inQueue": 4, "retried": 0},
        "workers": {"idle": 5, "initializing": 0, "ready": 6, "running": 7, "throttled": 0},
    });
    let plan: Plan = serde_json::from_value(json!({ "health": health })).unwrap();
    let queue = TestQueue::live(plan);
    let answer = queue.get("/api/gpu/health").await;
    assert_eq!(answer.status, 200);
    let shown = answer.json();
    assert_eq!(shown["provider"], "runpod");
    let expected = json!({
        "reachable": true, "workers_idle": 5, "workers_running": 7, "workers_throttled": 0,
        "workers_unhealthy": 0, "workers_starting": 0, "jobs_queued": 4, "jobs_running": 3,
    });
    assert_eq!(shown["health"], expected);
}
