//! What a body takes of the memory that all calls share: while it comes, and when it is parsed.

use axum::body::{Body, Bytes};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::room::ROOM_BYTES;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use futures::future::join;
use futures::{stream, StreamExt};
use serde_json::{json, Value};

use super::uploads::picture;

const BODY_BYTES_MAX: usize = 10 << 20;

/// `part` as often as fits into a body.
fn filled(start: &str, part: &str, end: &str) -> String {
    let parts = (BODY_BYTES_MAX - start.len() - end.len() - 1) / part.len();
    format!("{start}{}0{end}", part.repeat(parts))
}

/// Six bytes of `{"":0}` became six hundred: a body of ten megabytes took a whole isolate.
#[tokio::test]
async fn a_body_that_would_become_many_times_as_much_is_refused_unparsed() {
    let queue = TestQueue::simulated();
    for part in [r#"{"":0},"#, "[0],", "0,", r#""","#] {
        let json = [("content-type", "application/json")];
        let body = filled(r#"{"workflow": ["#, part, "]}");
        let answer = queue.send(request("POST", "/api/queue/create", &json, body.into()));
        let answer = answer.await;
        assert_eq!(answer.status, 413, "{part}: {:#}", answer.json());
        let head = "--b\r\ncontent-disposition: form-data; name=\"workflow\"\r\n\r\n[";
        let form = [("content-type", "multipart/form-data; boundary=b")];
        let body = filled(head, part, "]\r\n--b--\r\n");
        let answer = queue.send(request("POST", "/api/queue/create", &form, body.into()));
        let answer = answer.await;
        assert_eq!(answer.status, 413, "{part} in a form: {:#}", answer.json());
    }
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

/// A body of half a megabyte, of whoever had opened a page, held a hundred and seventy thousand
/// things that are wrong, and telling each of them took the memory of a whole isolate.
#[tokio::test]
async fn of_a_hundred_thousand_faults_as_many_are_told_as_fit_an_answer() {
    let queue = TestQueue::simulated();
    let many = |count: usize, one: &Value| Value::from(vec![one.clone(); count]);
    let names: Value = (0..50_000).map(|n| (format!("n{n}"), json!(0))).collect();
    let mut beside_a_workflow = names;
    beside_a_workflow["workflow"] = json!({});
    for body in [
        json!({"webhook_events_filter": many(150_000, &json!(""))}),
        json!({"images": many(150_000, &json!(0))}),
        beside_a_workflow,
    ] {
        let answer = queue.post("/api/queue/create", &body).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.bytes.len() < 64 << 10,
            "{} bytes",
            answer.bytes.len()
        );
    }
}

/// Each picture is an object in the store before the job is a row: a single create wrote a
/// thousand, until the platform stopped it, and was charged to nobody.
#[tokio::test]
async fn a_workflow_has_as_many_pictures_and_outputs_as_can_come_of_it() {
    let queue = TestQueue::simulated();
    let picture = STANDARD.encode(picture());
    let image = |name: &str| json!({"name": name, "image": picture});
    let save = |prefix: &str| {
        let inputs = json!({"images": ["a", 0], "filename_prefix": prefix});
        json!({"class_type": "SaveImage", "inputs": inputs})
    };
    let workflow = |outputs: usize, prefix: &str| {
        let nodes = (0..outputs).map(|n| (n.to_string(), save(prefix)));
        let mut all: Value = nodes.collect();
        all["a"] = json!({"class_type": "EmptyImage", "inputs": {}});
        all
    };
    let few = workflow(1, "x");
    for (body, path) in [
        (
            json!({"workflow": few, "images": vec![image("a.png"); 65]}),
            "/images",
        ),
        (
            json!({"workflow": few, "images": [image(&"a".repeat(256))]}),
            "/images/0",
        ),
        (json!({"workflow": workflow(257, "x")}), "/workflow"),
        (
            json!({"workflow": workflow(1, &"x".repeat(70_000))}),
            "/workflow",
        ),
    ] {
        let answer = queue.post("/api/queue/create", &body).await;
        assert_eq!(answer.status, 422, "{:#}", answer.json());
        assert_eq!(answer.json()["details"][0]["path"], path);
    }
    assert_eq!(queue.blobs.keys(), [""; 0]);
    for body in [
        json!({"workflow": few, "images": vec![image("a.png"); 64]}),
        json!({"workflow": workflow(256, "x")}),
    ] {
        let answer = queue.post("/api/queue/create", &body).await;
        assert_eq!(answer.status, 200, "{:#}", answer.json());
    }
}

/// What is parsed is counted, too: it is there as long as its body.
#[tokio::test]
async fn what_a_body_becomes_takes_room_that_is_given_back() {
    let queue = TestQueue::simulated();
    let body = json!({ "workflow": vec![json!({"a": 0}); 10_000] });
    let held = queue.app.room.take(ROOM_BYTES - (8 << 20)).unwrap();
    let operator = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", operator.as_str())];
    let answer = queue.post_with("/api/queue/create", &body, &headers).await;
    assert_eq!(answer.status, 503, "{:#}", answer.json());
    drop(held);
    let answer = queue.post_with("/api/queue/create", &body, &headers).await;
    assert_eq!(answer.status, 422, "{:#}", answer.json());
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

/// A body that was announced held room for all of it, until it came or its caller left.
#[tokio::test]
async fn who_announces_a_large_body_and_sends_nothing_holds_nothing_and_is_given_up() {
    let queue = TestQueue::simulated();
    let length = BODY_BYTES_MAX.to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    let began = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"prompt\":"))]);
    let stalled = Body::from_stream(began.chain(stream::pending()));
    let sent = queue.send(request("POST", "/api/queue/create", &headers, stalled));
    let time = async {
        tokio::task::yield_now().await;
        assert!(queue.app.room.taken_bytes() < 100);
        for _ in 0..4 {
            queue.pass(31_000).await;
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = join(sent, time).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json().to_string().contains("too slowly"));
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

/// Strangers filled all of the room, and who pays found none.
#[tokio::test]
async fn callers_without_a_key_leave_half_of_the_room_to_those_with_one() {
    let queue = TestQueue::simulated();
    let strangers = queue.app.room.for_strangers();
    let held = strangers.take(ROOM_BYTES / 2).unwrap();
    let body = json!({"prompt": "x", "labels": {"note": "y".repeat(200)}});
    let operator = format!("Bearer {ADMIN_KEY}");
    for (headers, expected) in [
        (vec![], 503),
        (vec![("authorization", operator.as_str())], 200),
    ] {
        let answer = queue.post_with("/api/queue/create", &body, &headers).await;
        assert_eq!(answer.status, expected, "{:#}", answer.json());
    }
    drop(held);
    let answer = queue.post("/api/queue/create", &body).await;
    assert_eq!(answer.json()["error"], Value::Null, "{:#}", answer.json());
}
