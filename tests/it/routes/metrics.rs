//! `/api/metrics`, `/api/admin/metrics` and `/api/admin/jobs`.

use axum::body::Body;
use edge_queue::queue::metrics;
use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

const HOUR_MS: u64 = 3_600_000;

fn priced() -> TestQueue {
    let settings = [("PROVIDER", "simulated"), ("GPU_USD_PER_SECOND", "0.001")];
    TestQueue::build(&settings, Plan::default(), 1)
}

async fn operate(queue: &TestQueue, method: &str, path: &str) -> Answered {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    queue
        .send(request(method, path, &headers, Body::empty()))
        .await
}

fn text(answer: &Answered) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

async fn rows(queue: &TestQueue) -> Vec<Value> {
    metrics::count(&queue.app).await.unwrap();
    let answer = operate(queue, "GET", "/api/admin/metrics").await.json();
    answer["rows"].as_array().unwrap().clone()
}

fn jobs(rows: &[Value], status: &str) -> u64 {
    let alike = rows.iter().filter(|row| row["status"] == status);
    alike.map(|row| row["jobs"].as_u64().unwrap()).sum()
}

async fn one_that_fails(queue: &TestQueue) {
    let body = json!({"prompt": "x", "labels": {"simulate": "fail"}});
    queue.create(&body).await;
}

#[tokio::test]
async fn an_hour_is_counted_by_template_and_end_however_often() {
    let queue = priced();
    queue.create(&json!({"prompt": "one"})).await;
    queue.create(&json!({"prompt": "two"})).await;
    one_that_fails(&queue).await;
    assert_eq!(jobs(&rows(&queue).await, "queued"), 3);
    queue.pass(10_000).await;
    for _ in 0..3 {
        let found = rows(&queue).await;
        assert_eq!(jobs(&found, "succeeded"), 2);
        assert_eq!(jobs(&found, "failed"), 1);
        assert_eq!(jobs(&found, "queued"), 0);
        let paid: u64 = found
            .iter()
            .map(|row| row["paid_ms"].as_u64().unwrap())
            .sum();
        assert_eq!(paid, 3 * 1_800);
    }
}

#[tokio::test]
async fn a_job_that_ends_in_a_later_hour_is_counted_where_it_began() {
    let queue = priced();
    queue
        .create(&json!({"prompt": "x", "labels": {"simulate": "slow"}}))
        .await;
    assert_eq!(jobs(&rows(&queue).await, "queued"), 1);
    queue.pass(2 * HOUR_MS).await;
    let found = rows(&queue).await;
    assert_eq!(jobs(&found, "succeeded"), 1);
    assert_eq!(found.len(), 1);
}

// Cron may not run for hours: what happened meanwhile is counted afterwards.
#[tokio::test]
async fn hours_that_nobody_counted_are_counted_later() {
    let queue = priced();
    for _ in 0..30 {
        queue.create(&json!({"prompt": "x"})).await;
        queue.pass(HOUR_MS).await;
    }
    for _ in 0..10 {
        metrics::count(&queue.app).await.unwrap();
    }
    let answer = operate(&queue, "GET", "/api/admin/metrics?hours=48").await;
    assert_eq!(
        jobs(answer.json()["rows"].as_array().unwrap(), "succeeded"),
        30
    );
}

// By the hour, 100,000 jobs of 35 days were 40,000 rows: the console showed half of them, and half
// of what they had cost, and said nothing.
#[tokio::test]
async fn more_than_two_days_are_told_by_the_day() {
    let queue = priced();
    for _ in 0..30 {
        queue.create(&json!({"prompt": "x"})).await;
        queue.pass(HOUR_MS).await;
    }
    for _ in 0..10 {
        metrics::count(&queue.app).await.unwrap();
    }
    let answer = operate(&queue, "GET", "/api/admin/metrics?hours=49").await;
    let answer = answer.json();
    let rows = answer["rows"].as_array().unwrap();
    let mut days: Vec<i64> = rows
        .iter()
        .map(|row| row["hour"].as_i64().unwrap())
        .collect();
    assert!(days.is_sorted_by(|a, b| a >= b), "{days:?}");
    days.dedup();
    assert!(days.iter().all(|hour| hour % 24 == 0), "{days:?}");
    assert!((2..=3).contains(&days.len()), "{days:?}");
    assert_eq!(jobs(rows, "succeeded"), 30);
    let paid = rows.iter().map(|row| row["paid_ms"].as_u64().unwrap());
    assert_eq!(paid.sum::<u64>(), 30 * 1_800);
}

#[tokio::test]
async fn counters_since_the_first_job_never_fall() {
    let queue = priced();
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    metrics::count(&queue.app).await.unwrap();
    let ended = "edge_queue_jobs_ended_total{template=\"text-to-image\",status=\"succeeded\"} 1\n";
    for days in [0, 30, 10] {
        queue.pass(days * 24 * HOUR_MS).await;
        for _ in 0..50 {
            metrics::count(&queue.app).await.unwrap();
        }
        let text = text(&operate(&queue, "GET", "/api/metrics").await);
        assert!(text.contains(ended), "{days}: {text}");
    }
    assert!(rows(&queue).await.is_empty());
}

#[tokio::test]
async fn prometheus_reads_histograms_and_costs() {
    let queue = priced();
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    metrics::count(&queue.app).await.unwrap();
    let answer = operate(&queue, "GET", "/api/metrics").await;
    let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = text(&answer);
    for line in [
        "# TYPE edge_queue_job_execution_seconds histogram",
        "edge_queue_job_execution_seconds_bucket{template=\"text-to-image\",le=\"1\"} 0",
        "edge_queue_job_execution_seconds_bucket{template=\"text-to-image\",le=\"2\"} 1",
        "edge_queue_job_execution_seconds_bucket{template=\"text-to-image\",le=\"+Inf\"} 1",
        "edge_queue_job_execution_seconds_sum{template=\"text-to-image\"} 1.8",
        "edge_queue_job_execution_seconds_count{template=\"text-to-image\"} 1",
        "edge_queue_gpu_seconds_total{template=\"text-to-image\"} 1.8",
        "edge_queue_cost_usd_total{template=\"text-to-image\"} 0.0018",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn a_job_says_what_it_may_cost_and_what_it_did() {
    let queue = priced();
    let id = queue.create(&json!({"prompt": "x"})).await;
    let before = queue.job(id).await["cost"].clone();
    assert_eq!(before, json!({"estimate_usd": 0.015, "actual_usd": null}));
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["cost"]["actual_usd"], json!(0.0018));
}

#[tokio::test]
async fn an_operator_sees_cancels_and_retries_every_job_and_nobody_else_does() {
    let queue = priced();
    let id = queue.create(&json!({"prompt": "x"})).await;
    for path in ["/api/admin/jobs", "/api/admin/metrics", "/api/metrics"] {
        assert_eq!(queue.get(path).await.status, 401, "{path}");
    }
    let found = operate(&queue, "GET", "/api/admin/jobs").await.json();
    assert_eq!(found["data"][0]["caller"], "anonymous");
    assert_eq!(found["data"][0]["job"]["id"], id.to_string());
    let of = |caller| format!("/api/admin/jobs?caller={caller}&status=queued");
    let count = |answer: Answered| answer.json()["data"].as_array().unwrap().len();
    assert_eq!(count(operate(&queue, "GET", &of("anonymous")).await), 1);
    assert_eq!(count(operate(&queue, "GET", &of("somebody")).await), 0);

    let path = format!("/api/queue/status/{id}");
    assert_eq!(
        operate(&queue, "GET", &path).await.status,
        404,
        "not its own"
    );
    let path = format!("/api/admin/jobs/{id}/cancel");
    assert_eq!(queue.post(&path, &Value::Null).await.status, 401);
    let canceled = operate(&queue, "POST", &path).await.json();
    assert_eq!(canceled["job"]["status"], "canceled");
    let path = format!("/api/admin/jobs/{id}/retry");
    assert_eq!(operate(&queue, "POST", &path).await.status, 200);
    queue.pass(10_000).await;
    let path = format!("/api/admin/jobs/{id}");
    let job = operate(&queue, "GET", &path).await.json()["job"].clone();
    assert_eq!(job["status"], "succeeded");
    let link = job["result_url"].as_str().unwrap();
    assert_eq!(queue.get(link).await.status, 200);
    let nobody = format!("/api/admin/jobs/{}", "01931d2e-7c00-7000-8000-000000000001");
    assert_eq!(operate(&queue, "GET", &nobody).await.status, 404);
}

#[tokio::test]
async fn hours_are_a_whole_number_within_what_is_kept() {
    let queue = priced();
    for wrong in ["0", "841", "many", "-1"] {
        let path = format!("/api/admin/metrics?hours={wrong}");
        assert_eq!(operate(&queue, "GET", &path).await.status, 400, "{wrong}");
    }
}
