//! Who may ask a `ComfyUI` through us, and what.

use edge_queue::config::Config;
use edge_queue::http::Forward;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};
use tower_service::Service;

use super::{call, make_key, refused};

fn staging() -> TestQueue {
    let settings = [
        ("ENVIRONMENT", "staging"),
        ("TOKEN_SECRETS", super::SECRET),
        ("PROXY_URL", "https://comfy.example/"),
        ("PROXY_AUTHORIZATION", "Basic dHVubmVs"),
    ];
    TestQueue::build(&settings, Plan::default(), 1)
}

async fn forwarded(queue: &TestQueue, path: &str, headers: &[(&str, &str)]) -> Option<Forward> {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    let asked = request("GET", path, &all, "".into());
    let Ok(mut answer) = queue.router.clone().call(asked).await;
    answer.extensions_mut().remove()
}

#[tokio::test]
async fn only_the_operator_asks_a_comfyui_and_only_what_is_on_the_list() {
    let queue = staging();
    let none = queue.get("/api/proxy/queue").await;
    refused(&none, 401, "unauthorized");
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let shop = call(&queue, "GET", "/api/proxy/queue", &key, &Value::Null).await;
    refused(&shop, 403, "forbidden");
    for path in [
        "/api/proxy/userdata/x",
        "/api/proxy/history/..%2fuserdata",
        "/api/proxy/",
    ] {
        let answer = call(&queue, "GET", path, ADMIN_KEY, &Value::Null).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!(forwarded(&queue, path, &[]).await, None, "{path}");
    }
    let written = call(
        &queue,
        "POST",
        "/api/proxy/manager/reboot",
        ADMIN_KEY,
        &Value::Null,
    )
    .await;
    refused(&written, 403, "forbidden");
    let method = call(
        &queue,
        "DELETE",
        "/api/proxy/queue",
        ADMIN_KEY,
        &Value::Null,
    )
    .await;
    refused(&method, 405, "method_not_allowed");
}

#[tokio::test]
async fn a_comfyui_never_sees_the_operators_key_or_a_cookie() {
    let queue = staging();
    let headers = [
        ("range", "bytes=0-9"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "1.2.3.4"),
    ];
    let passed = forwarded(&queue, "/api/proxy/view?filename=a.png", &headers).await;
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = Forward {
        url: "https://comfy.example/view?filename=a.png".to_owned(),
        headers: vec![
            text("range", "bytes=0-9"),
            text("authorization", "Basic dHVubmVs"),
        ],
    };
    assert_eq!(passed, Some(expected));
}

#[tokio::test]
async fn without_its_setting_there_is_no_such_route() {
    let queue = super::guarded(&[]);
    let answer = call(&queue, "GET", "/api/proxy/queue", ADMIN_KEY, &Value::Null).await;
    refused(&answer, 404, "not_found");
}

#[test]
fn production_and_anything_but_an_origin_are_refused() {
    let problems = |environment: &str, url: &str| {
        let found = Config::from_vars(|name| match name {
            "ENVIRONMENT" => Some(environment.to_owned()),
            "PROXY_URL" => Some(url.to_owned()),
            _ => None,
        });
        let found = found.err().unwrap_or_default();
        found
            .iter()
            .filter(|problem| problem.setting == "PROXY_URL")
            .count()
    };
    assert_eq!(problems("local", "http://127.0.0.1:8188"), 0);
    assert_eq!(problems("staging", "https://comfy.example"), 0);
    assert_eq!(problems("production", "https://comfy.example"), 1);
    for wrong in [
        "http://comfy.example",
        "https://comfy.example/x",
        "https://user:word@comfy.example",
        "ws://comfy.example",
        "comfy.example",
    ] {
        assert_eq!(problems("staging", wrong), 1, "{wrong}");
    }
}
