//! `/api/queue/deliveries/…`, `/api/admin/deliveries`, `/api/webhooks/secret`, and how a create
//! names whom to tell.

use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::receiver::Reply;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

const URL: &str = "https://hooks.example/in";
const DAY_MS: u64 = 24 * 3_600_000;

async fn create(queue: &TestQueue, more: &Value) -> Answered {
    let mut body = json!({"prompt": "x"});
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(more);
    queue.post("/api/queue/create", &body).await
}

async fn operate(queue: &TestQueue, method: &str, path: &str, body: &str) -> Answered {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    queue
        .send(request(method, path, &headers, body.to_owned().into()))
        .await
}

#[tokio::test]
async fn every_fault_of_a_webhook_is_named_at_once() {
    let queue = TestQueue::simulated();
    let long = format!("https://hooks.example/{}", "a".repeat(2_048));
    let cases = [
        (json!({"webhook_url": 7}), vec!["/webhook_url"]),
        (
            json!({"webhook_url": "http://hooks.example/"}),
            vec!["/webhook_url"],
        ),
        (
            json!({"webhook_url": "https://169.254.169.254/"}),
            vec!["/webhook_url"],
        ),
        (
            json!({"webhook_url": "https://[::ffff:10.0.0.1]/"}),
            vec!["/webhook_url"],
        ),
        (json!({"webhook_url": "https://2130706433/"}), vec![]),
        (
            json!({"webhook_url": "https://user:word@hooks.example/"}),
            vec!["/webhook_url"],
        ),
        (json!({"webhook_url": long}), vec!["/webhook_url"]),
        (
            json!({"webhook_events_filter": ["job.failed"]}),
            vec!["/webhook_events_filter"],
        ),
        (
            json!({"webhook_url": "x", "webhook_events_filter": ["job.done", "job.failed", 3]}),
            vec![
                "/webhook_events_filter/0",
                "/webhook_events_filter/2",
                "/webhook_url",
            ],
        ),
        (
            json!({"webhook_url": URL, "webhook_events_filter": []}),
            vec!["/webhook_events_filter"],
        ),
    ];
    for (more, expected) in cases {
        let answer = create(&queue, &more).await.json();
        let details = answer["details"].as_array().cloned().unwrap_or_default();
        let paths: Vec<&str> = details
            .iter()
            .filter_map(|one| one["path"].as_str())
            .collect();
        assert_eq!(paths, expected, "{more}");
    }
}

#[tokio::test]
async fn a_session_names_nobody_to_be_told() {
    let queue = TestQueue::simulated();
    let minted = queue.send(request("POST", "/api/session", &[], "".into()));
    let token = minted.await.json()["token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"prompt": "x", "webhook_url": URL});
    let answer = queue.post_with("/api/queue/create", &body, &headers).await;
    assert_eq!(answer.json()["details"][0]["path"], "/webhook_url");
    let secret = queue
        .send(request("GET", "/api/webhooks/secret", &headers, "".into()))
        .await;
    assert_eq!(secret.status, 403);
}

#[tokio::test]
async fn the_same_key_with_another_webhook_is_another_request() {
    let queue = TestQueue::simulated();
    let first = json!({"request_id": "a", "webhook_url": URL});
    let id = create(&queue, &first).await.json()["job_id"].clone();
    assert_eq!(create(&queue, &first).await.json()["job_id"], id);
    let other = json!({"request_id": "a", "webhook_url": format!("{URL}2")});
    assert_eq!(
        create(&queue, &other).await.json()["error"],
        "idempotency_mismatch"
    );
}

#[tokio::test]
async fn a_form_and_the_other_api_name_whom_to_tell_too() {
    let queue = TestQueue::simulated();
    let part = |name: &str, value: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = [
        part("prompt", "x"),
        part("webhook_url", "https://hooks.example/form"),
        part("webhook_events_filter", "[\"job.queued\"]"),
        "--b--".to_owned(),
    ];
    let form = form.concat();
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let sent = queue
        .send(request("POST", "/api/queue/create", &headers, form.into()))
        .await;
    assert_eq!(sent.status, 200, "{}", sent.json());
    let body = json!({"template": "text-to-image", "inputs": {"prompt": "x"},
        "webhook_url": "https://hooks.example/v2", "webhook_events_filter": ["job.queued"]});
    assert_eq!(queue.post("/api/v2/jobs", &body).await.status, 201);
    queue.pass(60_000).await;
    let mut urls: Vec<String> = queue
        .receiver
        .told()
        .iter()
        .map(|one| one.url.clone())
        .collect();
    urls.sort();
    assert_eq!(
        urls,
        ["https://hooks.example/form", "https://hooks.example/v2"]
    );
}

#[tokio::test]
async fn every_try_is_in_the_log_of_its_job() {
    let queue = TestQueue::simulated();
    queue
        .receiver
        .answer_next(&[Reply::Status(302), Reply::Silent]);
    let more = json!({"webhook_url": URL, "webhook_events_filter": ["job.queued"]});
    let id = create(&queue, &more).await.json()["job_id"].clone();
    let id = id.as_str().unwrap();
    queue.pass(3_600_000).await;
    let path = format!("/api/queue/deliveries/{id}");
    let told = queue.get(&path).await.json()["deliveries"][0].clone();
    assert_eq!(told["id"], format!("evt_{id}_1_queued"));
    assert_eq!(
        (&told["type"], &told["state"]),
        (&"job.queued".into(), &"delivered".into())
    );
    let log = told["log"].as_array().unwrap();
    let statuses: Vec<&Value> = log.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(302), &Value::Null, &json!(204)]);
    assert!(
        log[0]["why"].is_string() && log[2]["why"].is_null(),
        "{log:?}"
    );
    let replay = format!("/api/queue/replay/{id}");
    for (method, path) in [("GET", &path), ("POST", &replay)] {
        let answer = operate(&queue, method, path, "").await;
        assert_eq!(answer.status, 404, "another caller's job: {path}");
    }
    let path = format!("/api/admin/jobs/{id}/deliveries");
    let seen = operate(&queue, "GET", &path, "").await.json()["deliveries"][0].clone();
    assert_eq!(seen, told, "the operator sees what the caller sees");
    let path = format!("/api/admin/jobs/{id}/replay");
    let event = json!({ "event": told["id"] }).to_string();
    let again = operate(&queue, "POST", &path, &event).await.json();
    assert_eq!(again["replayed"], 1, "{again:#}");
    let wrong = json!({"event": "evt_x"});
    assert_eq!(queue.post(&replay, &wrong).await.status, 404);
    let others = json!({"event": format!("evt_{id}_9_queued")});
    assert_eq!(queue.post(&replay, &others).await.status, 404);
}

#[tokio::test]
async fn the_operator_sees_what_nobody_took_and_sends_all_of_it_again() {
    let plan: Plan = serde_json::from_value(json!({})).unwrap();
    let queue = TestQueue::live(plan);
    queue.receiver.answer_always(Reply::Status(503));
    let more = json!({"webhook_url": URL, "webhook_events_filter": ["job.queued"]});
    for _ in 0..103 {
        assert_eq!(create(&queue, &more).await.status, 200);
    }
    queue.receiver.answer_next(&[Reply::Status(410)]);
    queue.pass(5 * DAY_MS).await;
    let first = operate(&queue, "GET", "/api/admin/deliveries", "")
        .await
        .json();
    assert_eq!(first["deliveries"].as_array().unwrap().len(), 100);
    let next = first["next_cursor"].as_str().unwrap();
    let path = format!("/api/admin/deliveries?cursor={next}");
    let rest = operate(&queue, "GET", &path, "").await.json();
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 3);
    let wrong = operate(&queue, "GET", "/api/admin/deliveries?cursor=1.x", "").await;
    assert_eq!(wrong.status, 400);

    queue.receiver.answer_always(Reply::Status(200));
    let before = queue.receiver.told().len();
    let path = "/api/admin/deliveries/replay";
    let late = operate(&queue, "POST", path, r#"{"since":"2026-02-01T00:00:00Z"}"#)
        .await
        .json();
    assert_eq!(
        (&late["replayed"], &late["has_more"]),
        (&json!(0), &json!(false))
    );
    let some = operate(&queue, "POST", path, "").await.json();
    assert_eq!(
        (&some["replayed"], &some["has_more"]),
        (&json!(100), &json!(true))
    );
    let rest = operate(&queue, "POST", path, "").await.json();
    assert_eq!(rest["replayed"], 2, "not to the one that is gone");
    queue.pass(60_000).await;
    assert_eq!(queue.receiver.told().len() - before, 102);
}

#[tokio::test]
async fn a_body_stays_below_twenty_thousand_bytes_whatever_a_job_made() {
    let plan = json!({"job": {"outcome": {"multi": {"count": 60}}}});
    let plan: Plan = serde_json::from_value(plan).unwrap();
    let queue = TestQueue::live(plan);
    let labels: serde_json::Map<String, Value> = (0..16)
        .map(|i| (format!("{i:040}"), "\"".repeat(256).into()))
        .collect();
    let more = json!({"webhook_url": URL, "labels": labels});
    assert_eq!(create(&queue, &more).await.status, 200);
    queue.pass(3_600_000).await;
    for told in queue.receiver.told() {
        assert!(told.body.len() <= 20_000, "{}", told.body.len());
        assert_eq!(told.json()["data"]["labels"].as_object().unwrap().len(), 16);
    }
    let last = queue.receiver.told().pop().unwrap().json();
    let shown = last["data"]["outputs"].as_array().unwrap().len() as u64;
    assert!(shown > 5, "as many as there is room for: {shown}");
    let left_out = last["data"]["outputs_left_out"].as_u64().unwrap();
    assert_eq!(shown + left_out, 60);
}

#[tokio::test]
async fn secrets_of_callers_without_a_key_change_with_the_deployments_alone() {
    let queue = TestQueue::simulated();
    let secret = queue.get("/api/webhooks/secret").await.json();
    assert!(
        secret["secret"].as_str().unwrap().starts_with("whsec_"),
        "{secret}"
    );
    assert_eq!(
        queue
            .post("/api/webhooks/secret", &Value::Null)
            .await
            .status,
        409
    );
    let operators = operate(&queue, "GET", "/api/webhooks/secret", "")
        .await
        .json();
    assert_ne!(operators["secret"], secret["secret"]);
}
