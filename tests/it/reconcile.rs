//! Everything that does not fit together, seeded one at a time, found and mended; and a healthy
//! queue under traffic, in which nothing is found.

mod early;
mod ledgers;

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_queue::id::JobId;
use edge_queue::ports::{BlobLabel, Blobs};
use edge_queue::queue::reconcile::{reconcile, Code, Finding, Part};
use edge_queue::testing::queue::{TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::{Plan, PlanChange};
use serde_json::{json, Value};

const PARTS: [Part; 5] = [
    Part::Jobs,
    Part::Uploads,
    Part::Objects,
    Part::Credits,
    Part::Provider,
];
const HOUR_MS: u64 = 3_600_000;

fn plan(job: &Value) -> Plan {
    serde_json::from_value(json!({ "job": job })).unwrap()
}

/// Every finding of every page.
async fn found(queue: &TestQueue, apply: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in PARTS {
        let mut cursor: Option<String> = None;
        loop {
            let page = reconcile(&queue.app, part, cursor.as_deref(), apply).await;
            let page = page.unwrap();
            findings.extend(page.findings);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    findings
}

/// What is found is `code` alone, and nothing once it has been mended.
async fn found_and_mended(queue: &TestQueue, code: Code) {
    for _ in 0..2 {
        let seen = found(queue, false).await;
        assert!(
            seen.iter().all(|it| it.code == code && !it.mended),
            "{seen:?}"
        );
        assert_eq!(seen.len(), 1, "looking changes nothing");
    }
    let seen = found(queue, true).await;
    assert!(seen.len() == 1 && seen[0].mended, "{seen:?}");
    assert_eq!(found(queue, true).await, [], "twice is the same as once");
}

/// What nothing can mend is told, and left as it is.
async fn found_and_left(queue: &TestQueue, code: Code) {
    for apply in [false, true] {
        let seen = found(queue, apply).await;
        assert!(
            seen.iter().all(|it| it.code == code && !it.mended),
            "{seen:?}"
        );
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].would, None);
    }
}

async fn succeeded(queue: &TestQueue) -> JobId {
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    id
}

fn change(queue: &TestQueue, sql: &str) {
    queue.db.query(sql).unwrap();
}

#[tokio::test]
async fn a_job_without_a_watcher_is_found_and_woken() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.watchers.take_alarm(id);
    queue.clock.advance_ms(2 * 60_000);
    found_and_mended(&queue, Code::JobWithoutWatcher).await;
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// The second finding of a job was told as not mended, because the first one's wake had mended it.
#[tokio::test]
async fn what_one_mending_mends_as_well_is_not_told_as_left() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.watchers.take_alarm(id);
    change(&queue, "UPDATE jobs SET due_at = 1");
    queue.clock.advance_ms(2 * 60_000);
    assert_eq!(found(&queue, false).await.len(), 2);
    let seen = found(&queue, true).await;
    assert!(seen.len() == 1 && seen[0].mended, "{seen:?}");
}

#[tokio::test]
async fn a_finished_job_whose_attempt_may_run_on_is_found_and_its_attempt_is_canceled() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 500_000})));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(5_000).await;
    change(
        &queue,
        "UPDATE jobs SET status = 'canceled', completed_at = 1, version = version + 1",
    );
    queue.watchers.take_alarm(id);
    queue.clock.advance_ms(60_000);
    found_and_mended(&queue, Code::LiveAttempt).await;
    queue.pass(60_000).await;
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.jobs(queue.now())[0].status, "CANCELLED");
}

#[tokio::test]
async fn a_job_that_the_sweep_would_never_find_becomes_due() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 500_000})));
    let id = queue.create(&json!({"prompt": "x"})).await;
    change(&queue, "UPDATE jobs SET due_at = NULL");
    queue.pass(2 * 60_000).await;
    let seen = found(&queue, true).await;
    assert!(
        seen.len() == 1 && seen[0].code == Code::NeverDue && seen[0].mended,
        "{seen:?}"
    );
    queue.pass(20 * 60_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(found(&queue, false).await, []);
}

#[tokio::test]
async fn a_finished_job_that_the_sweep_finds_again_and_again_is_let_go() {
    let queue = TestQueue::live(Plan::default());
    succeeded(&queue).await;
    change(&queue, "UPDATE jobs SET due_at = 1");
    queue.pass(2 * 60_000).await;
    found_and_mended(&queue, Code::DueForNothing).await;
}

#[tokio::test]
async fn a_result_that_is_gone_short_or_changed_is_told() {
    let queue = TestQueue::live(Plan::default());
    let id = succeeded(&queue).await;
    queue.pass(2 * 60_000).await;
    let key = queue.job(id).await["result_key"]
        .as_str()
        .unwrap()
        .to_owned();
    for bytes in [None, Some("other"), Some("")] {
        queue
            .blobs
            .delete(std::slice::from_ref(&key))
            .await
            .unwrap();
        if let Some(bytes) = bytes {
            put(&queue, &key, bytes).await;
        }
        found_and_left(&queue, Code::OutputMissing).await;
    }
}

#[tokio::test]
async fn an_input_that_is_gone_before_its_job_has_ended_is_told() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 500_000})));
    let png = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PMQ0AAAgDMFzN\
               v0AOXCBhCOBokjpoGqFWVBsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAvA5\
               eowABAvfVVAAAAABJRU5ErkJggg==";
    let image = format!("data:image/png;base64,{png}");
    let body = json!({"template": "qwen-image-edit", "prompt": "a hat", "image": image});
    let id = queue.create(&body).await;
    queue.pass(2 * 60_000).await;
    let key = format!("inputs/{id}/0");
    assert!(
        queue.blobs.keys().contains(&key),
        "{:?}",
        queue.blobs.keys()
    );
    queue.blobs.delete(&[key]).await.unwrap();
    found_and_left(&queue, Code::InputMissing).await;
}

#[tokio::test]
async fn an_old_object_that_no_row_points_to_is_deleted_and_a_young_one_is_left_alone() {
    let queue = TestQueue::live(Plan::default());
    let id = succeeded(&queue).await;
    queue.pass(HOUR_MS).await;
    let kept = queue.blobs.keys();
    let nobody = JobId::mint(queue.now(), [1; 10]);
    let orphans = [
        format!("{id}/1/0123456789abcdef/0.png"),
        format!("inputs/{nobody}/0"),
        format!("prompts/{nobody}.json"),
    ];
    for key in &orphans {
        put(&queue, key, "nobody's").await;
    }
    assert_eq!(found(&queue, true).await, [], "they may be half way in");
    queue.clock.advance_ms(HOUR_MS);
    let seen = found(&queue, true).await;
    assert_eq!(seen.len(), orphans.len());
    assert!(
        seen.iter()
            .all(|it| it.code == Code::OrphanObject && it.mended),
        "{seen:?}"
    );
    assert_eq!(queue.blobs.keys(), kept);
}

#[tokio::test]
async fn an_upload_whose_object_is_gone_is_forgotten_so_that_it_can_be_made_again() {
    let queue = TestQueue::live(Plan::default());
    let upload = || async {
        let body = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0@\0\0\x000\x08\x02\0\0\0".to_vec();
        let headers = [("content-type", "image/png")];
        let request =
            edge_queue::testing::queue::request("POST", "/api/inputs", &headers, body.into());
        queue.send(request).await
    };
    assert_eq!(upload().await.status, 200);
    let key = queue.blobs.keys().remove(0);
    queue.pass(HOUR_MS).await;
    queue.blobs.delete(&[key]).await.unwrap();
    found_and_mended(&queue, Code::UploadMissing).await;
    assert_eq!(upload().await.status, 200);
    assert_eq!(queue.blobs.keys().len(), 1);
}

#[tokio::test]
async fn jobs_at_the_provider_that_nobody_here_knows_are_told() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 500_000})));
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(2 * 60_000).await;
    assert_eq!(found(&queue, false).await, []);
    let health =
        json!({"health": {"jobs": {"inProgress": 2, "inQueue": 1}, "workers": {"running": 2}}});
    let health: PlanChange = serde_json::from_value(health).unwrap();
    queue.runpod.lock().unwrap().plan_mut().change(health);
    found_and_left(&queue, Code::UnknownToUs).await;
}

#[tokio::test]
async fn a_healthy_queue_under_traffic_has_no_finding_at_any_moment() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 3_000, "run_ms": 60_000})));
    for round in 0..8 {
        for n in 0..3 {
            let id = queue
                .create(&json!({"prompt": format!("{round} {n}")}))
                .await;
            if n == 2 {
                queue
                    .post(&format!("/api/queue/cancel/{id}"), &Value::Null)
                    .await;
            }
        }
        queue.pass(7_300).await;
        assert_eq!(found(&queue, true).await, [], "round {round}");
    }
    queue.pass(HOUR_MS).await;
    assert_eq!(found(&queue, true).await, []);
    let list = queue.get("/api/queue/list?limit=100").await.json();
    let mut ended = BTreeMap::new();
    for job in list["data"].as_array().unwrap() {
        *ended
            .entry(job["status"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert!(
        ended
            .keys()
            .all(|status| ["succeeded", "canceled"].contains(&&**status)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_mending_stops_where_the_job_has_moved_on() {
    let queue = TestQueue::live(Plan::default());
    succeeded(&queue).await;
    queue.pass(2 * 60_000).await;
    change(&queue, "UPDATE jobs SET due_at = 1");
    let seen = edge_queue::store::jobs::audit(&*queue.db, None, 1)
        .await
        .unwrap();
    change(&queue, "UPDATE jobs SET version = version + 1");
    let mend = edge_queue::store::jobs::mend_due(&*queue.db, &seen[0], queue.now());
    assert!(!mend.await.unwrap());
}

async fn put(queue: &TestQueue, key: &str, bytes: &'static str) {
    let label = BlobLabel {
        content_type: "image/png".into(),
        name: "x".into(),
        hash: Some(blake3::hash(bytes.as_bytes()).to_hex().to_string()),
    };
    queue
        .blobs
        .put(key, Bytes::from(bytes), &label)
        .await
        .unwrap();
}

async fn operate(queue: &TestQueue, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let answer = queue
        .post_with(path, body, &[("authorization", &bearer)])
        .await;
    answer.json()
}

#[tokio::test]
async fn an_operator_alone_reconciles_over_the_api() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.watchers.take_alarm(id);
    queue.clock.advance_ms(2 * 60_000);
    let path = "/api/admin/reconcile";
    let body = json!({"part": "jobs", "cursor": null, "apply": true});
    assert_eq!(queue.post(path, &body).await.status, 401);
    let page = operate(&queue, path, &body).await;
    assert_eq!(
        (&page["examined"], &page["next_cursor"]),
        (&json!(1), &Value::Null)
    );
    let finding = &page["findings"][0];
    assert_eq!(finding["code"], "job_without_watcher");
    assert_eq!(
        (&finding["subject"], &finding["mended"]),
        (&json!(id), &json!(true))
    );
    let refused = operate(&queue, path, &json!({"part": "everything"})).await;
    assert_eq!(refused["error"], "invalid_request");
}
