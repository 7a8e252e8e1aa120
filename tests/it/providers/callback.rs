//! Callbacks as RunPod sends them, and everything else that reaches their route.

use bytes::Bytes;
use edge_queue::ports::Clock;
use edge_queue::providers::{Looked, Provider, Submitted};
use serde_json::json;

use super::{order, World};

#[tokio::test]
async fn a_callback_reads_like_the_look_it_saves() {
    for outcome in ["base64", "no_images", "node_failed", "exception"] {
        let world = World::new(json!({"job": {"outcome": outcome}}));
        let Submitted::Accepted(id) = world.provider.submit(&order()).await else {
            panic!("not accepted");
        };
        world.clock.advance_ms(3_000);
        let news = world.fake().due_webhooks(world.clock.now());
        let callback = world.provider.read_callback(&news[0].body).unwrap();
        assert_eq!(callback.provider_id, id);
        match world.provider.look("mock", &id).await {
            Looked::Report(report) => assert_eq!(callback.report, report, "{outcome}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_not_a_callback_is_refused() {
    let world = World::new(json!({}));
    let read = |body: &str| {
        world
            .provider
            .read_callback(&Bytes::copy_from_slice(body.as_bytes()))
    };
    for body in [
        "",
        "garbage",
        "[]",
        "null",
        "[{\"id\":\"a\",\"status\":\"COMPLETED\"}]",
        r#"{"output":{"images":[]}}"#,
        r#"{"status":"COMPLETED"}"#,
        r#"{"id":7,"status":"COMPLETED"}"#,
        r#"{"id":"","status":"COMPLETED"}"#,
        r#"{"id":"../x y","status":"COMPLETED"}"#,
        r#"{"id":"a-u1"}"#,
        r#"{"id":"a-u1","status":"DONE"}"#,
        r#"{"id":"a-u1","status":"COMPLETED""#,
    ] {
        assert_eq!(read(body), None, "{body}");
    }
    let production = r#"{"delayTime":9533,"executionTime":88,"id":"d7c6aa87-u1","input":{"x":1},
        "output":{"echo":{"x":1}},"status":"COMPLETED","webhook":"https://q.example/x"}"#;
    let other_order = r#"{"workerId":"w","status":"COMPLETED","id":"d7c6aa87-u1",
        "output":{"echo":{"x":1}},"executionTime":88,"delayTime":9533}"#;
    assert!(read(production).is_some());
    assert_eq!(read(production), read(other_order));
}
