//! What refusals, repeats and strangers could make somebody pay: objects, rows, calls to the
//! provider.

use axum::body::Body;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

use super::others::picture;
use super::pages::session;
use super::{call, create, guarded, make_key, refused};

fn with_file(more: &Value) -> Value {
    let image = STANDARD.encode(picture());
    let mut body = json!({"template": "qwen-image-edit", "prompt": "x", "image": image});
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Files are stored before the row that they are for. Whoever had as many jobs as it may have at a
/// time paid for none of the objects that each further create wrote and took away again.
#[tokio::test]
async fn a_create_that_will_be_refused_stores_nothing_on_its_way() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "80"), ("CREDITS", "on")]);
    queue.gates.set_silent(true);
    let (_, busy) = make_key(&queue, "shop", &json!({"live_jobs": 1})).await;
    assert_eq!(
        create(&queue, &busy, &with_file(&Value::Null)).await.status,
        200
    );
    let poor = session(&queue).await;
    refused(
        &create(&queue, &poor, &json!({"prompt": "x"})).await,
        402,
        "insufficient_credits",
    );
    for (key, status, code) in [
        (&busy, 429, "rate_limited"),
        (&poor, 402, "insufficient_credits"),
    ] {
        // Whatever asks the object store fails, and tells so.
        queue.blobs.fail_next(1);
        refused(
            &create(&queue, key, &with_file(&Value::Null)).await,
            status,
            code,
        );
        queue.blobs.fail_next(0);
    }
}

/// A repeat is charged to nobody: with its files it cost as much as the first time.
#[tokio::test]
async fn a_repeat_with_its_files_stores_none_of_them() {
    let queue = guarded(&[]);
    queue.gates.set_silent(true);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 5})).await;
    let keyed = with_file(&json!({"request_id": "k-1"}));
    let first = create(&queue, &key, &keyed).await;
    queue.blobs.fail_next(1);
    let again = create(&queue, &key, &keyed).await;
    assert_eq!(
        again.json()["job_id"],
        first.json()["job_id"],
        "{:#}",
        again.json()
    );
    let other = with_file(&json!({"request_id": "k-1", "seed": 7}));
    refused(
        &create(&queue, &key, &other).await,
        422,
        "idempotency_mismatch",
    );
}

/// As many jobs of somebody else's as these wait.
fn crowd(queue: &TestQueue, jobs: u32) {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {jobs})
         INSERT INTO jobs (id, caller, fingerprint, template, template_version, template_hash,
           protocol, inputs_json, files_json, outputs_json, labels_json, prompt_hash,
           prompt_in_blob, priority, provider, endpoint, created_at, execution_limit_ms,
           start_by_ms, usual_ms, opened_at, due_at)
         SELECT printf('01931d2e-7c00-7000-8000-%012d', i), 'crowd', '', 'raw', '0', '', 'comfyui',
           'null', '[]', '[]', '{{}}', '', 0, 0, 'runpod', 'mock', 1, 1, 1, 1, 1, 9e15 FROM n"
    );
    queue.db.query(&sql).unwrap();
}

/// How many jobs a caller has was counted among all that wait, three times for each create of a
/// stranger, refused or not: the longer the queue, the dearer.
#[tokio::test]
async fn a_refusal_reads_no_more_rows_the_longer_the_queue_is() {
    let steps = async |waiting: u32| {
        let queue = guarded(&[("SESSION_JOBS_PER_DAY", "80")]);
        queue.gates.set_silent(true);
        crowd(&queue, waiting);
        let token = session(&queue).await;
        let body = json!({"prompt": "x"});
        for _ in 0..3 {
            assert_eq!(create(&queue, &token, &body).await.status, 200);
        }
        queue.db.take_steps();
        for _ in 0..3 {
            refused(&create(&queue, &token, &body).await, 429, "rate_limited");
        }
        queue.db.take_steps()
    };
    let (short, long) = (steps(10).await, steps(2_000).await);
    assert!(
        long <= short + 100,
        "{short} steps, and {long} in a long queue"
    );
}

async fn upload(queue: &TestQueue, key: &str, bytes: &'static [u8]) -> Answered {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let sent = request("POST", "/api/inputs", &headers, Body::from(bytes));
    queue.send(sent).await
}

/// Anybody has a session, and what it sends is handed on under the name of the deployment.
#[tokio::test]
async fn strangers_send_pictures_films_sounds_and_texts_and_no_programs() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "80")]);
    let stranger = session(&queue).await;
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    for file in [
        &b"MZ\x90\0\x03\0\0\0"[..],
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"%PDF-1.7\n",
    ] {
        let answer = upload(&queue, &stranger, file).await;
        refused(&answer, 415, "unsupported_media_type");
        assert_eq!(upload(&queue, &key, file).await.status, 200);
    }
    assert_eq!(upload(&queue, &stranger, b"a text").await.status, 200);
    let form = "--b\r\ncontent-disposition: form-data; name=\"file_path\"\r\n\r\na.bin\r\n--b\r\n\
        content-disposition: form-data; name=\"content_type\"\r\n\r\nx/y\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\0\u{1}\u{2}\r\n\
        --b--\r\n";
    for (shown, expected) in [(&stranger, 422), (&key, 201)] {
        let bearer = format!("Bearer {shown}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "multipart/form-data; boundary=b"),
        ];
        let sent = request("POST", "/api/v2/assets", &headers, Body::from(form));
        let answer = queue.send(sent).await;
        assert_eq!(answer.status, expected, "{:#}", answer.json());
    }
}

/// A key with ten jobs a day could store what it liked, for two months.
#[tokio::test]
async fn a_key_with_so_many_jobs_a_day_has_so_many_uploads() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 1})).await;
    for n in 0..16 {
        let answer = call(&queue, "POST", "/api/inputs", &key, &json!({ "n": n })).await;
        assert_eq!(answer.status, 200, "{n}: {:#}", answer.json());
    }
    let answer = call(&queue, "POST", "/api/inputs", &key, &json!("one more")).await;
    refused(&answer, 402, "budget_exhausted");
    assert_eq!(queue.blobs.keys().len(), 16);
}

/// Without a key there was no limit at all: not of jobs, nor of bytes.
#[tokio::test]
async fn callers_without_a_key_have_the_strangers_share_of_the_day() {
    let queue = guarded(&[
        ("ENVIRONMENT", "staging"),
        ("PROVIDER", "simulated"),
        ("KEYLESS", "on"),
        ("SESSION_JOBS_PER_DAY", "8"),
    ]);
    assert_eq!(
        queue
            .post("/api/queue/create", &json!({"prompt": "x"}))
            .await
            .status,
        200
    );
    let answer = queue
        .post("/api/queue/create", &json!({"prompt": "x"}))
        .await;
    refused(&answer, 402, "budget_exhausted");
    for n in 0..4 {
        assert_eq!(
            queue.post("/api/inputs", &json!({ "n": n })).await.status,
            200
        );
    }
    refused(
        &queue.post("/api/inputs", &json!("more")).await,
        402,
        "budget_exhausted",
    );
}

/// Each was two rows that somebody kept for half a year.
#[tokio::test]
async fn strangers_buy_no_oftener_a_day_than_they_have_jobs() {
    let queue = guarded(&[
        ("ENVIRONMENT", "staging"),
        ("PROVIDER", "simulated"),
        ("SESSION_JOBS_PER_DAY", "16"),
    ]);
    let (first, second) = (session(&queue).await, session(&queue).await);
    let bought = json!({"credits": 10});
    for (token, status) in [(&first, 200), (&second, 200), (&first, 402), (&second, 402)] {
        queue.db.take_rows_written();
        let answer = call(&queue, "POST", "/api/credits/purchase", token, &bought).await;
        assert_eq!(answer.status, status, "{:#}", answer.json());
        assert!(status == 200 || queue.db.take_rows_written() == 0);
    }
    queue.pass(24 * 3_600_000).await;
    let fresh = session(&queue).await;
    let answer = call(&queue, "POST", "/api/credits/purchase", &fresh, &bought).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
}

/// Each wake of a watcher may be a call to the provider, which takes only so many: a page that
/// repeated what it had asked for could use up everybody's.
#[tokio::test]
async fn what_is_asked_again_and_again_asks_the_provider_once() {
    let plan = json!({"job": {"run_ms": 600_000}});
    let settings = [
        ("ENVIRONMENT", "production"),
        ("TOKEN_SECRETS", super::SECRET),
    ];
    let plan = serde_json::from_value::<Plan>(plan).unwrap();
    let queue = TestQueue::build(&settings, plan, 1);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let keyed = json!({"prompt": "x", "request_id": "k-1"});
    let id = create(&queue, &key, &keyed).await.json()["job_id"].clone();
    let id = id.as_str().unwrap().to_owned();
    queue.pass(120_000).await;
    let asked = || queue.runpod.lock().unwrap().counters().requests;
    let before = asked();
    for _ in 0..20 {
        assert_eq!(create(&queue, &key, &keyed).await.status, 200);
        let replay = format!("/api/queue/replay/{id}");
        let told = call(&queue, "POST", &replay, &key, &json!({})).await;
        assert_eq!(told.json()["replayed"], 0);
        queue.pass(10).await;
    }
    assert_eq!(asked(), before, "nothing has changed");

    // A cancel that the provider does not confirm is asked again by the watcher, in its own time.
    let away = json!([{"on": "cancel", "fault": {"problem": {"status": 500}}, "times": 1_000}]);
    let deaf: Plan = serde_json::from_value(json!({ "faults": away })).unwrap();
    *queue.runpod.lock().unwrap().plan_mut() = deaf;
    let cancel = format!("/api/queue/cancel/{id}");
    for _ in 0..20 {
        let answer = call(&queue, "POST", &cancel, &key, &Value::Null).await;
        assert_eq!(answer.json()["job"]["status"], "canceling");
        queue.pass(10).await;
    }
    assert_eq!(asked(), before + 1, "one cancel");
}
