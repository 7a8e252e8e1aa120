//! Whatever a worker or an attacker writes, reading it never panics.

use edge_queue::id::ProviderId;
use edge_queue::ports::Clock;
use edge_queue::providers::{Looked, Provider, Submitted};
use proptest::prelude::*;
use serde_json::{json, Value};

use super::{order, World, KEY, TOKEN};

/// Any JSON, with a preference for the words that the readers look for.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("COMPLETED".to_owned()),
        Just("FAILED".to_owned()),
        Just("IN_PROGRESS".to_owned()),
        Just("error".to_owned()),
        Just("data:image/png;base64,AAAA".to_owned()),
        Just("https://é".to_owned()),
        Just("• Node 4 (errors): Node Type: a, Node ID: ".to_owned()),
        Just("x Raw response: {\"error\":{\"details\":\"Node ID '#".to_owned()),
        Just("{\"error_type\":1,\"error_message\":\"comfy_org_api_key\\\":\\\"é".to_owned()),
        Just("Traceback (most recent call last)".to_owned()),
        Just(format!("iVBORw0KGgo{}", "A".repeat(100))),
        ".{0,140}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "id",
            "status",
            "output",
            "error",
            "delayTime",
            "images",
            "image",
            "data",
            "filename",
            "filenames",
            "type",
            "message",
            "details",
            "progress",
            "videos",
            "url",
            "errors",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn run<T>(future: impl std::future::Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #[test]
    fn any_webhook_body_is_read_without_panic(body in any_json()) {
        let world = World::new(json!({}));
        let _ = world.provider.read_callback(&body.to_string().into());
    }

    #[test]
    fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let world = World::new(json!({}));
        let _ = world.provider.read_callback(&body.into());
    }

    #[test]
    fn any_job_object_is_read_without_panic(
        status in prop::sample::select(vec!["COMPLETED", "FAILED", "IN_PROGRESS", "TIMED_OUT"]),
        output in any_json(),
        error in any_json(),
    ) {
        let world = World::new(json!({}));
        let body = json!({"id": "a-u1", "status": status, "output": output, "error": error});
        let callback = world.provider.read_callback(&body.to_string().into());
        prop_assert!(callback.is_some());
    }

    #[test]
    fn any_output_is_looked_at_without_panic(output in any_json()) {
        let world = World::new(json!({"job": {"outcome": {"given": output}}}));
        let looked = run(async {
            let Submitted::Accepted(id) = world.provider.submit(&order()).await else {
                panic!("not accepted");
            };
            world.clock.advance_ms(5_000);
            world.provider.look("mock", &id).await
        });
        prop_assert!(matches!(looked, Looked::Report(_)));
    }

    #[test]
    fn no_prompt_brings_a_secret_into_a_record(noise in ".{0,200}", tail in any_json()) {
        let world = World::new(json!({"faults": [{"fault": "lost", "times": 2}]}));
        let mut order = order();
        let text = format!("{noise}{KEY}{noise}/api/webhooks/runpod/{TOKEN}");
        let prompt = json!({"a": text, "b": tail, "comfy_org_api_key": TOKEN}).to_string();
        order.prompt = serde_json::value::RawValue::from_string(prompt).unwrap();
        let submitted = format!("{:?}", run(world.provider.submit(&order)));
        prop_assert!(!submitted.contains(KEY) && !submitted.contains(TOKEN));
        let id = ProviderId::parse(KEY).unwrap();
        let looked = format!("{:?}", run(world.provider.look("mock", &id)));
        prop_assert!(!looked.contains(KEY));
        prop_assert!(world.clock.now().get() > 0);
    }
}
