//! `/api/admin/…`.

use axum::body::Body;
use edge_queue::id::JobId;
use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

async fn operate(queue: &TestQueue, path: &str) -> Answered {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    queue.post_with(path, &Value::Null, &headers).await
}

/// A job whose alarm the platform lost, some time after it should have ended.
async fn forgotten(queue: &TestQueue) -> JobId {
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.watchers.take_alarm(id);
    queue.pass(59 * 60_000).await;
    assert_eq!(queue.job(id).await["status"], "queued");
    queue.watchers.take_calls();
    id
}

#[tokio::test]
async fn a_job_whose_alarm_was_lost_is_recovered_by_an_operator_alone() {
    let queue = TestQueue::live(Plan::default());
    let id = forgotten(&queue).await;
    let path = format!("/api/admin/jobs/{id}/recover");
    assert_eq!(queue.post(&path, &Value::Null).await.status, 401);
    assert!(queue.watchers.take_calls().is_empty());
    let answer = operate(&queue, &path).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["job_id"], id.to_string());
    assert_eq!(answer.json()["woken"], true);
    assert_eq!(queue.watchers.take_calls(), ["alarm", "wake"]);
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

#[tokio::test]
async fn looking_at_what_is_overdue_changes_nothing_and_says_why() {
    let queue = TestQueue::live(Plan::default());
    let id = forgotten(&queue).await;
    queue.create(&json!({"prompt": "young"})).await;
    queue.watchers.take_calls();
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    for path in [
        "/api/admin/overdue".to_owned(),
        format!("/api/admin/jobs/{id}/recover"),
    ] {
        assert_eq!(queue.get(&path).await.status, 401);
        let answer = queue
            .send(request("GET", &path, &headers, Body::empty()))
            .await;
        let seen = answer.json();
        let job = seen["jobs"].get(0).unwrap_or(&seen["job"]);
        assert_eq!(
            (&job["id"], &job["would"]),
            (&json!(id), &json!("wake")),
            "{seen}"
        );
        assert!(
            job["because"].as_str().unwrap().contains("has no alarm"),
            "{seen}"
        );
        assert_eq!(
            seen["jobs"].as_array().map_or(1, Vec::len),
            1,
            "the young one is not overdue"
        );
    }
    assert!(!queue.watchers.take_calls().contains(&"wake"));
    let bad = queue.send(request(
        "GET",
        "/api/admin/overdue?cursor=x",
        &headers,
        Body::empty(),
    ));
    assert_eq!(bad.await.status, 400);
}

#[tokio::test]
async fn a_job_that_is_not_there_cannot_be_recovered() {
    let queue = TestQueue::simulated();
    for id in ["0190163d-8694-739b-aea5-966c26f8ad91", "no-id"] {
        let answer = operate(&queue, &format!("/api/admin/jobs/{id}/recover")).await;
        assert_eq!(answer.status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_sweep_wakes_the_overdue_once_and_an_operator_alone_may_ask_for_it() {
    let queue = TestQueue::live(Plan::default());
    let id = forgotten(&queue).await;
    let young = queue.create(&json!({"prompt": "y"})).await;
    queue.watchers.take_calls();
    let path = "/api/admin/sweep";
    assert_eq!(queue.post(path, &Value::Null).await.status, 401);
    assert_eq!(operate(&queue, path).await.json()["woken"], 1);
    assert_eq!(
        operate(&queue, path).await.json()["woken"],
        0,
        "not again so soon"
    );
    assert_eq!(queue.watchers.take_calls(), ["wake"]);
    queue.pass(10_000).await;
    for id in [id, young] {
        assert_eq!(queue.job(id).await["status"], "succeeded");
    }
    queue.pass(24 * 3_600_000).await;
    assert_eq!(
        operate(&queue, path).await.json()["woken"],
        0,
        "all is done"
    );
}

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

#[tokio::test]
async fn an_operator_asks_whether_the_files_of_a_backup_are_still_stored() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let output = queue.job(id).await["outputs"][0].clone();
    let ask = |body: Value| {
        let bearer = format!("Bearer {ADMIN_KEY}");
        let queue = &queue;
        async move {
            let headers = [("authorization", bearer.as_str())];
            queue.post_with("/api/admin/objects", &body, &headers).await
        }
    };
    let answer = ask(json!({"keys": ["gone", output["key"]]})).await;
    assert_eq!(answer.json()["sizes"], json!([null, output["size_bytes"]]));
    let nobody = queue.post("/api/admin/objects", &json!({"keys": []})).await;
    assert_eq!(nobody.status, 401);
    for wrong in [json!({}), json!({"keys": vec!["x"; 501]})] {
        assert_eq!(ask(wrong).await.status, 400);
    }
}
