//! Results on their way into the object store: whole, or no success.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::id::JobId;
use edge_queue::room::ROOM_BYTES;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

/// Two parts of an object and some.
const SIZE_BYTES: usize = 11_000_003;

/// A queue of which every job ends soon, as `job` says.
fn live(job: &Value) -> TestQueue {
    let mut plan = json!({"queue_ms": 100, "run_ms": 1_000});
    let members = job.as_object().unwrap().clone();
    plan.as_object_mut().unwrap().extend(members);
    TestQueue::live(serde_json::from_value::<Plan>(json!({"job": plan})).unwrap())
}

/// A queue whose workers return exactly this.
fn returning(output: &Value) -> TestQueue {
    live(&json!({"outcome": {"given": output}}))
}

fn is_result(key: &str, id: JobId) -> bool {
    key.starts_with(&id.to_string())
}

/// What the job's only output says of itself is so.
fn assert_stored(queue: &TestQueue, job: &Value, size_bytes: usize) {
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let output = &job["outputs"][0];
    let bytes = queue.blobs.bytes(output["key"].as_str().unwrap()).unwrap();
    assert_eq!(bytes.len(), size_bytes);
    assert_eq!(output["size_bytes"], size_bytes);
    assert_eq!(output["hash"], blake3::hash(&bytes).to_hex().as_str());
    assert_eq!(queue.blobs.unfinished(), 0);
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

#[tokio::test]
async fn a_large_file_is_stored_whole_whatever_pieces_it_comes_in() {
    for link in [true, false] {
        let outcome = json!({"sized": {"size_bytes": SIZE_BYTES, "link": link}});
        let queue = live(&json!({"outcome": outcome, "webhook": {"copies": 0}}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(60_000).await;
        assert_stored(&queue, &queue.job(id).await, SIZE_BYTES);
    }
}

#[tokio::test]
async fn a_link_that_breaks_off_or_fails_is_fetched_again() {
    for fault in [
        json!({"cut": {"bytes": 3_000_000}}),
        json!({"problem": {"status": 503}}),
        json!({"too_many": {}}),
    ] {
        let outcome = json!({"sized": {"size_bytes": SIZE_BYTES, "link": true}});
        let queue = live(&json!({"outcome": outcome}));
        let faults = json!({"faults": [{"on": "file", "fault": fault}]});
        let change = serde_json::from_value(faults).unwrap();
        queue.runpod.lock().unwrap().plan_mut().change(change);
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(120_000).await;
        assert_stored(&queue, &queue.job(id).await, SIZE_BYTES);
    }
}

#[tokio::test]
async fn a_link_that_leads_inside_is_not_followed_directly_or_by_redirect() {
    let onward = "https://files.runpod.example/_mock/files/redirect/";
    let escaped = |url: &str| url.replace(':', "%3A").replace('/', "%2F");
    for (link, why) in [
        (
            "https://169.254.169.254/latest/meta-data/".into(),
            "not public",
        ),
        ("https://[::ffff:10.0.0.1]/a.png".into(), "not public"),
        ("http://files.runpod.example/a.png".into(), "not https"),
        (
            format!("{onward}{}", escaped("https://169.254.169.254/a")),
            "not public",
        ),
        (
            format!("{onward}{}", escaped("http://10.0.0.1/a")),
            "not https",
        ),
        (
            format!("{onward}{}", escaped("//2852039166/")),
            "not public",
        ),
    ] {
        let queue = returning(&json!({"images": [
            {"filename": "a.png", "type": "s3_url", "data": link},
        ]}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(60_000).await;
        let job = queue.job(id).await;
        assert_eq!(
            job["error"]["code"], "output_invalid",
            "{link}: {:#}",
            job["error"]
        );
        let message = job["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{link}: {message}");
    }
}

#[tokio::test]
async fn a_public_redirect_is_followed_and_an_endless_one_is_not() {
    let outcome = json!({"sized": {"size_bytes": 2_000_000, "link": true}});
    let queue = live(&json!({"outcome": outcome}));
    let first = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(60_000).await;
    assert_stored(&queue, &queue.job(first).await, 2_000_000);
    let made = queue.runpod.lock().unwrap().jobs(queue.now())[0].id.clone();
    let onward = "https://files.runpod.example/_mock/files/redirect/";
    let file = format!("https%3A%2F%2Ffiles.runpod.example%2F_mock%2Ffiles%2F{made}%2F0%2Fa.mp4");
    let around = format!("{onward}..%2Fredirect%2F..%2Fredirect%2F");
    for (link, status) in [(format!("{onward}{file}"), "succeeded"), (around, "failed")] {
        let output = json!({"videos": [{"filename": "a.mp4", "type": "s3_url", "data": link}]});
        let job = json!({"job": {"outcome": {"given": output}}});
        let change = serde_json::from_value(job).unwrap();
        queue.runpod.lock().unwrap().plan_mut().change(change);
        let id = queue.create(&json!({"prompt": "y"})).await;
        queue.pass(300_000).await;
        let job = queue.job(id).await;
        assert_eq!(job["status"], status, "{link}: {job:#}");
    }
}

#[tokio::test]
async fn a_size_that_the_object_store_counts_otherwise_is_no_success() {
    for size_bytes in [100_000, SIZE_BYTES] {
        let outcome = json!({"sized": {"size_bytes": size_bytes, "link": true}});
        let queue = live(&json!({"outcome": outcome}));
        queue.blobs.lose_bytes(1);
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(30_000).await;
        assert_ne!(queue.job(id).await["status"], "succeeded");
        assert!(!queue.blobs.keys().iter().any(|key| is_result(key, id)));
        queue.blobs.lose_bytes(0);
        queue.pass(120_000).await;
        assert_stored(&queue, &queue.job(id).await, size_bytes);
    }
}

#[tokio::test]
async fn an_object_store_that_fails_anywhere_in_a_file_leaves_nothing_of_it() {
    for failing in 1..5 {
        let outcome = json!({"sized": {"size_bytes": SIZE_BYTES, "link": true}});
        let queue = live(&json!({"outcome": outcome}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(500).await;
        queue.blobs.fail_next(failing);
        queue.pass(300_000).await;
        assert_stored(&queue, &queue.job(id).await, SIZE_BYTES);
        let results = queue.blobs.keys();
        let results = results.iter().filter(|key| is_result(key, id)).count();
        assert_eq!(results, 1, "after {failing} failures");
    }
}

/// The submit's answer was lost, so only the callback knows the provider's id; it was too large to
/// be read, and the paid result was given up as `provider_lost`.
#[tokio::test]
async fn a_callback_too_large_to_be_read_still_says_whose_end_it_is() {
    let queue = live(&json!({
        "outcome": {"sized": {"size_bytes": 6_000_000, "link": false}},
        "faults": [{"on": "run", "fault": "lost", "taken": true}],
    }));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(120_000).await;
    let job = queue.job(id).await;
    assert_stored(&queue, &job, 6_000_000);
    assert_eq!(job["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_look_without_room_comes_back_when_there_is_some() {
    let outcome = json!({"sized": {"size_bytes": 3_000_000, "link": false}});
    let queue = live(&json!({"outcome": outcome, "webhook": {"copies": 0}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let others = queue.app.room.take(ROOM_BYTES).unwrap();
    queue.pass(60_000).await;
    assert_ne!(queue.job(id).await["status"], "succeeded");
    drop(others);
    queue.pass(120_000).await;
    assert_stored(&queue, &queue.job(id).await, 3_000_000);
}

/// An order that cannot be held is not begun: no attempt is spent on it.
#[tokio::test]
async fn an_order_without_room_waits_and_is_sent_once() {
    let queue = live(&json!({}));
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 64, 48);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[90; 64 * 48]).unwrap();
    drop(writer);
    let image = STANDARD.encode(&picture);
    let body = json!({"template": "qwen-image-edit", "prompt": "x", "image": image});
    let id = queue.create(&body).await;
    let others = queue.app.room.take(ROOM_BYTES).unwrap();
    queue.pass(30_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 0);
    assert_eq!(queue.job(id).await["attempts"], json!([]));
    drop(others);
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
}

/// Files were counted and prompts were not: a few workflows of nine megabytes, sent at once, took
/// the memory of the isolate and of every job in it.
#[tokio::test]
async fn an_order_with_a_large_prompt_waits_for_room_too() {
    let queue = live(&json!({}));
    let text = "x".repeat(300 << 10);
    let body = json!({"workflow": {
        "1": {"class_type": "EmptyImage", "inputs": {"text": text}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    }});
    let id = queue.create(&body).await;
    let others = queue.app.room.take(ROOM_BYTES - (1 << 20)).unwrap();
    queue.pass(30_000).await;
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 0);
    drop(others);
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert_eq!(queue.app.room.taken_bytes(), 0);
}

#[tokio::test]
async fn every_kind_of_file_is_kept() {
    let padded = |magic: &[u8]| STANDARD.encode([magic, &[0; 100]].concat());
    let words = "plain words ".repeat(20);
    for (name, data, kind) in [
        ("a.txt", STANDARD.encode(&words), "text"),
        ("a.flac", padded(b"fLaC\0"), "audio"),
        ("a.mp4", padded(b"\0\0\0\x18ftypiso9"), "video"),
        ("a.glb", padded(b"glTF"), "file"),
        (
            "a.latent",
            padded(b"\x40\0\0\0\0\0\0\0{\"latent_tensor\":"),
            "latent",
        ),
    ] {
        let file = json!({"filename": name, "type": "base64", "data": data});
        let queue = returning(&json!({"files": [file]}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(60_000).await;
        let job = queue.job(id).await;
        assert_eq!(job["outputs"][0]["kind"], kind, "{name}: {job:#}");
        let stored = job["outputs"][0]["key"].as_str().unwrap();
        let sent = STANDARD.decode(&data).unwrap();
        assert_eq!(queue.blobs.bytes(stored).unwrap(), sent);
    }
}

#[tokio::test]
async fn a_result_that_is_not_what_it_claims_is_no_success() {
    let broken = STANDARD.encode([b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 90]].concat());
    let torn = format!(
        "{}*",
        STANDARD.encode([b"\xff\xd8\xff\xe0".as_slice(), &[7; 90]].concat())
    );
    for (data, why) in [(broken, "header"), (torn, "not base64")] {
        let file = json!({"filename": "a.png", "type": "base64", "data": data});
        let queue = returning(&json!({"images": [file]}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(60_000).await;
        let job = queue.job(id).await;
        assert_eq!(job["error"]["code"], "output_invalid", "{job:#}");
        let message = job["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        assert_eq!(queue.blobs.unfinished(), 0);
    }
}
