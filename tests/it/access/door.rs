//! Where a key may stand, and where it never does.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use futures::future::join_all;
use serde_json::{json, Value};

use super::{call, create, guarded, make_key, operate, refused, SECRET};

#[tokio::test]
async fn a_key_in_a_url_is_refused_although_it_is_good() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "5")]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let session = queue.post("/api/session", &json!({})).await.json();
    let token = session["token"].as_str().unwrap();
    for query in [
        format!("?key={key}"),
        "?wait=1&access_token=open-sesame".to_owned(),
        "?api_key=anything".to_owned(),
        format!("?label.x={key}"),
        format!("?anything={token}"),
    ] {
        let path = format!("/api/queue/list{query}");
        let answer = call(&queue, "GET", &path, &key, &Value::Null).await;
        refused(&answer, 400, "invalid_request");
        let none = queue.get(&path).await;
        refused(&none, 400, "invalid_request");
        assert!(!none.json().to_string().contains(&key[16..64]));
    }
}

#[tokio::test]
async fn only_bearer_and_only_the_header_opens() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let send = |name: &'static str, value: String| {
        let queue = &queue;
        async move {
            let headers = [(name, value.as_str())];
            let request = request("GET", "/api/queue/list", &headers, Body::empty());
            queue.send(request).await.status.as_u16()
        }
    };
    for (name, value, expected) in [
        ("authorization", format!("Bearer {key}"), 200),
        ("authorization", format!("bearer  {key} "), 200),
        ("authorization", key.clone(), 401),
        ("authorization", format!("Basic {key}"), 401),
        ("authorization", format!("Bearer {key},{key}"), 401),
        ("authorization", "Bearer ".to_owned(), 401),
        ("authorization", format!("Bearer \u{e9}{key}"), 401),
        ("cookie", format!("key={key}"), 401),
        ("x-forwarded-authorization", format!("Bearer {key}"), 401),
    ] {
        assert_eq!(send(name, value.clone()).await, expected, "{name}: {value}");
    }
}

/// What a caller sends must not become a header, or a second line of the log.
#[tokio::test]
async fn nothing_that_is_sent_becomes_a_header_or_a_line() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let evil = "a\r\nset-cookie: owned=1\r\n\r\n{\"event\":\"job.created\"}";
    let body = json!({
        "prompt": evil, "labels": {"note": evil}, "request_id": evil, "template": evil,
    });
    let answer = create(&queue, &key, &body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.headers.get("set-cookie").is_none());
    for path in [
        "/api/queue/status/a%0d%0aset-cookie:%20owned=1",
        "/api/result/a%0d%0aset-cookie:%20owned=1",
        "/api/queue/list?cursor=a%0d%0aset-cookie:%20owned=1",
        "/api/admin/keys?cursor=a%0d%0aset-cookie:%20owned=1",
    ] {
        let answer = call(&queue, "GET", path, &key, &Value::Null).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
    }
    for line in queue.log.lines() {
        assert!(!line.contains('\n') && !line.contains('\r'), "{line}");
        let parsed: Value = serde_json::from_str(&line).unwrap();
        assert_ne!(parsed["event"], "job.created");
    }
}

/// Everything secret that is in use, in a run in which all of it is used, well and badly.
#[tokio::test]
async fn no_line_of_the_log_tells_a_key_a_token_or_a_signature() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "5")]);
    let prompt = json!({"prompt": "a violet lighthouse"});
    let (id, key) = make_key(&queue, "shop", &json!({"jobs_per_day": 2})).await;
    let rotated = operate(&queue, &format!("/api/admin/keys/{id}/rotate"), &json!({})).await;
    let rotated = rotated.json()["secret"].as_str().unwrap().to_owned();
    let session = queue.post("/api/session", &json!({})).await.json();
    let session = session["token"].as_str().unwrap().to_owned();
    for shown in [&key, &rotated, &session, &rotated, "a-stranger", ADMIN_KEY] {
        create(&queue, shown, &prompt).await;
    }
    call(&queue, "POST", "/api/session", &session, &Value::Null).await;
    queue.get(&format!("/api/queue/list?key={key}")).await;
    queue.pass(10_000).await;
    let list = call(&queue, "GET", "/api/queue/list", &key, &Value::Null)
        .await
        .json();
    let job = list["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/queue/status/{job}");
    let shown = call(&queue, "GET", &path, &key, &Value::Null).await.json();
    let link = shown["job"]["result_url"].as_str().unwrap().to_owned();
    assert_eq!(queue.get(&link).await.status, 200);
    operate(
        &queue,
        &format!("/api/admin/keys/{id}/revoke"),
        &Value::Null,
    )
    .await;
    create(&queue, &key, &prompt).await;

    let signature = link.split("sig=").nth(1).unwrap().to_owned();
    let mut secrets = vec![
        SECRET,
        ADMIN_KEY,
        "mock-key",
        "a-stranger",
        "violet",
        &signature,
    ];
    for text in [&key, &rotated] {
        secrets.extend([text.as_str(), &text[16..64]]);
    }
    secrets.push(&session);
    let tokens = callback_tokens(&queue);
    secrets.extend(tokens.iter().map(String::as_str));
    assert!(!tokens.is_empty());
    let lines = queue.log.lines();
    for event in ["key.created", "key.rotated", "key.revoked", "job.finished"] {
        let named = format!("\"{event}\"");
        assert!(lines.iter().any(|line| line.contains(&named)), "{event}");
    }
    for line in &lines {
        for secret in &secrets {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

fn callback_tokens(queue: &TestQueue) -> Vec<String> {
    let jobs = queue.runpod.lock().unwrap().jobs(queue.now());
    let webhooks = jobs.iter().filter_map(|job| job.webhook.as_deref());
    let last = |url: &str| url.rsplit('/').next().map(str::to_owned);
    webhooks.filter_map(last).collect()
}

/// Staging painted its pictures itself, and strangers ran workflows of their own on it.
#[tokio::test]
async fn a_simulated_deployment_outside_this_machine_asks_for_a_key_unless_it_is_told_not_to() {
    let open = |keyless: &'static str| {
        let mut settings = vec![("ENVIRONMENT", "staging"), ("PROVIDER", "simulated")];
        settings.push(("KEYLESS", keyless));
        guarded(&settings)
    };
    for (queue, expected) in [
        (open("off"), 401),
        (open("on"), 200),
        (TestQueue::simulated(), 200),
    ] {
        let answer = queue.get("/api/queue/list").await;
        assert_eq!(answer.status, expected);
    }
}

/// Each look at the workers was a call to the provider, for whoever had opened a page.
#[tokio::test]
async fn however_many_ask_for_the_workers_the_provider_is_asked_once() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "5")]);
    let session = queue.post("/api/session", &json!({})).await.json();
    let token = session["token"].as_str().unwrap();
    let asked = || queue.runpod.lock().unwrap().counters().requests;
    for (pause_ms, expected) in [(0, 1), (1_000, 1), (8_000, 2)] {
        queue.clock.set(queue.now().plus_ms(pause_ms));
        let looks = (0..50).map(|_| call(&queue, "GET", "/api/gpu/health", token, &Value::Null));
        for answer in join_all(looks).await {
            assert_eq!(answer.status, 200, "{:#}", answer.json());
        }
        assert_eq!(asked(), expected);
    }
}
