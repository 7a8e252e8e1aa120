//! Another caller's job, input or result does not exist, on any route.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue};
use serde_json::{json, Value};

use super::{call, create, guarded, make_key, refused};

pub fn picture() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 64, 48);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[90; 64 * 48]).unwrap();
    drop(writer);
    file
}

async fn upload(queue: &TestQueue, key: &str) -> String {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let request = request("POST", "/api/inputs", &headers, Body::from(picture()));
    let answer = queue.send(request).await.json();
    answer["input_key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_callers_job_is_404_on_every_route_that_names_one() {
    let queue = guarded(&[("SESSION_JOBS_PER_DAY", "9")]);
    let (_, mine) = make_key(&queue, "shop", &json!({})).await;
    let (_, theirs) = make_key(&queue, "studio", &json!({})).await;
    let session = queue.post("/api/session", &json!({})).await.json();
    let session = session["token"].as_str().unwrap().to_owned();
    let id = create(&queue, &mine, &json!({"prompt": "x"})).await.json()["job_id"].clone();
    queue.pass(10_000).await;
    let id = id.as_str().unwrap();
    let path = format!("/api/queue/status/{id}");
    let job = call(&queue, "GET", &path, &mine, &Value::Null).await.json()["job"].clone();
    assert_eq!(job["status"], "succeeded");
    let result = format!("/api/result/{}", job["result_key"].as_str().unwrap());
    for stranger in [&theirs, &session] {
        for (method, path) in [
            ("GET", format!("/api/queue/status/{id}")),
            ("GET", format!("/api/queue/status/{id}?wait=1")),
            ("GET", format!("/api/queue/events/{id}")),
            ("POST", format!("/api/queue/cancel/{id}")),
            ("POST", format!("/api/queue/retry/{id}")),
            ("GET", result.clone()),
        ] {
            let answer = call(&queue, method, &path, stranger, &Value::Null).await;
            refused(&answer, 404, "not_found");
            let owner = call(&queue, method, &path, &mine, &Value::Null).await;
            assert_ne!(owner.status, 404, "{method} {path}");
        }
        let list = call(&queue, "GET", "/api/queue/list", stranger, &Value::Null).await;
        assert_eq!(list.json()["data"], json!([]));
    }
    let list = call(&queue, "GET", "/api/queue/list", &mine, &Value::Null).await;
    assert_eq!(list.json()["data"].as_array().unwrap().len(), 1);
}

/// The answer to a guessed id must not tell whether there is such a job.
#[tokio::test]
async fn another_callers_job_and_no_job_are_answered_alike() {
    let queue = guarded(&[]);
    let (_, mine) = make_key(&queue, "shop", &json!({})).await;
    let (_, theirs) = make_key(&queue, "studio", &json!({})).await;
    let id = create(&queue, &mine, &json!({"prompt": "x"})).await.json()["job_id"].clone();
    let mut bodies = Vec::new();
    for id in [id.as_str().unwrap(), "01931d2e-7c00-7000-8000-000000000001"] {
        let path = format!("/api/queue/status/{id}");
        let mut body = call(&queue, "GET", &path, &theirs, &Value::Null)
            .await
            .json();
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn another_callers_upload_is_not_there() {
    let queue = guarded(&[]);
    let (_, mine) = make_key(&queue, "shop", &json!({})).await;
    let (_, theirs) = make_key(&queue, "studio", &json!({})).await;
    let input = upload(&queue, &mine).await;
    let body = json!({"template": "qwen-image-edit", "prompt": "x", "input_key": input});
    let answer = create(&queue, &theirs, &body).await;
    refused(&answer, 422, "contract_violation");
    assert_eq!(answer.json()["details"][0]["code"], "unknown_file");
    assert_eq!(create(&queue, &mine, &body).await.status, 200);
}

#[tokio::test]
async fn a_request_key_belongs_to_its_caller() {
    let queue = guarded(&[]);
    let (_, mine) = make_key(&queue, "shop", &json!({})).await;
    let (_, theirs) = make_key(&queue, "studio", &json!({})).await;
    let body = json!({"prompt": "x", "request_id": "order-17"});
    let one = create(&queue, &mine, &body).await.json()["job_id"].clone();
    let two = create(&queue, &theirs, &body).await.json()["job_id"].clone();
    assert_ne!(one, two);
}
