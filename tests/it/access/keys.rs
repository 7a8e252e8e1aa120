//! API keys: made, shown once, found by their hash, rotated, revoked.

use edge_queue::ports::Rate;
use edge_queue::queue::identify::{self, Trust};
use serde_json::{json, Value};

use super::{call, create, guarded, make_key, operate, refused};

const BODY: &str = r#"{"prompt":"x"}"#;

fn body() -> Value {
    serde_json::from_str(BODY).unwrap()
}

#[tokio::test]
async fn a_fresh_deployment_makes_its_first_key_with_the_operators() {
    let queue = guarded(&[]);
    let answer = queue.post("/api/queue/create", &body()).await;
    refused(&answer, 401, "unauthorized");
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let answer = create(&queue, &key, &body()).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    let rows = queue.db.query("SELECT caller FROM jobs").unwrap();
    assert_eq!(rows[0]["caller"], "shop");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_only_its_hash_is_kept() {
    let queue = guarded(&[]);
    let (id, key) = make_key(&queue, "shop", &json!({"expires_in_s": 60})).await;
    let secret = &key[16..64];
    let list = call(
        &queue,
        "GET",
        "/api/admin/keys",
        super::ADMIN_KEY,
        &Value::Null,
    )
    .await;
    let shown = list.json()["data"][0].clone();
    assert_eq!(shown["id"], id);
    assert_eq!(shown["scopes"], json!(["jobs:write", "jobs:read"]));
    assert_eq!(shown["expires_at"], "2026-01-01T00:01:00.000Z");
    let rows = queue.db.query("SELECT * FROM api_keys").unwrap();
    let kept = serde_json::to_string(&rows).unwrap();
    for place in [shown.to_string(), kept, queue.log.lines().join("\n")] {
        assert!(!place.contains(secret), "{place}");
        assert!(!place.contains(&key), "{place}");
    }
}

#[tokio::test]
async fn every_mistake_in_a_new_key_is_named_at_once() {
    let queue = guarded(&[]);
    for owner in [
        "operator",
        "anonymous",
        "session:1",
        "Shop",
        "a b",
        "../x",
        "",
    ] {
        let body = json!({
            "owner": owner, "name": "two\r\nlines", "scopes": ["jobs:everything"],
            "jobs_per_day": 0, "expires_in_s": 0,
        });
        let answer = operate(&queue, "/api/admin/keys", &body).await;
        refused(&answer, 400, "invalid_request");
        let shown = answer.json();
        let details = shown["details"].as_array().unwrap();
        let paths: Vec<_> = details
            .iter()
            .map(|d| d["path"].as_str().unwrap())
            .collect();
        let expected = [
            "/owner",
            "/name",
            "/scopes/0",
            "/jobs_per_day",
            "/expires_in_s",
        ];
        assert_eq!(paths, expected);
    }
    let misspelt = json!({"owner": "a", "name": "a", "scopes": ["admin"], "jobs_per_dya": 5});
    let answer = operate(&queue, "/api/admin/keys", &misspelt).await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(queue.db.query("SELECT id FROM api_keys").unwrap().len(), 0);
}

#[tokio::test]
async fn a_key_with_a_wrong_character_costs_no_read() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    queue.db.take_batches();
    let mut wrong = key.clone().into_bytes();
    wrong[20] = if wrong[20] == b'0' { b'1' } else { b'0' };
    let wrong = String::from_utf8(wrong).unwrap();
    for wrong in [
        wrong.as_str(),
        &key[..71],
        "eqk_",
        "eqk_; DROP TABLE api_keys",
    ] {
        refused(&create(&queue, wrong, &body()).await, 401, "unauthorized");
    }
    assert!(queue.db.take_batches().is_empty());
}

#[tokio::test]
async fn an_isolate_reads_a_key_once_in_thirty_seconds() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let job = create(&queue, &key, &body()).await.json()["job_id"].clone();
    let path = format!("/api/queue/status/{}", job.as_str().unwrap());
    let mut reads = Vec::new();
    for passed_ms in [0, 29_000, 1_000, 0] {
        queue.pass(passed_ms).await;
        queue.db.take_batches();
        let status = call(&queue, "GET", &path, &key, &Value::Null).await;
        assert_eq!(status.status, 200);
        reads.push(queue.db.take_batches().len());
    }
    assert_eq!(reads, [1, 1, 2, 1]);
}

#[tokio::test]
async fn a_keyed_create_is_one_batch_and_writes_no_more_rows_than_another() {
    let queue = guarded(&[]);
    let (_, free) = make_key(&queue, "shop", &json!({})).await;
    let (_, counted) = make_key(&queue, "shop", &json!({"jobs_per_day": 9})).await;
    for (key, rows) in [(free, 4), (counted, 5)] {
        create(&queue, &key, &body()).await;
        queue.db.take_batches();
        queue.db.take_rows_written();
        let answer = create(&queue, &key, &body()).await;
        assert_eq!(answer.status, 200, "{:#}", answer.json());
        assert_eq!(queue.db.take_batches().len(), 1);
        // Without a request key: the row, two index entries, the prompt; the account's row.
        assert_eq!(queue.db.take_rows_written(), rows);
    }
}

#[tokio::test]
async fn a_revoked_key_creates_nothing_from_that_moment_and_soon_reads_nothing() {
    let queue = guarded(&[]);
    let (id, key) = make_key(&queue, "shop", &json!({})).await;
    let job = create(&queue, &key, &body()).await.json()["job_id"].clone();
    let path = format!("/api/queue/status/{}", job.as_str().unwrap());
    // As another isolate does it: this one still believes what it read.
    let revoke = format!("UPDATE api_keys SET revoked_at = 1 WHERE id = '{id}'");
    queue.db.query(&revoke).unwrap();
    refused(&create(&queue, &key, &body()).await, 401, "unauthorized");
    assert_eq!(queue.db.query("SELECT id FROM jobs").unwrap().len(), 1);
    assert!(queue
        .blobs
        .keys()
        .iter()
        .all(|key| !key.starts_with("inputs/")));
    queue.pass(30_000).await;
    refused(
        &call(&queue, "GET", &path, &key, &Value::Null).await,
        401,
        "unauthorized",
    );
}

/// It was believed for half a minute where it was remembered: long enough to make another key,
/// which nobody had revoked.
#[tokio::test]
async fn a_revoked_key_operates_nothing_from_that_moment() {
    let queue = guarded(&[]);
    let (id, key) = make_key(&queue, "ops", &json!({"scopes": ["admin"]})).await;
    let another = json!({"owner": "thief", "name": "x", "scopes": ["admin"]});
    let asked = [
        ("GET", "/api/admin/keys", &Value::Null),
        ("POST", "/api/admin/keys", &another),
    ];
    for (method, path, body) in asked {
        assert_eq!(call(&queue, method, path, &key, body).await.status, 200);
    }
    // As another isolate does it.
    let revoke = format!("UPDATE api_keys SET revoked_at = 1 WHERE id = '{id}'");
    queue.db.query(&revoke).unwrap();
    for (method, path, body) in asked {
        let answer = call(&queue, method, path, &key, body).await;
        refused(&answer, 401, "unauthorized");
    }
    assert_eq!(queue.db.query("SELECT id FROM api_keys").unwrap().len(), 2);
}

#[tokio::test]
async fn a_revocation_here_is_known_here_at_once_and_twice_is_once() {
    let queue = guarded(&[]);
    let (id, key) = make_key(&queue, "shop", &json!({})).await;
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
    let path = format!("/api/admin/keys/{id}/revoke");
    let first = operate(&queue, &path, &Value::Null).await.json()["key"].clone();
    assert!(first["revoked_at"].is_string());
    let list = call(&queue, "GET", "/api/queue/list", &key, &Value::Null).await;
    refused(&list, 401, "unauthorized");
    queue.pass(5_000).await;
    assert_eq!(
        operate(&queue, &path, &Value::Null).await.json()["key"],
        first
    );
    let none = operate(&queue, "/api/admin/keys/000000000000/revoke", &Value::Null).await;
    refused(&none, 404, "not_found");
    let rotated = operate(
        &queue,
        &format!("/api/admin/keys/{id}/rotate"),
        &Value::Null,
    )
    .await;
    refused(&rotated, 409, "conflict");
}

#[tokio::test]
async fn both_secrets_are_good_while_a_key_is_rotated_and_the_new_one_at_once() {
    let queue = guarded(&[]);
    let (id, old) = make_key(&queue, "shop", &json!({})).await;
    assert_eq!(create(&queue, &old, &body()).await.status, 200);
    let path = format!("/api/admin/keys/{id}/rotate");
    let rotated = operate(&queue, &path, &json!({"grace_s": 3_600}))
        .await
        .json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(
        rotated["key"]["old_secret_until"],
        "2026-01-01T01:00:00.000Z"
    );
    for key in [&old, &new] {
        assert_eq!(create(&queue, key, &body()).await.status, 200);
    }
    queue.pass(3_600_000).await;
    refused(&create(&queue, &old, &body()).await, 401, "unauthorized");
    assert_eq!(create(&queue, &new, &body()).await.status, 200);
}

/// Another isolate remembers the key with its old secret, and must not refuse the new one for that.
#[tokio::test]
async fn a_new_secret_is_known_where_the_old_one_is_remembered() {
    let queue = guarded(&[]);
    let (id, old) = make_key(&queue, "shop", &json!({})).await;
    let path = format!("/api/admin/keys/{id}/rotate");
    let rotated = operate(&queue, &path, &json!({"grace_s": 0})).await.json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    refused(&create(&queue, &old, &body()).await, 401, "unauthorized");
    assert_eq!(create(&queue, &new, &body()).await.status, 200);
    let again = operate(&queue, &path, &json!({"grace_s": 60})).await.json();
    // The isolate that did not rotate.
    let stale = identify::bearer(&queue.app, &new, "a", Trust::Memory).await;
    assert!(stale.is_ok());
    assert_eq!(
        create(&queue, again["secret"].as_str().unwrap(), &body())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let queue = guarded(&[]);
    let (_, key) = make_key(&queue, "shop", &json!({"expires_in_s": 10})).await;
    assert_eq!(create(&queue, &key, &body()).await.status, 200);
    queue.pass(10_000).await;
    refused(&create(&queue, &key, &body()).await, 401, "unauthorized");
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_and_the_answer_names_the_one_that_is_missing() {
    let queue = guarded(&[]);
    let id = "01931d2e-7c00-7000-8000-000000000001";
    let result = format!("/api/result/{id}/1/0123456789abcdef/0.png");
    let status = format!("/api/queue/status/{id}");
    let events = format!("/api/queue/events/{id}");
    let (cancel, retry) = (
        format!("/api/queue/cancel/{id}"),
        format!("/api/queue/retry/{id}"),
    );
    let evidence = format!("/api/admin/jobs/{id}/evidence");
    let recover = format!("/api/admin/jobs/{id}/recover");
    let routes = [
        ("jobs:read", "GET", status.as_str()),
        ("jobs:read", "GET", &events),
        ("jobs:read", "GET", "/api/queue/list"),
        ("jobs:read", "GET", &result),
        ("jobs:read", "HEAD", &result),
        ("jobs:read", "GET", "/api/gpu/health"),
        ("jobs:write", "POST", "/api/queue/create"),
        ("jobs:write", "POST", &cancel),
        ("jobs:write", "POST", &retry),
        ("jobs:write", "POST", "/api/inputs"),
        ("admin", "GET", &evidence),
        ("admin", "POST", &recover),
        ("admin", "POST", "/api/admin/sweep"),
        ("admin", "GET", "/api/admin/keys"),
        ("admin", "POST", "/api/admin/keys"),
        ("admin", "POST", "/api/admin/keys/000000000000/revoke"),
        ("admin", "POST", "/api/admin/keys/000000000000/rotate"),
    ];
    for scope in ["jobs:read", "jobs:write", "workflows:raw", "admin"] {
        let (_, key) = make_key(&queue, "shop", &json!({"scopes": [scope]})).await;
        for (wanted, method, path) in routes {
            let answer = call(&queue, method, path, &key, &Value::Null).await;
            if wanted == scope {
                assert_ne!(answer.status, 403, "{scope} {method} {path}");
            } else {
                assert_eq!(answer.status, 403, "{scope} {method} {path}");
                let message = answer.json()["message"].as_str().map(str::to_owned);
                let named = message.is_none_or(|text| text.contains(wanted));
                assert!(named || method == "HEAD", "{}", answer.json());
            }
        }
    }
}

#[tokio::test]
async fn a_workflow_of_ones_own_needs_its_scope() {
    let queue = guarded(&[]);
    let body = json!({"workflow": {"1": {"class_type": "SaveImage", "inputs": {}}}});
    let (_, plain) = make_key(&queue, "shop", &json!({})).await;
    let answer = create(&queue, &plain, &body).await;
    refused(&answer, 403, "forbidden");
    assert!(answer.json()["message"]
        .as_str()
        .unwrap()
        .contains("workflows:raw"));
    let scopes = json!({"scopes": ["jobs:write", "workflows:raw"]});
    let (_, raw) = make_key(&queue, "shop", &scopes).await;
    assert_ne!(create(&queue, &raw, &body).await.status, 403);
}

/// Two keys of one owner see the same jobs: the one without the scope ran a workflow again that
/// only the other could have sent.
#[tokio::test]
async fn a_workflow_is_tried_again_only_by_who_could_have_sent_it() {
    let queue = guarded(&[]);
    queue.gates.set_silent(true);
    let scopes = json!({"scopes": ["jobs:write", "workflows:raw"]});
    let (_, raw) = make_key(&queue, "shop", &scopes).await;
    let (_, plain) = make_key(&queue, "shop", &json!({})).await;
    let body = json!({"workflow": {
        "1": {"class_type": "EmptyImage", "inputs": {}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    }});
    let created = create(&queue, &raw, &body).await.json();
    let id = created["job_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{created:#}"));
    let turn = |verb: &str| format!("/api/queue/{verb}/{id}");
    let canceled = call(&queue, "POST", &turn("cancel"), &plain, &Value::Null).await;
    assert_eq!(canceled.status, 200, "{:#}", canceled.json());
    let refusal = call(&queue, "POST", &turn("retry"), &plain, &Value::Null).await;
    refused(&refusal, 403, "forbidden");
    let opened = call(&queue, "POST", &turn("retry"), &raw, &Value::Null).await;
    assert_eq!(
        opened.json()["job"]["status"],
        "queued",
        "{:#}",
        opened.json()
    );
}

#[tokio::test]
async fn who_floods_is_damped_by_its_key_and_strangers_by_their_address() {
    let queue = guarded(&[]);
    let (id, key) = make_key(&queue, "shop", &json!({})).await;
    let (_, unread) = make_key(&queue, "shop", &json!({})).await;
    queue.limiter.take_calls();
    create(&queue, &key, &body()).await;
    create(&queue, &key, &body()).await;
    let calls = queue.limiter.take_calls();
    let expected = [
        (Rate::Address, "unknown".to_owned()),
        (Rate::Key, id.clone()),
        (Rate::Key, id),
    ];
    assert_eq!(calls, expected);
    queue.limiter.allow_at_most(1);
    let list = || call(&queue, "GET", "/api/queue/list", &key, &Value::Null);
    assert_eq!(list().await.status, 200);
    let answer = list().await;
    refused(&answer, 429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(answer.header("ratelimit"), "", "the counter is not exact");
    queue.db.take_batches();
    let guess = || call(&queue, "GET", "/api/queue/list", "guess", &Value::Null);
    refused(&guess().await, 401, "unauthorized");
    refused(&guess().await, 429, "rate_limited");
    let answer = create(&queue, &unread, &body()).await;
    refused(&answer, 429, "rate_limited");
    assert!(queue.db.take_batches().is_empty(), "strangers cost no read");
}
