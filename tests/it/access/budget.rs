//! What is counted exactly: jobs a minute, jobs a day, jobs at a time, and the backlog of all.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::ports::Clock;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::sqlite::DbFault;
use futures::future::join_all;
use serde_json::{json, Value};

use super::others::picture;
use super::{call, create, guarded, make_key, refused};

fn body() -> Value {
    json!({"prompt": "x"})
}

fn jobs(queue: &TestQueue) -> usize {
    queue.db.query("SELECT id FROM jobs").unwrap().len()
}

#[tokio::test]
async fn a_thousand_creates_at_once_never_pass_the_budget() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 25})).await;
    let body = body();
    let answers = join_all((0..1_000).map(|_| create(&queue, &key, &body))).await;
    let accepted = answers.iter().filter(|a| a.status == 200).count();
    assert_eq!((accepted, jobs(&queue)), (25, 25));
    for answer in answers.iter().filter(|a| a.status != 200) {
        refused(answer, 402, "budget_exhausted");
    }
    assert_eq!(answers[999].header("retry-after"), "86400");
    assert_eq!(answers[999].header("ratelimit"), "\"day\";r=0;t=86400");
}

/// Files are stored before the row is asked for: a flood of refusals would be a bill all the same.
#[tokio::test]
async fn who_has_used_up_the_day_is_turned_away_without_a_batch() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 1})).await;
    for _ in 0..2 {
        create(&queue, &key, &body()).await;
    }
    queue.db.take_batches();
    let stored = queue.blobs.keys();
    let image = STANDARD.encode(picture());
    let with_file = json!({"template": "qwen-image-edit", "prompt": "x", "image": image});
    for body in [body(), with_file] {
        let answer = create(&queue, &key, &body).await;
        refused(&answer, 402, "budget_exhausted");
        assert_eq!(answer.header("ratelimit"), "\"day\";r=0;t=86400");
    }
    assert!(queue.db.take_batches().is_empty());
    assert_eq!(queue.blobs.keys(), stored);
}

#[tokio::test]
async fn a_budget_is_new_at_midnight_and_what_was_refused_is_not_charged() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 2})).await;
    let wrong = json!({"prompt": "x", "steps": -1});
    refused(
        &create(&queue, &key, &wrong).await,
        422,
        "contract_violation",
    );
    for _ in 0..2 {
        assert_eq!(create(&queue, &key, &body()).await.status, 200);
    }
    refused(
        &create(&queue, &key, &body()).await,
        402,
        "budget_exhausted",
    );
    queue.pass(24 * 3_600_000).await;
    for _ in 0..2 {
        assert_eq!(create(&queue, &key, &body()).await.status, 200);
    }
    refused(
        &create(&queue, &key, &body()).await,
        402,
        "budget_exhausted",
    );
}

#[tokio::test]
async fn a_minute_has_its_own_limit_and_the_answer_says_how_much_is_left() {
    let queue = guarded(&[]);
    let limits = json!({"jobs_per_minute": 2, "jobs_per_day": 100});
    let (_, key) = make_key(&queue, "shop", &limits).await;
    queue.clock.set(queue.now().plus_ms(15_000));
    let first = create(&queue, &key, &body()).await;
    let policy = "\"minute\";q=2;w=60, \"day\";q=100;w=86400";
    assert_eq!(first.header("ratelimit-policy"), policy);
    let left = "\"minute\";r=1;t=45, \"day\";r=99;t=86385";
    assert_eq!(first.header("ratelimit"), left);
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
    let third = create(&queue, &key, &body()).await;
    refused(&third, 429, "rate_limited");
    assert_eq!(third.header("retry-after"), "45");
    assert_eq!(third.json()["retryable"], true);
    queue.pass(45_000).await;
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
}

#[tokio::test]
async fn a_repeat_is_not_charged_and_is_answered_when_nothing_is_left() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 1})).await;
    let keyed = json!({"prompt": "x", "request_id": "k-1"});
    let first = create(&queue, &key, &keyed).await.json()["job_id"].clone();
    let again = create(&queue, &key, &keyed).await;
    assert_eq!(
        (&again.json()["job_id"], again.header("idempotent-replayed")),
        (&first, "true")
    );
    refused(
        &create(&queue, &key, &body()).await,
        402,
        "budget_exhausted",
    );
}

/// The batch runs again when its answer is lost, and must not charge the same job twice.
#[tokio::test]
async fn a_create_whose_commit_was_in_doubt_is_charged_once() {
    for fault in [DbFault::LostBefore, DbFault::LostAfter] {
        let queue = guarded(&[]);
        let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 2})).await;
        let list = call(&queue, "GET", "/api/queue/list", &key, &Value::Null);
        assert_eq!(list.await.status, 200);
        queue.db.fail_next(fault);
        let first = create(&queue, &key, &body()).await;
        assert_eq!(
            first.header("ratelimit"),
            "\"day\";r=1;t=86400",
            "{fault:?}"
        );
        assert_eq!(create(&queue, &key, &body()).await.status, 200);
        refused(
            &create(&queue, &key, &body()).await,
            402,
            "budget_exhausted",
        );
    }
}

#[tokio::test]
async fn one_owner_has_so_many_jobs_at_a_time_whichever_key_it_uses() {
    let queue = guarded(&[]);
    let limited = json!({"live_jobs": 2});
    let (_, one) = make_key(&queue, "shop", &limited).await;
    let (_, two) = make_key(&queue, "shop", &limited).await;
    let (_, other) = make_key(&queue, "studio", &limited).await;
    let body = body();
    let keys = [&one, &two];
    let answers = join_all((0..50).map(|i| create(&queue, keys[i % 2], &body))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 2);
    let answer = answers.last().unwrap();
    refused(answer, 429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(
        create(&queue, &other, &body).await.status,
        200,
        "another owner's"
    );
    queue.pass(60_000).await;
    assert_eq!(
        create(&queue, &one, &body).await.status,
        200,
        "they have ended"
    );
}

/// A retry runs on a GPU as a create does: whoever may not create may not retry either.
#[tokio::test]
async fn a_retry_is_charged_like_a_create() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 2})).await;
    let id = create(&queue, &key, &body()).await.json()["job_id"].clone();
    let path = |verb: &str| format!("/api/queue/{verb}/{}", id.as_str().unwrap());
    for (round, expected) in [(2, 200), (3, 402), (3, 402)] {
        call(&queue, "POST", &path("cancel"), &key, &Value::Null).await;
        queue.pass(60_000).await;
        let answer = call(&queue, "POST", &path("retry"), &key, &Value::Null).await;
        assert_eq!(
            answer.status,
            expected,
            "round {round}: {:#}",
            answer.json()
        );
    }
    let status = call(&queue, "GET", &path("status"), &key, &Value::Null).await;
    assert_eq!(status.json()["job"]["round"], 2);
    refused(
        &create(&queue, &key, &body()).await,
        402,
        "budget_exhausted",
    );
}

#[tokio::test]
async fn a_retry_of_a_job_under_way_is_not_charged() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 2})).await;
    let id = create(&queue, &key, &body()).await.json()["job_id"].clone();
    let retry = format!("/api/queue/retry/{}", id.as_str().unwrap());
    for _ in 0..3 {
        let answer = call(&queue, "POST", &retry, &key, &Value::Null).await;
        assert_eq!(answer.status, 200, "{:#}", answer.json());
    }
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
}

/// What was counted before is no longer believed.
fn count_again(queue: &TestQueue) {
    queue.clock.set(queue.clock.now().plus_ms(5_000));
}

/// The queue was one number for all, and whoever came after it was reached was turned away: one
/// caller that sent ten thousand jobs closed it for everybody.
#[tokio::test]
async fn who_floods_the_queue_has_half_of_it_and_others_still_get_in() {
    let queue = guarded(&[("BACKLOG_MAX", "6"), ("SESSION_JOBS_PER_DAY", "90")]);
    queue.gates.set_silent(true);
    let (_, flood) = make_key(&queue, "flood", &Value::Null).await;
    let (_, other) = make_key(&queue, "shop", &Value::Null).await;
    let keyed = json!({"prompt": "x", "request_id": "k-1"});
    let first = create(&queue, &flood, &keyed).await;
    for _ in 0..2 {
        count_again(&queue);
        assert_eq!(create(&queue, &flood, &body()).await.status, 200);
    }
    let crowd = create(&queue, &flood, &body()).await;
    refused(&crowd, 429, "queue_full");
    assert!(crowd.json()["message"].as_str().unwrap().contains("half"));
    assert_eq!(crowd.header("retry-after"), "30");
    let repeat = create(&queue, &flood, &keyed).await;
    assert_eq!(repeat.json()["job_id"], first.json()["job_id"]);
    for _ in 0..2 {
        count_again(&queue);
        assert_eq!(create(&queue, &other, &body()).await.status, 200);
    }
    // A job that ends makes room, and to try it again takes it like a new one.
    let cancel = format!(
        "/api/queue/cancel/{}",
        first.json()["job_id"].as_str().unwrap()
    );
    let retry = cancel.replace("cancel", "retry");
    assert_eq!(
        call(&queue, "POST", &cancel, &flood, &Value::Null)
            .await
            .status,
        200
    );
    count_again(&queue);
    assert_eq!(create(&queue, &flood, &body()).await.status, 200);
    count_again(&queue);
    assert_eq!(create(&queue, &other, &body()).await.status, 200);
    for key in [&flood, &other] {
        let full = create(&queue, key, &body()).await;
        refused(&full, 429, "queue_full");
    }
    refused(
        &call(&queue, "POST", &retry, &flood, &Value::Null).await,
        429,
        "queue_full",
    );
    assert_eq!(jobs(&queue), 7);
}

/// Anybody has as many sessions as addresses: together they are one caller here, too.
#[tokio::test]
async fn a_flood_of_sessions_has_half_of_the_queue_and_keys_the_other() {
    let queue = guarded(&[("BACKLOG_MAX", "4"), ("SESSION_JOBS_PER_DAY", "90")]);
    queue.gates.set_silent(true);
    let (_, shop) = make_key(&queue, "shop", &Value::Null).await;
    for status in [200, 200, 429] {
        let session = queue.post("/api/session", &json!({})).await.json();
        let session = session["token"].as_str().unwrap();
        let answer = create(&queue, session, &body()).await;
        assert_eq!(answer.status, status, "{:#}", answer.json());
        if jobs(&queue) < 2 {
            count_again(&queue);
        }
    }
    assert_eq!(create(&queue, &shop, &body()).await.status, 200);
}

/// The contract of the Comfy API has one word for who cannot pay: a client that waits for our own
/// word would take the answer for something unknown.
#[tokio::test]
async fn the_comfy_api_calls_a_used_up_budget_insufficient_credits() {
    let queue = guarded(&[]);
    queue.stock().await;
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 1})).await;
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
    let body = json!({"template": "text-to-image", "inputs": {"prompt": "x"}});
    let answer = call(&queue, "POST", "/api/v2/jobs", &key, &body).await;
    assert_eq!(answer.status, 402, "{:#}", answer.json());
    assert_eq!(answer.json()["error"]["code"], "insufficient_credits");
    assert_eq!(answer.header("retry-after"), "86400");
}
