//! `/api/admin/…`.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use serde_json::json;

#[tokio::test]
async fn a_failed_call_leaves_its_complete_redacted_record() {
    let fault = json!({"on": "run", "times": 1, "fault": {"problem": {"status": 400}}});
    let queue = TestQueue::live(serde_json::from_value(json!({"faults": [fault]})).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"]["code"], "provider_rejected");
    let path = format!("/api/admin/jobs/{id}/evidence");
    assert_eq!(queue.get(&path).await.status, 401, "not for everybody");
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let answer = queue
        .send(request("GET", &path, &headers, Body::empty()))
        .await;
    let record = answer.json()["evidence"][0].clone();
    assert_eq!(
        (&record["method"], &record["response_status"]),
        (&"POST".into(), &400.into())
    );
    assert!(
        record["request_body"]
            .as_str()
            .unwrap()
            .contains("\"workflow\""),
        "{record:#}"
    );
    let text = record.to_string();
    assert!(!text.contains("mock-key"), "{text}");
    let token = queue.app.signer.callback(edge_queue::token::CallbackClaim {
        job: id,
        attempt: 1,
    });
    assert!(!text.contains(&token), "{text}");
}
