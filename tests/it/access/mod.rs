//! Who may call, and how much: keys, sessions, limits, origins.

mod bills;
mod budget;
mod canceled;
mod credits;
mod door;
mod keys;
mod others;
mod pages;
mod proxy;
mod sessions;

use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A live deployment outside this machine, where nobody may call without a key.
fn guarded(settings: &[(&str, &str)]) -> TestQueue {
    // What comes first stands.
    let mut all = settings.to_vec();
    all.extend([
        ("ENVIRONMENT", "production"),
        ("TOKEN_SECRETS", SECRET),
        ("RUNPOD_API_KEY", "mock-key"),
    ]);
    TestQueue::build(&all, Plan::default(), 1)
}

/// A call with a key; a null body is none.
async fn call(queue: &TestQueue, method: &str, path: &str, key: &str, body: &Value) -> Answered {
    let bearer = format!("Bearer {key}");
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    // Told its length, a body takes no more of the memory that all calls share.
    let length = body.len().to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    let request = request(method, path, &headers, body.into());
    queue.send(request).await
}

pub async fn operate(queue: &TestQueue, path: &str, body: &Value) -> Answered {
    call(queue, "POST", path, ADMIN_KEY, body).await
}

/// A new key: its id and its text.
pub async fn make_key(queue: &TestQueue, owner: &str, more: &Value) -> (String, String) {
    let mut body = json!({
        "owner": owner, "name": "for a test", "scopes": ["jobs:write", "jobs:read"],
    });
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(more);
    let answer = operate(queue, "/api/admin/keys", &body).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let answer = answer.json();
    (text(&answer["key"]["id"]), text(&answer["secret"]))
}

async fn create(queue: &TestQueue, key: &str, body: &Value) -> Answered {
    call(queue, "POST", "/api/queue/create", key, body).await
}

/// The status and the error code of an answer.
fn told(answer: &Answered) -> (u16, String) {
    let code = answer.json()["error"].as_str().unwrap_or("").to_owned();
    (answer.status.as_u16(), code)
}

fn refused(answer: &Answered, status: u16, code: &str) {
    let shown = answer.json();
    assert_eq!(told(answer), (status, code.to_owned()), "{shown:#}");
}
