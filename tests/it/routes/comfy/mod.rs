//! `/api/v2/*`: the Comfy API's operations, statuses, codes and shapes.

mod assets;
mod jobs;
mod secrets;

use axum::body::Body;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use serde_json::{json, Value};

/// A PNG that decodes, of 8 by 8 pixels of one shade.
fn picture(shade: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[shade; 64]).unwrap();
    drop(writer);
    file
}

fn hash(bytes: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(bytes).to_hex())
}

fn text_part(name: &str, text: &str) -> Vec<u8> {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").into()
}

fn file_part(bytes: &[u8]) -> Vec<u8> {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n";
    [head, bytes, b"\r\n"].concat()
}

async fn post_form(queue: &TestQueue, parts: &[Vec<u8>]) -> Answered {
    let body = [parts.concat(), b"--b--\r\n".to_vec()].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let request = request("POST", "/api/v2/assets", &headers, Body::from(body));
    queue.send(request).await
}

/// Uploads as the official clients do: a form with the file and what it is.
async fn upload(queue: &TestQueue, bytes: &[u8], fields: &[(&str, &str)]) -> Answered {
    let texts = fields.iter().map(|(name, text)| text_part(name, text));
    let parts: Vec<_> = texts.chain([file_part(bytes)]).collect();
    post_form(queue, &parts).await
}

const PHOTO: [(&str, &str); 2] = [("content_type", "image/png"), ("file_path", "photo.png")];

fn workflow(image: &Value) -> Value {
    json!({"workflow": {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fox"}},
    }})
}

fn reference(id: &Value) -> Value {
    json!({"__type": "core/ASSET", "info": {"id": id, "file_path": "photo.png"}})
}

async fn send(queue: &TestQueue, method: &str, path: &str) -> Answered {
    queue.send(request(method, path, &[], Body::empty())).await
}

fn error(answer: &Answered) -> (u16, String) {
    let code = answer.json()["error"]["code"].as_str().map(str::to_owned);
    let code = code.unwrap_or_else(|| panic!("no envelope: {}", answer.json()));
    assert!(answer.json()["error"]["message"].is_string());
    (answer.status.as_u16(), code)
}
