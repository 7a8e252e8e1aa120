//! Uploads of somebody who means harm: forms that never come to their file, and pictures that are
//! small to send and huge to decode.

use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::testing::queue::{request, TestQueue};
use serde_json::{json, Value};

use super::uploads::{assert_nothing_left, film, picture, pieces};

const FORM: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=b")];
const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
const PIECE_BYTES: usize = 16 << 10;

/// The parser kept all that came until it found a boundary, or the end of a part's headers, and
/// searched it from the start with each piece: 95 MB of the letter a filled the memory of an
/// isolate that nothing counted, before anybody was charged for an upload.
#[tokio::test]
async fn a_form_that_never_comes_to_its_file_or_its_end_is_given_up_early() {
    let whole_file = [FILE.as_bytes(), &film(300_000), b"\r\n"].concat();
    let endless = |begin: &[u8]| {
        let begin = begin.chunks(PIECE_BYTES).map(Bytes::copy_from_slice);
        let noise = std::iter::repeat_n(Bytes::from(vec![b'a'; PIECE_BYTES]), 6_000);
        begin.chain(noise).map(Ok).collect()
    };
    let text = "--b\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n";
    for (begin, file_bytes) in [
        (b"".as_slice(), 0),
        (b"--b\r\nX: ", 0),
        (text.as_bytes(), 0),
        (&[&whole_file, b"--b\r\nX: ".as_slice()].concat(), 300_000),
        (&[&whole_file, text.as_bytes()].concat(), 300_000),
    ] {
        for path in ["/api/inputs", "/api/v2/assets"] {
            let queue = TestQueue::simulated();
            let (body, asked) = pieces::<std::io::Error>(endless(begin));
            let answer = queue.send(request("POST", path, &FORM, body)).await;
            let told = answer.json().to_string();
            assert_eq!(answer.status, 400, "{told}");
            assert!(told.contains("more than 64 KiB around its file"), "{told}");
            let polled = asked.load(Ordering::SeqCst) * PIECE_BYTES;
            assert!(polled < file_bytes + (200 << 10), "{polled} bytes");
            assert_nothing_left(&queue);
        }
    }
}

/// Many small texts are as much as one that is large.
#[tokio::test]
async fn the_names_and_texts_of_a_form_count_together() {
    let queue = TestQueue::simulated();
    let (name, text) = ("n".repeat(1_000), "t".repeat(1_000));
    let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let all = std::iter::repeat_n(Bytes::from(part), 100)
        .map(Ok)
        .collect();
    let (body, asked) = pieces::<std::io::Error>(all);
    let answer = queue
        .send(request("POST", "/api/inputs", &FORM, body))
        .await;
    assert_eq!(answer.status, 400, "{:#}", answer.json());
    assert!(asked.load(Ordering::SeqCst) < 40);
    assert_nothing_left(&queue);
}

/// A PNG's first bytes, saying that it has this size.
fn png_header(side: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(side.to_be_bytes());
    bytes.extend(side.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    bytes.extend([0; 60]);
    bytes
}

/// Refused as an upload with this status, and beside a create with this code.
async fn is_refused_everywhere(bytes: &[u8], status: u16, code: &str) {
    let queue = TestQueue::simulated();
    let upload = request("POST", "/api/inputs", &[], Body::from(bytes.to_vec()));
    let answer = queue.send(upload).await;
    assert_eq!(answer.status.as_u16(), status, "{:#}", answer.json());
    let asset = "Content-Disposition: form-data; name=\"content_type\"\r\n\r\nimage/png\r\n--b\r\n\
                 Content-Disposition: form-data; name=\"file_path\"\r\n\r\na.png\r\n--b--\r\n";
    let form = [FILE.as_bytes(), bytes, b"\r\n--b\r\n", asset.as_bytes()].concat();
    let answer = queue.send(request("POST", "/api/v2/assets", &FORM, Body::from(form)));
    assert_eq!(answer.await.status, 422);
    let image = STANDARD.encode(bytes);
    let template = json!({"template": "qwen-image-edit", "prompt": "x", "image": image});
    let workflow = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    });
    let images = json!([{"name": "a.png", "image": image}]);
    let raw = json!({"workflow": workflow, "images": images});
    for body in [template, raw] {
        let answer = queue.post("/api/queue/create", &body).await;
        let found = &answer.json()["details"][0]["code"];
        assert_eq!(found, code, "{:#}", answer.json());
    }
    assert_nothing_left(&queue);
}

#[tokio::test]
async fn a_picture_that_no_worker_could_open_is_refused_wherever_it_comes_in() {
    is_refused_everywhere(&png_header(60_000), 413, "too_many_pixels").await;
    let cut_off = [&picture()[..19], &[0; 60]].concat();
    is_refused_everywhere(&cut_off, 415, "broken_picture").await;
}

/// A PNG of one pixel over and over, as an encoder makes it.
fn animated_png(side: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_animated(3, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for _ in 0..3 {
        let frame = vec![0; (side * side) as usize];
        writer.write_image_data(&frame).unwrap();
    }
    writer.finish().unwrap();
    file
}

/// The pixels of one frame were counted, and a worker decodes all of them: 500 frames of a picture
/// within the limit are a few hundred kilobytes to send and a quarter of a terabyte to hold.
#[tokio::test]
async fn a_picture_of_many_frames_or_of_no_known_size_reaches_no_worker() {
    let webp = |flags: u8| {
        let size = [flags, 0, 0, 0, 63, 0, 0, 47, 0, 0];
        [
            b"RIFF\x5a\0\0\0WEBPVP8X\x0a\0\0\0".as_slice(),
            &size,
            &[0; 60],
        ]
        .concat()
    };
    // The frames are announced behind more than what is looked at.
    let hidden = {
        let (png, mut late) = (animated_png(8), Vec::new());
        late.extend_from_slice(&png[..33]);
        late.extend((2_u32 << 20).to_be_bytes());
        late.extend(b"prVt");
        late.extend(vec![0; (2 << 20) + 4]);
        late.extend_from_slice(&png[33..]);
        late
    };
    let heic = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".as_slice(), &[0; 60]].concat();
    for bytes in [
        animated_png(8),
        hidden,
        webp(0b10),
        [b"GIF89a\x40\0\x30\0".as_slice(), &[0; 60]].concat(),
        [b"II*\0\x08\0\0\0".as_slice(), &[0; 60]].concat(),
        [b"\x76\x2f\x31\x01".as_slice(), &[0; 60]].concat(),
        [b"8BPS\0\x01".as_slice(), &[0; 60]].concat(),
        heic,
    ] {
        is_refused_everywhere(&bytes, 415, "wrong_content_type").await;
    }
    let queue = TestQueue::simulated();
    for bytes in [picture(), webp(0b1_0000)] {
        let upload = request("POST", "/api/inputs", &[], Body::from(bytes));
        let answer: Value = queue.send(upload).await.json();
        assert_eq!(answer["width"], 64, "{answer:#}");
    }
}
