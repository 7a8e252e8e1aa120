//! How long things are kept, and what is known of them afterwards.

use std::future::Future;
use std::task::{Context, Waker};

use edge_queue::id::JobId;
use edge_queue::queue::purge::{purge, Purged};
use edge_queue::store;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::{json, Value};

const DAY_MS: u64 = 24 * 3_600_000;
/// Until a job is purged: its time, and that of what may still be under way for it.
const KEPT_MS: u64 = 30 * DAY_MS + UNDER_WAY_MS;
const UNDER_WAY_MS: u64 = 10 * 60_000;

/// A job that succeeded, and whose caller was told.
async fn finished(queue: &TestQueue) -> (JobId, Value) {
    let body = json!({"prompt": "x", "webhook_url": "https://hooks.example/"});
    let id = queue.create(&body).await;
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    (id, job)
}

fn counts(queue: &TestQueue) -> Vec<u64> {
    let tables = [
        "jobs",
        "prompts",
        "attempts",
        "outputs",
        "deliveries",
        "tombstones",
    ];
    let count = |table: &&str| {
        let rows = queue
            .db
            .query(&format!("SELECT count(*) AS n FROM {table}"));
        rows.unwrap()[0]["n"].as_u64().unwrap()
    };
    tables.iter().map(count).collect()
}

/// Promise: "Honest unknowns: 404 never existed, 410 expired with `expired_at`".
#[tokio::test]
async fn a_job_is_kept_for_its_time_and_then_answers_gone_and_one_day_nothing() {
    let queue = TestQueue::live(Plan::default());
    let (id, job) = finished(&queue).await;
    assert!(counts(&queue)[4] > 0, "it is written down what was told");
    queue.pass(29 * DAY_MS).await;
    assert_eq!(purge(&queue.app).await.unwrap(), Purged::default());
    let status = format!("/api/queue/status/{id}");
    assert_eq!(queue.get(&status).await.status, 200);

    queue.pass(DAY_MS).await;
    let early = queue.get(&status).await;
    assert_eq!(early.status, 410, "before the purge has come to it");
    queue.pass(UNDER_WAY_MS).await;
    let purged = purge(&queue.app).await.unwrap();
    assert_eq!((purged.jobs, purged.uploads), (1, 0));
    assert_eq!(counts(&queue), [0, 0, 0, 0, 0, 1]);
    assert_eq!(queue.blobs.keys(), [""; 0], "its files are gone, too");

    let gone = queue.get(&status).await;
    let body = gone.json();
    assert_eq!(
        (gone.status.as_u16(), &body["error"]),
        (410, &json!("expired"))
    );
    assert_eq!(body["expired_at"], job["expires_at"], "{body}");
    assert_eq!(early.json()["expired_at"], body["expired_at"]);
    for verb in ["cancel", "retry"] {
        let path = format!("/api/queue/{verb}/{id}");
        assert_eq!(queue.post(&path, &json!({})).await.status, 410, "{verb}");
    }
    // The clients of the Comfy API look for its 404, and caught no `NotFound` of a 410.
    for path in ["", "/workflow", "/events"] {
        let comfy = queue.get(&format!("/api/v2/jobs/{id}{path}")).await;
        let error = &comfy.json()["error"];
        assert_eq!(
            (comfy.status.as_u16(), &error["code"]),
            (404, &json!("not_found"))
        );
        assert_eq!(error["details"]["expired_at"], job["expires_at"], "{error}");
    }

    queue.pass(91 * DAY_MS).await;
    assert_eq!(purge(&queue.app).await.unwrap().tombstones, 1);
    assert_eq!(queue.get(&status).await.status, 404);
    assert_eq!(counts(&queue), [0; 6]);
}

#[tokio::test]
async fn what_cannot_be_purged_keeps_nothing_else() {
    let queue = TestQueue::live(Plan::default());
    let (id, _) = finished(&queue).await;
    queue.pass(KEPT_MS).await;
    purge(&queue.app).await.unwrap();
    queue.pass(91 * DAY_MS).await;
    assert_eq!(counts(&queue)[5], 1, "{id}");
    // The list of the evidence; the tombstone's turn comes after it.
    queue.blobs.fail_next(1);
    assert!(purge(&queue.app).await.is_err());
    assert_eq!(counts(&queue), [0; 6]);
}

#[tokio::test]
async fn a_result_that_is_gone_says_so_to_whoever_had_its_link() {
    let queue = TestQueue::live(Plan::default());
    let (_, job) = finished(&queue).await;
    queue.pass(KEPT_MS).await;
    purge(&queue.app).await.unwrap();
    let key = job["outputs"][0]["key"].as_str().unwrap();
    let link = queue
        .app
        .signer
        .link_query(key, queue.now().plus_ms(DAY_MS));
    let answer = queue.get(&format!("/api/result/{key}?{link}")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (410, &json!("expired"))
    );
    let never = "01931d2e-7c00-7000-8000-000000000001/1/0123456789abcdef/0.png";
    let link = queue
        .app
        .signer
        .link_query(never, queue.now().plus_ms(DAY_MS));
    assert_eq!(
        queue
            .get(&format!("/api/result/{never}?{link}"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn another_callers_tombstone_is_nobodys_business() {
    let queue = TestQueue::live(Plan::default());
    let (id, _) = finished(&queue).await;
    queue.pass(KEPT_MS).await;
    purge(&queue.app).await.unwrap();
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let path = format!("/api/queue/status/{id}");
    let answer = queue.send(request("GET", &path, &headers, "".into())).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_run_is_bounded_and_the_next_one_goes_on() {
    let queue = TestQueue::live(Plan::default());
    for i in 0..250 {
        queue.create(&json!({"prompt": "x", "seed": i})).await;
        queue.pass(1_000).await;
    }
    queue.pass(31 * DAY_MS).await;
    let young = queue.create(&json!({"prompt": "young"})).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(purge(&queue.app).await.unwrap().jobs);
    }
    assert_eq!(runs, [200, 50, 0]);
    assert_eq!(
        queue
            .get(&format!("/api/queue/status/{young}"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_purge_that_dies_between_files_and_rows_is_done_again() {
    let queue = TestQueue::live(Plan::default());
    finished(&queue).await;
    queue.pass(KEPT_MS).await;
    queue.db.fail_next(DbFault::Overloaded);
    assert!(
        purge(&queue.app).await.is_err(),
        "the database is read first"
    );
    queue.blobs.fail_next(1);
    assert!(purge(&queue.app).await.is_err());
    assert_eq!(counts(&queue)[0], 1, "rows stay as long as files may");
    assert_eq!(purge(&queue.app).await.unwrap().jobs, 1);
}

#[tokio::test]
async fn a_job_that_has_not_ended_is_left_alone_however_old() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.clock.advance_ms(31 * DAY_MS);
    assert_eq!(purge(&queue.app).await.unwrap().jobs, 0);
    assert_eq!(
        queue.get(&format!("/api/queue/status/{id}")).await.status,
        200
    );
}

#[tokio::test]
async fn an_upload_goes_after_its_own_time_with_its_bytes() {
    let queue = TestQueue::build(&[("UPLOAD_DAYS", "2")], Plan::default(), 1);
    let (_, job) = finished(&queue).await;
    let picture = queue
        .blobs
        .bytes(job["outputs"][0]["key"].as_str().unwrap());
    let upload = request("POST", "/api/inputs", &[], picture.unwrap().into());
    let answer = queue.send(upload).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let uploads = || {
        let keys = queue.blobs.keys();
        keys.iter().filter(|key| key.starts_with("assets/")).count()
    };
    assert_eq!(uploads(), 1);
    queue.pass(DAY_MS).await;
    assert_eq!(purge(&queue.app).await.unwrap().uploads, 0);
    queue.pass(DAY_MS + 1).await;
    assert_eq!(purge(&queue.app).await.unwrap().uploads, 1);
    assert_eq!(uploads(), 0);
}

/// Whoever sends bytes again is told that they are there. They kept the age of their first upload,
/// so the next purge took them minutes after that answer.
#[tokio::test]
async fn an_upload_that_comes_again_is_kept_as_long_as_a_new_one() {
    let queue = TestQueue::build(&[("UPLOAD_DAYS", "2")], Plan::default(), 1);
    let text = "a text that is uploaded";
    let upload = || queue.send(request("POST", "/api/inputs", &[], text.into()));
    let hash = format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex());
    let body = json!({ "hash": hash });
    let named = || queue.post("/api/v2/assets/from-hash", &body);
    assert_eq!(upload().await.status, 200);
    queue.pass(2 * DAY_MS).await;
    assert_eq!(upload().await.status, 200);
    queue.pass(2 * DAY_MS).await;
    assert_eq!(purge(&queue.app).await.unwrap().uploads, 0);
    assert_eq!(named().await.status, 200);
    queue.pass(2 * DAY_MS).await;
    assert_eq!(purge(&queue.app).await.unwrap().uploads, 0);
    queue.pass(1).await;
    assert_eq!(purge(&queue.app).await.unwrap().uploads, 1);
    assert_eq!(named().await.status, 404);
}

#[tokio::test]
async fn evidence_goes_with_the_jobs_of_its_time() {
    let fault = json!({"on": "run", "times": 1, "fault": {"problem": {"status": 400}}});
    let plan = serde_json::from_value(json!({"faults": [fault]})).unwrap();
    let queue = TestQueue::live(plan);
    queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    assert!(queue
        .blobs
        .keys()
        .iter()
        .any(|key| key.starts_with("evidence/")));
    queue.pass(31 * DAY_MS).await;
    let purged = purge(&queue.app).await.unwrap();
    assert_eq!((purged.jobs, purged.evidence), (1, 1));
    assert_eq!(queue.blobs.keys().len(), 0);
}

#[tokio::test]
async fn days_that_make_no_sense_are_refused_by_name() {
    use edge_queue::config::Config;
    for (setting, days) in [
        ("JOB_DAYS", "0"),
        ("JOB_DAYS", "366"),
        ("UPLOAD_DAYS", "many"),
    ] {
        let vars = |name: &str| match name {
            "ENVIRONMENT" => Some("local".to_owned()),
            name => (name == setting).then(|| days.to_owned()),
        };
        let problems = Config::from_vars(vars).err().unwrap();
        assert_eq!(problems[0].setting, setting);
        assert!(problems[0].problem.contains("1 to 365"), "{problems:?}");
    }
}

/// Nobody would find them afterwards but the sweep, again and again, for a job that is gone.
#[tokio::test]
async fn what_a_job_was_to_tell_goes_with_it() {
    use edge_queue::testing::receiver::Reply;
    let settings = [("JOB_DAYS", "1")];
    let queue = TestQueue::build(&settings, Plan::default(), 1);
    queue.receiver.answer_always(Reply::Down);
    let body = json!({"prompt": "x", "webhook_url": "https://hooks.example/in"});
    queue.create(&body).await;
    queue.pass(DAY_MS + UNDER_WAY_MS + 1).await;
    assert_eq!(purge(&queue.app).await.unwrap().jobs, 1);
    let left = queue.db.query("SELECT 1 AS one FROM deliveries").unwrap();
    assert_eq!(left.len(), 0);
    queue.pass(5 * DAY_MS).await;
    assert_eq!(queue.watchers.next_alarm(), None);
}

/// It was let through in its job's last moment, and a purge beside it took away what the new round
/// was to be sent with.
#[tokio::test]
async fn a_retry_in_the_last_moment_keeps_the_files_of_its_job() {
    let plan = serde_json::from_value(json!({"next": [{"outcome": "node_failed"}]})).unwrap();
    let queue = TestQueue::live(plan);
    let workflow = json!({
        "1": {"class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "note": "x".repeat(300_000)}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    });
    let made_at = queue.now();
    let id = queue.create(&json!({ "workflow": workflow })).await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await["status"], "failed");
    queue.clock.set(made_at.plus_ms(30 * DAY_MS - 1));
    let asked = queue.posting(&format!("/api/queue/retry/{id}"), &json!({}), &[]);
    let mut retry = Box::pin(queue.send(asked));
    // It reaches the database between what the purge reads there and what it deletes.
    queue.db.fail_at("jobs::retry", DbFault::Late(2));
    queue.db.take_batches();
    let is_asked = |sql: &&'static str| store::name(sql) == "jobs::retry";
    let mut context = Context::from_waker(Waker::noop());
    while !queue.db.take_batches().iter().flatten().any(is_asked) {
        assert!(retry.as_mut().poll(&mut context).is_pending());
    }
    queue.clock.advance_ms(1_000);
    assert_eq!(purge(&queue.app).await.unwrap().jobs, 0);
    assert_eq!(retry.await.status, 200);
    queue.pass(60_000).await;
    let rows = queue.db.query("SELECT status, round FROM jobs").unwrap();
    assert_eq!(rows, [json!({"status": "succeeded", "round": 2})]);
}
