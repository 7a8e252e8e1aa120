//! `GET /api/result/…`.

use axum::body::Body;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use serde_json::json;

/// A finished job's result, and the link to it.
async fn finished() -> (TestQueue, String, Vec<u8>) {
    let queue = TestQueue::simulated();
    let id = queue.create(&json!({"prompt": "x", "ratio": "16:9"})).await;
    queue.pass(5_000).await;
    let url = queue.job(id).await["result_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let bytes = queue.get(&url).await.bytes.to_vec();
    (queue, url, bytes)
}

async fn ask(queue: &TestQueue, method: &str, url: &str, headers: &[(&str, &str)]) -> Answered {
    queue
        .send(request(method, url, headers, Body::empty()))
        .await
}

#[tokio::test]
async fn a_range_gives_its_part_and_a_wrong_one_the_size() {
    let (queue, url, bytes) = finished().await;
    for (range, part, shown) in [
        (
            "bytes=8-15",
            &bytes[8..16],
            format!("bytes 8-15/{}", bytes.len()),
        ),
        ("bytes=-4", &bytes[bytes.len() - 4..], String::new()),
        ("bytes=0-", &bytes[..], String::new()),
    ] {
        let answer = ask(&queue, "GET", &url, &[("range", range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.bytes, part, "{range}");
        assert!(answer.header("content-range").contains(&shown), "{range}");
    }
    let beyond = ask(&queue, "GET", &url, &[("range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.header("content-range"),
        format!("bytes */{}", bytes.len())
    );
}

#[tokio::test]
async fn a_result_is_tagged_by_its_key_and_answered_once() {
    let (queue, url, bytes) = finished().await;
    let answer = ask(&queue, "GET", &url, &[]).await;
    let key = url.strip_prefix("/api/result/").unwrap();
    let etag = format!("\"{}\"", key.split('?').next().unwrap());
    assert_eq!(answer.header("etag"), etag);
    let again = ask(&queue, "GET", &url, &[("if-none-match", &etag)]).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    let head = ask(&queue, "HEAD", &url, &[]).await;
    assert_eq!(head.header("content-length"), bytes.len().to_string());
    assert!(head.bytes.is_empty());
    let other = [("range", "bytes=0-3"), ("if-range", "\"another\"")];
    assert_eq!(ask(&queue, "GET", &url, &other).await.status, 200);
}

#[tokio::test]
async fn without_a_good_signature_only_the_owner_reads() {
    let (queue, url, _) = finished().await;
    let bare = url.split('?').next().unwrap();
    assert_eq!(ask(&queue, "GET", bare, &[]).await.status, 200, "the owner");
    let bearer = format!("Bearer {}", edge_queue::testing::queue::ADMIN_KEY);
    let other = [("authorization", bearer.as_str())];
    assert_eq!(
        ask(&queue, "GET", bare, &other).await.status,
        404,
        "somebody else"
    );
    let forged = url.replace("sig=", "sig=A");
    assert_eq!(ask(&queue, "GET", &forged, &other).await.status, 404);
    assert_eq!(
        ask(&queue, "GET", &url, &other).await.status,
        200,
        "whoever has the link"
    );
    queue.pass(26 * 3_600_000).await;
    assert_eq!(
        ask(&queue, "GET", &url, &other).await.status,
        404,
        "the link has ended"
    );
}
