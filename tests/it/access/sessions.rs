//! What anybody may do who opens a page: sessions cost nothing, so that nothing may depend on how
//! many somebody has.

use axum::body::Body;
use edge_queue::ports::Rate;
use edge_queue::queue::purge::purge;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use futures::future::join_all;
use serde_json::{json, Value};

use super::pages::session;
use super::{call, create, guarded, make_key, refused};

const DAY_MS: u64 = 24 * 3_600_000;

/// A call from an address; of a body its length is told.
async fn from(queue: &TestQueue, address: &str, what: [&str; 3], body: &Value) -> Answered {
    let [method, path, key] = what;
    let (bearer, body) = (format!("Bearer {key}"), body.to_string());
    let length = body.len().to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("cf-connecting-ip", address),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    queue
        .send(request(method, path, &headers, Body::from(body)))
        .await
}

async fn create_from(queue: &TestQueue, address: &str, key: &str) -> Answered {
    let what = ["POST", "/api/queue/create", key];
    from(queue, address, what, &json!({"prompt": "x"})).await
}

#[tokio::test]
async fn each_session_has_a_few_jobs_at_a_time_and_together_they_have_a_share() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "40")]);
    let body = json!({"prompt": "x"});
    let first = session(&queue).await;
    for _ in 0..3 {
        assert_eq!(create(&queue, &first, &body).await.status, 200);
    }
    refused(&create(&queue, &first, &body).await, 429, "rate_limited");
    let second = session(&queue).await;
    for _ in 0..2 {
        assert_eq!(create(&queue, &second, &body).await.status, 200);
    }
    let answer = create(&queue, &session(&queue).await, &body).await;
    refused(&answer, 402, "budget_exhausted");
}

/// A visitor made a session for every three jobs, and nobody else had any that day.
#[tokio::test]
async fn one_visitor_uses_up_a_share_of_the_day_and_leaves_the_others_theirs() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "40")]);
    let mut made = 0;
    for _ in 0..20 {
        let key = session(&queue).await;
        made += usize::from(create_from(&queue, "203.0.113.7", &key).await.status == 200);
    }
    assert_eq!(made, 5, "an eighth");
    let others = (0..200).map(|n| format!("198.51.100.{n}"));
    let mut served = 5;
    for address in others {
        let key = session(&queue).await;
        served += usize::from(create_from(&queue, &address, &key).await.status == 200);
    }
    assert_eq!(served, 40, "the whole day, and no more");
}

#[tokio::test]
async fn calls_of_sessions_are_counted_by_the_address_they_come_from() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "40")]);
    let keys = [session(&queue).await, session(&queue).await];
    queue.limiter.allow_at_most(2);
    queue.limiter.take_calls();
    for (address, key, expected) in [
        ("203.0.113.7", &keys[0], 200),
        ("203.0.113.7", &keys[1], 200),
        ("203.0.113.7", &keys[1], 429),
        ("203.0.113.8", &keys[1], 200),
    ] {
        let what = ["GET", "/api/queue/list", key];
        let answer = from(&queue, address, what, &Value::Null).await;
        assert_eq!(answer.status, expected, "{address}");
    }
    let counted = queue.limiter.take_calls();
    assert_eq!(counted[0], (Rate::Session, "203.0.113.7".to_owned()));
}

/// A token that was taken from its browser could be renewed for ever.
#[tokio::test]
async fn a_session_is_renewed_until_it_is_half_a_year_old() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "40")]);
    let mut token = session(&queue).await;
    let mut months = 0;
    loop {
        queue.pass(30 * DAY_MS).await;
        let answer = call(&queue, "POST", "/api/session", &token, &Value::Null).await;
        if answer.json()["renewed"] != true {
            break;
        }
        months += 1;
        let until = answer.json()["renewable_until_ms"].as_i64().unwrap();
        let born = queue.now().get() - i64::try_from(months * 30 * DAY_MS).unwrap();
        assert!(until <= born + i64::try_from(180 * DAY_MS).unwrap());
        token = answer.json()["token"].as_str().unwrap().to_owned();
    }
    assert_eq!(months, 5);
}

#[tokio::test]
async fn a_session_uploads_so_many_files_and_a_key_as_many_as_it_likes() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "800")]);
    let token = session(&queue).await;
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    for i in 0..50 {
        let text = json!({ "note": i });
        for shown in [&token, &key] {
            let answer = call(&queue, "POST", "/api/inputs", shown, &text).await;
            assert_eq!(answer.status, 200, "{:#}", answer.json());
        }
    }
    let one_more = json!("one more");
    let answer = call(&queue, "POST", "/api/inputs", &token, &one_more).await;
    refused(&answer, 403, "forbidden");
    let v2 = call(&queue, "POST", "/api/v2/assets", &token, &one_more).await;
    assert!(v2.status.is_client_error());
    let answer = call(&queue, "POST", "/api/inputs", &key, &one_more).await;
    assert_eq!(answer.status, 200);
    let other = session(&queue).await;
    let answer = call(&queue, "POST", "/api/inputs", &other, &one_more).await;
    assert_eq!(answer.status, 200, "another page has its own");
    let large = json!("x".repeat(10 << 20));
    let answer = call(&queue, "POST", "/api/inputs", &other, &large).await;
    refused(&answer, 413, "payload_too_large");
    assert_eq!(
        call(&queue, "POST", "/api/inputs", &key, &large)
            .await
            .status,
        200
    );
}

/// Fifty were looked for before an upload, and a hundred at once each found none; and a hundred
/// sessions had fifty each.
#[tokio::test]
async fn uploads_of_sessions_have_a_limit_and_a_budget_however_many_come_at_once() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "400")]);
    let token = session(&queue).await;
    let files: Vec<Value> = (0..100).map(|n| json!({ "note": n })).collect();
    let uploads = files
        .iter()
        .map(|file| call(&queue, "POST", "/api/inputs", &token, file));
    let answers = join_all(uploads).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        50
    );
    let kept = queue.db.query("SELECT key FROM assets").unwrap().len();
    assert_eq!(
        (kept, queue.blobs.keys().len()),
        (50, 50),
        "nothing else stays"
    );

    // Of four for each of the share's fifty jobs a hundred have been begun.
    let mut stored = 0;
    for n in 0..120 {
        let key = session(&queue).await;
        let answer = call(&queue, "POST", "/api/inputs", &key, &json!({ "other": n })).await;
        if answer.status == 200 {
            stored += 1;
        } else {
            refused(&answer, 402, "budget_exhausted");
            assert_eq!(answer.header("retry-after"), "86400");
        }
    }
    assert_eq!(stored, 100);
    queue.pass(DAY_MS).await;
    let key = session(&queue).await;
    let answer = call(&queue, "POST", "/api/inputs", &key, &json!("a new day")).await;
    assert_eq!(answer.status, 200);
}

/// A simulated deployment whose sessions pay with credits.
fn shop(credits: &str) -> TestQueue {
    guarded(&[
        ("ENVIRONMENT", "staging"),
        ("PROVIDER", "simulated"),
        ("SESSION_CREDITS", credits),
    ])
}

/// The reservation was written before the charge was refused, and given back after it: two rows for
/// each create of somebody who had been told to wait.
#[tokio::test]
async fn what_a_limit_or_too_few_credits_refuse_writes_no_row() {
    for (credits, jobs, refusal) in [
        ("9", 3, (429, "rate_limited")),
        ("1", 1, (402, "insufficient_credits")),
    ] {
        let queue = shop(credits);
        let token = session(&queue).await;
        let slow = json!({"prompt": "x", "labels": {"simulate": "slow"}});
        for _ in 0..jobs {
            assert_eq!(create(&queue, &token, &slow).await.status, 200);
        }
        queue.db.take_rows_written();
        for _ in 0..5 {
            refused(&create(&queue, &token, &slow).await, refusal.0, refusal.1);
        }
        assert_eq!(queue.db.take_rows_written(), 0, "{}", refusal.1);
    }
}

#[tokio::test]
async fn the_books_of_a_session_go_when_nobody_can_be_it_any_more_and_those_of_owners_stay() {
    let queue = shop("5");
    let bought = json!({"credits": 10, "id": "press-1"});
    for _ in 0..2 {
        let token = session(&queue).await;
        let paid = call(&queue, "POST", "/api/credits/purchase", &token, &bought).await;
        assert_eq!(paid.status, 200, "{:#}", paid.json());
    }
    let grant = json!({"owner": "shop", "credits": 5, "id": "invoice-1"});
    super::operate(&queue, "/api/admin/credits", &grant).await;
    let rows = |table: &str| {
        let rows = queue
            .db
            .query(&format!("SELECT owner FROM {table}"))
            .unwrap();
        rows.len()
    };
    queue.clock.set(queue.now().plus_ms(209 * DAY_MS));
    purge(&queue.app).await.unwrap();
    assert_eq!((rows("credits"), rows("grants")), (3, 3));
    queue.clock.set(queue.now().plus_ms(2 * DAY_MS));
    assert_eq!(purge(&queue.app).await.unwrap().ledgers, 2);
    assert_eq!((rows("credits"), rows("grants")), (1, 1));
}
