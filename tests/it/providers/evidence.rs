//! What is left of a call that failed: everything but the secrets.

use edge_queue::id::ProviderId;
use edge_queue::ports::Clock;
use edge_queue::providers::{Evidence, Provider, Submitted};
use serde_json::json;

use super::{order, World, KEY, TOKEN};

#[tokio::test]
async fn a_failed_call_leaves_a_complete_record_without_secrets() {
    let mut order = order();
    let prompt = format!("{{\"9\":{{}},\"comfy_org_api_key\":\"{TOKEN}-comfy\"}}");
    order.prompt = serde_json::value::RawValue::from_string(prompt).unwrap();
    let world = World::new(json!({"faults": [{"fault": {"html": {"status": 500}}}]}));
    let Submitted::Unknown { evidence } = world.provider.submit(&order).await else {
        panic!("known");
    };
    let expected = Evidence {
        at: world.clock.now(),
        method: "POST".into(),
        url: "https://api.runpod.ai/v2/mock/run".into(),
        request_headers: vec![
            ("accept".into(), "application/json".into()),
            ("authorization".into(), "[redacted]".into()),
            ("content-type".into(), "application/json".into()),
        ],
        request_body: "{\"webhook\":\"https://q.example/api/webhooks/runpod/[redacted]\",\
            \"policy\":{\"executionTimeout\":600000,\"ttl\":7200000},\"input\":{\"workflow\":\
            {\"9\":{},\"comfy_org_api_key\":\"[redacted]\"},\
            \"progress_url\":\"https://q.example/api/progress/[redacted]\",\
            \"images\":[{\"name\":\"in.png\",\"image\":\"iVBORw==\"}]}}"
            .into(),
        response_status: Some(500),
        response_headers: vec![("content-type".into(), "text/html".into())],
        response_body: "<html><head><title>500 Internal Server Error</title></head>\
            <body><h1>500 Internal Server Error</h1></body></html>"
            .into(),
        error: "HTTP 500".into(),
    };
    assert_eq!(evidence, expected);
}

#[tokio::test]
async fn no_record_of_any_call_has_the_key_or_the_token() {
    let echo = json!({"given": format!("{KEY} https://q.example/api/webhooks/runpod/{TOKEN}")});
    let faults = [
        json!("lost"),
        json!("not_sent"),
        json!({"html": {"status": 502}}),
        json!({"problem": {"status": 401}}),
        json!({"too_many": {"retry_after": "1"}}),
        json!({"cut": {"bytes": 5}}),
    ];
    for fault in faults {
        let fault = json!({"times": 3, "fault": fault});
        let world = World::new(json!({"job": {"outcome": echo}, "faults": [fault]}));
        let id = ProviderId::parse("a-u1").unwrap();
        let records = [
            format!("{:?}", world.provider.submit(&order()).await),
            format!("{:?}", world.provider.look("mock", &id).await),
            format!("{:?}", world.provider.cancel("mock", &id).await),
        ];
        for record in records {
            assert!(!record.contains(KEY) && !record.contains(TOKEN), "{record}");
        }
    }
}
