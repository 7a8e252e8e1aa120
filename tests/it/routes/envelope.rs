//! Every answer: the envelope, its request id, its errors, its log line.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

#[tokio::test]
async fn the_callers_request_id_comes_back_and_a_bad_one_does_not() {
    let queue = TestQueue::simulated();
    let health = |id: String| {
        let queue = &queue;
        async move {
            let headers = [("x-request-id", id.as_str())];
            queue
                .send(request("GET", "/api/health", &headers, Body::empty()))
                .await
        }
    };
    let good = health("trace-42".into()).await;
    assert_eq!(good.header("x-request-id"), "trace-42");
    assert_eq!(good.json()["request_id"], "trace-42");
    for bad in ["x".repeat(129), "with space".into()] {
        let answer = health(bad.clone()).await;
        assert_ne!(answer.header("x-request-id"), bad);
        assert_eq!(answer.header("x-request-id"), answer.json()["request_id"]);
    }
}

/// Two uploads of one version of the product looked the same: a deploy could not tell whether the
/// new one answered.
#[tokio::test]
async fn health_says_which_upload_answers() {
    for (settings, expected) in [
        (&[("VERSION_ID", "v-1")][..], json!("v-1")),
        (&[], Value::Null),
    ] {
        let queue = TestQueue::build(settings, Plan::default(), 1);
        assert_eq!(
            queue.get("/api/health").await.json()["version_id"],
            expected
        );
    }
}

#[tokio::test]
async fn an_error_is_the_envelope_and_a_problem_document_in_one() {
    let queue = TestQueue::simulated();
    let headers = [("accept", "application/problem+json")];
    let answer = queue
        .send(request("GET", "/api/nothing", &headers, Body::empty()))
        .await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let shown = answer.json();
    assert_eq!(
        (&shown["ok"], &shown["error"]),
        (&false.into(), &"not_found".into())
    );
    for member in [
        "message",
        "request_id",
        "retryable",
        "type",
        "title",
        "status",
        "detail",
    ] {
        assert!(!shown[member].is_null(), "{member} is missing: {shown}");
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_one() {
    let queue = TestQueue::simulated();
    let answer = queue
        .send(request("PUT", "/api/queue/create", &[], Body::empty()))
        .await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "POST");
    assert_eq!(answer.json()["error"], "method_not_allowed");
}

/// A black-box probe met axum's own refusal: plain text without a request id.
#[tokio::test]
async fn a_path_that_is_no_text_is_refused_in_the_envelope() {
    let queue = TestQueue::simulated();
    for (method, path) in [
        ("GET", "/api/queue/status/%ff"),
        ("POST", "/api/queue/cancel/%ff%fe"),
        ("GET", "/api/result/%ff/x"),
        ("GET", "/api/templates/%ff"),
        ("POST", "/api/webhooks/runpod/%ff"),
    ] {
        let answer = queue.send(request(method, path, &[], Body::empty())).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["error"], "not_found", "{path}");
    }
}

#[tokio::test]
async fn every_line_of_the_log_is_json_with_its_event_and_without_secrets() {
    let queue = TestQueue::live(edge_queue::testing::runpod::Plan::default());
    let headers = [
        ("x-request-id", "trace-7"),
        ("authorization", "Bearer wrong-key"),
    ];
    queue
        .post_with(
            "/api/queue/create",
            &json!({"prompt": "hush hush"}),
            &headers,
        )
        .await;
    let id = queue.create(&json!({"prompt": "hush hush"})).await;
    queue.pass(10_000).await;
    let lines = queue.log.lines();
    let token = queue.app.signer.callback(edge_queue::token::CallbackClaim {
        job: id,
        attempt: 1,
    });
    let delivered = queue.runpod.lock().unwrap().jobs(queue.now());
    let webhook = delivered[0].webhook.as_deref().unwrap();
    assert!(webhook.contains(&token), "the token that was used");
    for line in &lines {
        let parsed: Value = serde_json::from_str(line).unwrap();
        for member in ["level", "event", "ts"] {
            assert!(parsed[member].is_string(), "{line}");
        }
        for secret in ["hush", "mock-key", "wrong-key", token.as_str()] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    let events = [
        "request.answered",
        "job.created",
        "job.submitted",
        "callback.heard",
    ];
    for event in events.into_iter().chain(["job.finished"]) {
        let told = lines
            .iter()
            .any(|line| line.contains(&format!("\"{event}\"")));
        assert!(told, "{event} was not logged");
    }
    assert!(lines.iter().any(|line| line.contains(&id.to_string())));
}

#[tokio::test]
async fn a_deployment_outside_this_machine_asks_for_a_key() {
    let secret = "0123456789abcdef0123456789abcdef";
    let settings = [
        ("ENVIRONMENT", "production"),
        ("TOKEN_SECRETS", secret),
        ("RUNPOD_API_KEY", "mock-key"),
        ("ADMIN_KEY", secret),
    ];
    let plan = edge_queue::testing::runpod::Plan::default();
    let queue = TestQueue::build(&settings, plan, 1);
    let answer = queue
        .post("/api/queue/create", &json!({"prompt": "x"}))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let bearer = format!("Bearer {secret}");
    let headers = [("authorization", bearer.as_str())];
    let answer = queue
        .post_with("/api/queue/create", &json!({"prompt": "x"}), &headers)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json());
}
