//! Browser pages: sessions, challenges, origins.

use axum::body::Body;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use edge_queue::token::{CallbackClaim, SessionClaim, Signer};
use serde_json::{json, Value};

use super::{call, create, guarded, refused, SECRET};

const PASSES: &str = "1x0000000000000000000000000000000AA";
const FAILS: &str = "2x0000000000000000000000000000000AA";
const SPENT: &str = "3x0000000000000000000000000000000AA";
const DUMMY: &str = "XXXX.DUMMY.TOKEN.XXXX";

fn open() -> TestQueue {
    guarded(&[("SESSION_JOBS_PER_DAY", "5")])
}

pub async fn session(queue: &TestQueue) -> String {
    let answer = queue.post("/api/session", &json!({})).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_creates_and_reads_its_own_jobs_of_public_templates() {
    let queue = open();
    let token = session(&queue).await;
    let answer = create(&queue, &token, &json!({"prompt": "x"})).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    queue.pass(10_000).await;
    let path = format!(
        "/api/queue/status/{}",
        answer.json()["job_id"].as_str().unwrap()
    );
    let job = call(&queue, "GET", &path, &token, &Value::Null)
        .await
        .json()["job"]
        .clone();
    assert_eq!(job["status"], "succeeded");
    let link = queue.get(job["result_url"].as_str().unwrap()).await;
    assert_eq!(link.status, 200);
    let private = json!({"template": "face-swap-video", "inputs": {}});
    refused(&create(&queue, &token, &private).await, 403, "forbidden");
    let raw = json!({"workflow": {"1": {"class_type": "A", "inputs": {}}}});
    refused(&create(&queue, &token, &raw).await, 403, "forbidden");
    let keys = call(&queue, "GET", "/api/admin/keys", &token, &Value::Null).await;
    refused(&keys, 403, "forbidden");
}

#[tokio::test]
async fn a_page_goes_before_nobody() {
    let queue = open();
    let token = session(&queue).await;
    let urgent = create(&queue, &token, &json!({"prompt": "x", "priority": 1})).await;
    refused(&urgent, 422, "contract_violation");
    assert_eq!(urgent.json()["details"][0]["path"], "/priority");
    let patient = create(&queue, &token, &json!({"prompt": "x", "priority": -1})).await;
    assert_eq!(patient.status, 200, "{:#}", patient.json());
}

#[tokio::test]
async fn a_session_ends_within_the_hour_and_its_gallery_lives_on_for_thirty_days() {
    let queue = open();
    let token = session(&queue).await;
    let id = create(&queue, &token, &json!({"prompt": "x"})).await.json()["job_id"].clone();
    let path = format!("/api/queue/status/{}", id.as_str().unwrap());
    queue.pass(3_600_000).await;
    let late = call(&queue, "GET", &path, &token, &Value::Null).await;
    refused(&late, 401, "unauthorized");
    queue.pass(29 * 24 * 3_600_000).await;
    let renewed = call(&queue, "POST", "/api/session", &token, &Value::Null)
        .await
        .json();
    assert_eq!(renewed["renewed"], true);
    let fresh = renewed["token"].as_str().unwrap();
    let job = call(&queue, "GET", &path, fresh, &Value::Null).await;
    assert_eq!(job.status, 200, "the same subject");
    queue.pass(31 * 24 * 3_600_000).await;
    let stranger = call(&queue, "POST", "/api/session", fresh, &Value::Null)
        .await
        .json();
    assert_eq!(stranger["renewed"], false);
    let token = stranger["token"].as_str().unwrap();
    refused(
        &call(&queue, "GET", &path, token, &Value::Null).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn a_deployment_that_gives_no_sessions_takes_none() {
    let queue = guarded(&[]);
    refused(
        &queue.post("/api/session", &json!({})).await,
        403,
        "forbidden",
    );
    let token = Signer::new([SECRET]).session(SessionClaim {
        subject: [1; 16],
        expires_at: queue.now().plus_ms(1_000),
    });
    let list = call(&queue, "GET", "/api/queue/list", &token, &Value::Null).await;
    refused(&list, 401, "unauthorized");
}

#[tokio::test]
async fn a_token_that_is_forged_or_of_another_purpose_opens_nothing() {
    let queue = open();
    let token = session(&queue).await;
    let claim = SessionClaim {
        subject: [1; 16],
        expires_at: queue.now().plus_ms(3_600_000),
    };
    let forged = Signer::new(["a secret of somebody else's, long enough"]).session(claim);
    let callback = queue.app.signer.callback(CallbackClaim {
        job: edge_queue::id::JobId::from_bytes([1; 16]),
        attempt: 1,
    });
    let renamed = format!("eqs_{callback}");
    let longer = format!("{token}A");
    for wrong in [
        forged.as_str(),
        &callback,
        &renamed,
        &longer,
        "eqs_",
        "eqs_é",
    ] {
        let answer = call(&queue, "GET", "/api/queue/list", wrong, &Value::Null).await;
        refused(&answer, 401, "unauthorized");
    }
    let path = format!("/api/webhooks/runpod/{}", &token[4..]);
    refused(&queue.post(&path, &json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn sessions_of_before_a_change_of_secrets_hold_until_it_is_over() {
    let old = "the old secret of this deployment is long enough";
    let token = Signer::new([old]).session(SessionClaim {
        subject: [1; 16],
        expires_at: open().now().plus_ms(3_600_000),
    });
    for (secrets, expected) in [(format!("{SECRET},{old}"), 200), (SECRET.to_owned(), 401)] {
        let settings = [
            ("SESSION_JOBS_PER_DAY", "5"),
            ("TOKEN_SECRETS", secrets.as_str()),
        ];
        let queue = guarded(&settings);
        let list = call(&queue, "GET", "/api/queue/list", &token, &Value::Null).await;
        assert_eq!(list.status, expected);
    }
}

#[tokio::test]
async fn sessions_are_damped_by_the_address_they_come_from() {
    let queue = open();
    queue.limiter.allow_at_most(2);
    let mint = |address: &'static str| {
        let headers = [("cf-connecting-ip", address)];
        queue.send(request("POST", "/api/session", &headers, Body::empty()))
    };
    for (address, expected) in [
        ("203.0.113.7", 200),
        ("203.0.113.7", 200),
        ("203.0.113.7", 429),
        ("203.0.113.8", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("2001:db8::3", 429),
    ] {
        assert_eq!(mint(address).await.status, expected, "{address}");
    }
}

/// Not in production, where Cloudflare's secrets for tests are refused.
fn guarded_by_a_challenge(secret: &str, more: &[(&str, &str)]) -> TestQueue {
    let mut all = more.to_vec();
    all.extend([("ENVIRONMENT", "staging"), ("TURNSTILE_SECRET", secret)]);
    all.push(("SESSION_JOBS_PER_DAY", "5"));
    all.extend([("TOKEN_SECRETS", SECRET), ("RUNPOD_API_KEY", "mock-key")]);
    TestQueue::build(&all, Plan::default(), 1)
}

async fn challenged(secret: &str, body: &Value) -> Answered {
    let queue = guarded_by_a_challenge(secret, &[]);
    let answer = queue.post("/api/session", body).await;
    for line in queue.log.lines() {
        assert!(!line.contains(secret) && !line.contains(DUMMY), "{line}");
    }
    answer
}

#[tokio::test]
async fn a_challenge_that_is_asked_for_must_be_passed() {
    let shown = json!({"turnstile_token": DUMMY});
    assert_eq!(challenged(PASSES, &shown).await.status, 200);
    for (secret, body) in [(FAILS, &shown), (SPENT, &shown), (PASSES, &json!({}))] {
        refused(&challenged(secret, body).await, 403, "forbidden");
    }
    let long = json!({"turnstile_token": "x".repeat(2_049)});
    refused(&challenged(PASSES, &long).await, 400, "invalid_request");
}

/// The pages' own policy names nobody else: the challenge is a page of its own, inside of them.
#[tokio::test]
async fn a_challenge_is_shown_where_there_is_one_and_may_load_nothing_but_it() {
    let asked = guarded_by_a_challenge(PASSES, &[("TURNSTILE_SITE_KEY", "1x00000000AA")]);
    let answer = asked.post("/api/session", &json!({})).await;
    refused(&answer, 403, "forbidden");
    assert_eq!(answer.json()["details"][0]["code"], "challenge_wanted");
    let page = asked.get("/api/session/challenge").await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("data-sitekey=\"1x00000000AA\""));
    let policy = page.header("content-security-policy");
    let elsewhere = policy.matches("https://").count();
    let cloudflares = policy.matches("https://challenges.cloudflare.com").count();
    assert_eq!((elsewhere, cloudflares), (2, 2), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'") && policy.starts_with("default-src 'none'"));

    let unshown = guarded_by_a_challenge(PASSES, &[]);
    let answer = unshown.post("/api/session", &json!({})).await;
    assert_eq!(answer.json()["details"], Value::Null);
    let page = unshown.get("/api/session/challenge").await;
    refused(&page, 404, "not_found");
    let pages = std::fs::read_to_string("public/_headers").unwrap();
    assert!(
        pages.contains("frame-src 'self';") && !pages.contains("https://"),
        "{pages}"
    );
    // A page that came in the clear once would give its session's token to whoever listens.
    assert!(
        pages.contains("Strict-Transport-Security: max-age="),
        "{pages}"
    );
}

/// Nobody gets in because the guard is away.
#[tokio::test]
async fn a_challenge_that_cannot_be_verified_is_not_passed() {
    let shown = json!({"turnstile_token": DUMMY});
    let answer = challenged("a-secret-that-breaks-the-fake", &shown).await;
    refused(&answer, 503, "unavailable");
}

async fn from_origin(
    queue: &TestQueue,
    method: &str,
    origin: &str,
    more: &[(&str, &str)],
) -> Answered {
    let mut headers = vec![("origin", origin)];
    headers.extend_from_slice(more);
    let request = request(method, "/api/queue/create", &headers, Body::empty());
    queue.send(request).await
}

#[tokio::test]
async fn pages_of_configured_origins_may_call_and_no_others() {
    let shop = "https://shop.example";
    let queue = guarded(&[("ALLOWED_ORIGINS", "https://shop.example, https://b.example")]);
    let asks = [("access-control-request-method", "POST")];
    let preflight = from_origin(&queue, "OPTIONS", shop, &asks).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), shop);
    assert!(preflight
        .header("access-control-allow-headers")
        .contains("authorization"));
    let answer = from_origin(&queue, "POST", shop, &[]).await;
    assert_eq!(answer.header("access-control-allow-origin"), shop);
    assert_eq!(
        (answer.header("vary"), answer.status.as_u16()),
        ("origin", 401)
    );
    for stranger in [
        "https://shop.example.evil.example",
        "https://shop.example:8443",
        "http://shop.example",
        "null",
        "*",
    ] {
        for (method, more) in [("OPTIONS", &asks[..]), ("POST", &[])] {
            let answer = from_origin(&queue, method, stranger, more).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                "",
                "{stranger}"
            );
            assert_ne!(answer.status, 204, "{stranger}");
            assert_eq!(
                answer.header("vary"),
                "origin",
                "a cache must tell them apart"
            );
        }
    }
}

#[tokio::test]
async fn without_configured_origins_no_other_page_may_call() {
    let queue = guarded(&[]);
    let answer = from_origin(&queue, "POST", "https://queue.example", &[]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}
