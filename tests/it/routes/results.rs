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

/// What stands in a cache between must be what the next one would get: nothing that a caller sends
/// decides about a body or a header, and nothing that a link opened may be kept for others.
#[tokio::test]
async fn no_shared_cache_keeps_a_result_and_nothing_of_the_request_is_in_its_answer() {
    let (queue, url, bytes) = finished().await;
    let plain = ask(&queue, "GET", &url, &[]).await;
    assert!(plain.header("cache-control").starts_with("private"));
    let evil = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-original-url", "/api/result/evil"),
        ("x-http-method-override", "DELETE"),
        ("accept", "text/html"),
        ("content-type", "text/html"),
    ];
    let told = ask(&queue, "GET", &url, &evil).await;
    assert_eq!((told.status.as_u16(), &told.bytes[..]), (200, &bytes[..]));
    let without_id = |answer: &Answered| {
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        headers
    };
    assert_eq!(without_id(&told), without_id(&plain));
    for path in [
        "/api/result/no/such/key.png".to_owned(),
        url.replace("sig=", "sig=A"),
        format!("{url}&x=%3Cscript%3E"),
    ] {
        let answer = ask(&queue, "GET", &path, &evil).await;
        let shown = String::from_utf8_lossy(&answer.bytes);
        assert!(
            !shown.contains("evil") && !shown.contains("script"),
            "{shown}"
        );
        let kept = answer.header("cache-control");
        assert!(
            ["no-store", "private, max-age=3600, immutable"].contains(&kept),
            "{path}: {kept}"
        );
    }
}

#[tokio::test]
async fn a_page_or_a_drawing_with_code_in_it_is_only_text_to_be_saved() {
    let queue = TestQueue::simulated();
    for code in [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "<?xml version='1.0'?><svg onload='alert(1)'/>",
        "<!doctype html><script>alert(1)</script>",
    ] {
        let headers = [("content-type", "image/svg+xml")];
        let sent = request("POST", "/api/inputs", &headers, code.into());
        let stored = queue.send(sent).await.json();
        assert_eq!(
            stored["content_type"], "text/plain; charset=utf-8",
            "{stored}"
        );
        let hash = stored["hash"].as_str().unwrap().to_owned();
        let path = "/api/v2/assets/from-hash";
        let named = json!({"hash": format!("blake3:{hash}"), "file_path": "a.svg"});
        let asset = queue.post(path, &named).await.json();
        let id = asset["id"].as_str().unwrap_or_else(|| panic!("{asset}"));
        let moved = ask(&queue, "GET", &format!("/api/v2/assets/{id}/content"), &[]).await;
        let link = moved.header("location");
        let shown = ask(&queue, "GET", &link[link.find("/api/").unwrap()..], &[]).await;
        assert_eq!(shown.status, 200);
        assert!(shown.header("content-type").starts_with("text/plain"));
        assert!(shown
            .header("content-disposition")
            .starts_with("attachment"));
        assert!(shown
            .header("content-security-policy")
            .starts_with("sandbox"));
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
    }
}
