//! What the operator's console asks: no answer may cost more because there are more jobs.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use serde_json::json;

/// More than one page examines, and fifty times as many.
const SOME: u32 = 2_000;
const MANY: u32 = 100_000;

/// Copies of the newest job, each 20 s older than the last, numbers `from` to `to`; one in ten
/// failed.
fn seed(queue: &TestQueue, from: u32, to: u32) {
    let columns = "SELECT name FROM pragma_table_info('jobs')";
    let columns = queue.db.query(columns).unwrap();
    let names: Vec<&str> = columns.iter().filter_map(|c| c["name"].as_str()).collect();
    let value = |name: &&str| match *name {
        "id" => "printf('%08x-%04x-7000-8000-%012x', at >> 16, at & 65535, n)".to_owned(),
        "request_key" => "NULL".to_owned(),
        "created_at" => "at".to_owned(),
        "status" => "CASE n % 10 WHEN 0 THEN 'failed' ELSE 'succeeded' END".to_owned(),
        "error_json" => "CASE n % 10 WHEN 0 THEN error_json END".to_owned(),
        "settle_nonce" => "'0000000000000000'".to_owned(),
        other => other.to_owned(),
    };
    let values: Vec<String> = names.iter().map(value).collect();
    let sql = format!(
        "WITH RECURSIVE count (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM count
           WHERE n < {to} - 1),
         first AS (SELECT * FROM jobs ORDER BY id DESC LIMIT 1)
         INSERT INTO jobs ({}) SELECT {} FROM (SELECT first.*, n, created_at - n * 20000 AS at
           FROM first, count WHERE n > 0)",
        names.join(", "),
        values.join(", "),
    );
    queue.db.query(&sql).unwrap();
}

/// What each question of the console costs, in steps of SQLite's machine.
async fn costs(queue: &TestQueue, id: &str) -> Vec<(String, i64)> {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let mut costs = Vec::new();
    for path in [
        "/api/admin/jobs?limit=50".to_owned(),
        "/api/admin/jobs?limit=50&status=failed".to_owned(),
        "/api/admin/jobs?limit=50&status=running&template=raw".to_owned(),
        "/api/admin/jobs?limit=50&caller=anonymous".to_owned(),
        "/api/admin/jobs?limit=50&caller=nobody".to_owned(),
        format!("/api/admin/jobs/{id}"),
        format!("/api/admin/jobs/{id}/evidence"),
        format!("/api/admin/jobs/{id}/deliveries"),
        format!("/api/admin/jobs/{id}/recover"),
        "/api/admin/metrics?hours=840".to_owned(),
        "/api/admin/deliveries".to_owned(),
        "/api/metrics".to_owned(),
        "/api/gpu/health".to_owned(),
        "/api/health".to_owned(),
    ] {
        queue.db.take_steps();
        let answer = queue
            .send(request("GET", &path, &headers, Body::empty()))
            .await;
        assert_eq!(answer.status, 200, "{path}: {:#}", answer.json());
        costs.push((path, queue.db.take_steps()));
    }
    costs
}

#[tokio::test]
async fn no_question_of_the_console_costs_more_with_a_hundred_thousand_jobs() {
    let queue = TestQueue::simulated();
    queue.db.stop_counting();
    let body = json!({"prompt": "x", "labels": {"simulate": "fail"}});
    let id = queue.create(&body).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await["status"], "failed");
    let id = id.to_string();
    seed(&queue, 1, SOME);
    let some = costs(&queue, &id).await;
    seed(&queue, SOME, MANY);
    let count = queue.db.query("SELECT count(*) AS jobs FROM jobs").unwrap();
    assert_eq!(count[0]["jobs"], MANY);
    for ((path, few), (_, many)) in some.into_iter().zip(costs(&queue, &id).await) {
        assert!(many <= few + few / 20, "{path}: {few} steps, then {many}");
    }
}
