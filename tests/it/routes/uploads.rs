//! Files on their way in: inline, by form, by key.

use axum::body::Body;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

/// A PNG that decodes, of 64 by 48 pixels.
fn picture() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 64, 48);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[90; 64 * 48]).unwrap();
    drop(writer);
    file
}

/// What the one picture of the job was for the provider, once it has succeeded.
async fn sent(queue: &TestQueue, answer: &Answered) -> Value {
    let id = answer.json()["job_id"].as_str().map(str::to_owned);
    let id = id.unwrap_or_else(|| panic!("{:#}", answer.json()));
    queue.pass(10_000).await;
    let job = queue.get(&format!("/api/queue/status/{id}")).await.json();
    assert_eq!(job["job"]["status"], "succeeded", "{job:#}");
    let sql = format!("SELECT files_json FROM jobs WHERE id = '{id}'");
    let files = queue.db.query(&sql).unwrap()[0]["files_json"].clone();
    serde_json::from_str::<Value>(files.as_str().unwrap()).unwrap()[0].clone()
}

#[tokio::test]
async fn a_picture_goes_along_whichever_way_it_came() {
    let bytes = picture();
    let encoded = STANDARD.encode(&bytes);
    let hash = blake3::hash(&bytes).to_hex().to_string();
    for image in [
        json!({"image": encoded}),
        json!({"image": format!("data:image/png;base64,{encoded}")}),
        json!({"inputs": {"image": encoded}}),
        json!({"images": [{"name": "any.png", "image": encoded}]}),
    ] {
        let queue = TestQueue::live(Plan::default());
        let mut body = json!({"template": "qwen-image-edit", "prompt": "make the hair blonde"});
        body.as_object_mut()
            .unwrap()
            .extend(image.as_object().unwrap().clone());
        let file = sent(&queue, &queue.post("/api/queue/create", &body).await).await;
        assert_eq!(file["hash"], hash.as_str());
        assert_eq!(
            queue.blobs.bytes(file["key"].as_str().unwrap()).unwrap(),
            bytes
        );
    }
}

#[tokio::test]
async fn a_form_with_a_file_is_a_create() {
    let queue = TestQueue::live(Plan::default());
    let mut body = Vec::new();
    for (name, text) in [
        ("template", "qwen-image-edit"),
        ("prompt", "blonde"),
        ("seed", "7"),
    ] {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), text.as_bytes(), b"\r\n"].concat());
    }
    body.extend(b"--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n");
    body.extend(b"Content-Type: image/png\r\n\r\n");
    body.extend(picture());
    body.extend(b"\r\n--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let request = request("POST", "/api/queue/create", &headers, Body::from(body));
    let answer = queue.send(request).await;
    assert_eq!(
        answer.json()["job"]["inputs"]["seed"],
        7,
        "{:#}",
        answer.json()
    );
    sent(&queue, &answer).await;
}

#[tokio::test]
async fn an_upload_is_stored_once_and_used_by_its_key() {
    let queue = TestQueue::live(Plan::default());
    let upload = || request("POST", "/api/inputs", &[], Body::from(picture()));
    let first = queue.send(upload()).await.json();
    let again = queue.send(upload()).await.json();
    assert_eq!(first["input_key"], again["input_key"]);
    assert_eq!(
        (&first["width"], &first["kind"]),
        (&64.into(), &"image".into())
    );
    assert_eq!(queue.blobs.keys().len(), 1);
    let key = &first["input_key"];
    let body = json!({"template": "qwen-image-edit", "prompt": "x", "input_key": key});
    sent(&queue, &queue.post("/api/queue/create", &body).await).await;
}

#[tokio::test]
async fn an_unknown_key_or_a_strange_file_is_refused_by_name() {
    let queue = TestQueue::simulated();
    let stranger = "0".repeat(64);
    let body = json!({"template": "qwen-image-edit", "prompt": "x", "input_key": stranger});
    let answer = queue.post("/api/queue/create", &body).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json()["details"][0]["code"],
        "unknown_file",
        "{:#}",
        answer.json()
    );
    let noise = request("POST", "/api/inputs", &[], Body::from(vec![0, 1, 2, 3, 4]));
    assert_eq!(queue.send(noise).await.status, 415);
}
