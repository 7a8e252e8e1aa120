//! Files on their way in: inline, by form, by key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::room::ROOM_BYTES;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use futures::future::join;
use futures::{stream, StreamExt};
use serde_json::{json, Value};

/// A PNG that decodes, of 64 by 48 pixels.
pub fn picture() -> Vec<u8> {
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

/// A body that comes piece by piece, and how often it was asked for one.
pub fn pieces<E>(pieces: Vec<Result<Bytes, E>>) -> (Body, Arc<AtomicUsize>)
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let counted = stream::iter(pieces).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    (Body::from_stream(counted), asked)
}

/// A film of `size` bytes, no two parts of which are equal.
pub fn film(size: usize) -> Bytes {
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".to_vec();
    let pages = (0..=u8::MAX).cycle().flat_map(|page| [page; 251]);
    bytes.extend(pages.take(size - bytes.len()));
    bytes.into()
}

/// In pieces of 99,991 bytes with an empty one before them.
fn torn(bytes: &Bytes) -> Vec<Result<Bytes, std::io::Error>> {
    let pieces = bytes.chunks(99_991).map(|piece| Ok(bytes.slice_ref(piece)));
    std::iter::once(Ok(Bytes::new())).chain(pieces).collect()
}

pub fn assert_nothing_left(queue: &TestQueue) {
    assert_eq!(queue.blobs.keys(), [""; 0]);
    assert_eq!(queue.blobs.unfinished(), 0);
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

#[tokio::test]
async fn a_large_upload_is_stored_as_it_comes_as_a_body_or_in_a_form() {
    let whole = film(12_000_007);
    let head = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\n\
                Content-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
    let form = [head.as_bytes(), &whole, b"\r\n--b--\r\n"].concat();
    let form_type = [("content-type", "multipart/form-data; boundary=b")];
    for (bytes, headers) in [(whole.clone(), [].as_slice()), (form.into(), &form_type)] {
        let queue = TestQueue::simulated();
        let (body, _) = pieces(torn(&bytes));
        let answer = queue
            .send(request("POST", "/api/inputs", headers, body))
            .await;
        let stored = answer.json();
        assert_eq!(answer.status, 200, "{stored:#}");
        assert_eq!(stored["size_bytes"], whole.len());
        assert_eq!(stored["hash"], blake3::hash(&whole).to_hex().as_str());
        assert_eq!(queue.blobs.bytes(&queue.blobs.keys()[0]).unwrap(), whole);
        assert_eq!(queue.app.room.taken_bytes(), 0);
    }
}

#[tokio::test]
async fn an_upload_that_says_it_is_too_large_is_refused_unread() {
    let queue = TestQueue::simulated();
    for (headers, length) in [
        ([("content-type", "video/mp4")], 99_614_721_u64),
        (
            [("content-type", "multipart/form-data; boundary=b")],
            99_680_257,
        ),
    ] {
        let (body, asked) = pieces(torn(&film(1_000)));
        let mut request = request("POST", "/api/inputs", &headers, body);
        let length = length.to_string().parse().unwrap();
        request.headers_mut().insert("content-length", length);
        assert_eq!(queue.send(request).await.status, 413);
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
    assert_nothing_left(&queue);
}

#[tokio::test]
async fn an_upload_that_hides_its_size_is_refused_when_it_passes_the_limit() {
    let (first, more) = (film(1 << 20), Bytes::from(vec![7; 1 << 20]));
    let head = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
    let form = [head.as_bytes(), &first].concat();
    let form_type = [("content-type", "multipart/form-data; boundary=b")];
    for (headers, first) in [([].as_slice(), first), (&form_type, form.into())] {
        let queue = TestQueue::simulated();
        let mut all: Vec<Result<Bytes, std::io::Error>> = vec![Ok(first)];
        all.extend((0..200).map(|_| Ok(more.clone())));
        let (body, asked) = pieces(all);
        let upload = request("POST", "/api/inputs", headers, body);
        let answer = queue.send(upload).await;
        assert_eq!(answer.json()["error"], "payload_too_large");
        assert_eq!(asked.load(Ordering::SeqCst), 96, "{headers:?}");
        assert_nothing_left(&queue);
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let whole = film(7_000_000);
    let cut = || {
        let mut all = torn(&whole);
        all.push(Err(std::io::Error::other("gone")));
        pieces(all).0
    };
    let head = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
    let form = Bytes::from([head.as_bytes(), &whole].concat());
    let form_type = [("content-type", "multipart/form-data; boundary=b")];
    let short = [("content-length", "7000001")];
    for (headers, body) in [
        ([].as_slice(), cut()),
        (&short, pieces(torn(&whole)).0),
        (&form_type, pieces(torn(&form)).0),
    ] {
        let queue = TestQueue::simulated();
        let answer = queue
            .send(request("POST", "/api/inputs", headers, body))
            .await;
        assert_eq!(answer.json()["error"], "invalid_request", "{headers:?}");
        assert!(
            answer.json()["message"].as_str().unwrap().contains("ended"),
            "{headers:?}"
        );
        assert_nothing_left(&queue);
    }
}

#[tokio::test]
async fn a_form_with_two_files_is_refused_and_leaves_nothing() {
    let queue = TestQueue::simulated();
    let head = "Content-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
    let first = ["--b\r\n".as_bytes(), head.as_bytes(), &film(7_000_000)].concat();
    let form = [
        &first,
        "\r\n--b\r\n".as_bytes(),
        head.as_bytes(),
        b"x\r\n--b--\r\n",
    ]
    .concat();
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let (body, _) = pieces(torn(&form.into()));
    let answer = queue
        .send(request("POST", "/api/inputs", &headers, body))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"]
        .as_str()
        .unwrap()
        .contains("exactly one file"));
    assert_nothing_left(&queue);
}

#[tokio::test]
async fn an_upload_that_stands_still_is_given_up() {
    let queue = TestQueue::simulated();
    let stalled =
        || Body::from_stream(stream::iter(torn(&film(2_000_000))).chain(stream::pending()));
    let sent = queue.send(request("POST", "/api/inputs", &[], stalled()));
    // The first window has what came at once; the next one has nothing.
    let time = async {
        for _ in 0..8 {
            queue.pass(31_000).await;
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = join(sent, time).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"]
        .as_str()
        .unwrap()
        .contains("slowly"));
    assert_nothing_left(&queue);
}

#[tokio::test]
async fn an_upload_without_room_is_asked_to_come_later() {
    let queue = TestQueue::simulated();
    let others = queue.app.room.take(ROOM_BYTES - (2 << 20)).unwrap();
    let upload = || pieces(torn(&film(3_000_000))).0;
    let answer = queue
        .send(request("POST", "/api/inputs", &[], upload()))
        .await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    drop(others);
    assert_nothing_left(&queue);
    let answer = queue
        .send(request("POST", "/api/inputs", &[], upload()))
        .await;
    assert_eq!(answer.status, 200);
}
