//! Uploads and outputs as assets.

use edge_queue::queue::purge::purge;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::json;

use super::{
    error, file_part, hash, picture, post_form, reference, send, text_part, upload, workflow, PHOTO,
};

#[tokio::test]
async fn the_same_bytes_are_one_asset_found_by_their_hash() {
    let queue = TestQueue::live(Plan::default());
    let bytes = picture(3);
    let by_hash = format!("/api/v2/assets/by-hash/{}", hash(&bytes));
    assert_eq!(send(&queue, "HEAD", &by_hash).await.status, 404);
    let from_hash = json!({"hash": hash(&bytes), "file_path": "again.png"});
    let missing = queue.post("/api/v2/assets/from-hash", &from_hash).await;
    assert_eq!(error(&missing), (404, "blob_not_found".into()));

    let first = upload(&queue, &bytes, &PHOTO).await;
    assert_eq!(
        (first.status.as_u16(), &first.json()["created_new"]),
        (201, &true.into())
    );
    assert_eq!(first.json()["file_path"], "photo.png");
    assert_eq!(send(&queue, "HEAD", &by_hash).await.status, 200);
    let second = upload(&queue, &bytes, &PHOTO).await;
    assert_eq!(
        (second.status.as_u16(), &second.json()["created_new"]),
        (200, &false.into())
    );
    let minted = queue
        .post("/api/v2/assets/from-hash", &from_hash)
        .await
        .json();
    assert_eq!(
        (&minted["id"], &minted["file_path"]),
        (&first.json()["id"], &json!("again.png"))
    );
    assert_eq!(queue.blobs.keys().len(), 1, "one object");
}

#[tokio::test]
async fn what_a_form_says_of_its_file_may_stand_after_it() {
    let queue = TestQueue::live(Plan::default());
    // Larger than anything that is held whole, so that it passes through piece by piece.
    let bytes = [picture(4), vec![7; 30 << 20]].concat();
    let after = [
        file_part(&bytes),
        text_part("file_path", "later.png"),
        text_part("content_type", "image/png"),
        text_part("expected_hash", &hash(&bytes)),
    ];
    let first = post_form(&queue, &after).await;
    assert_eq!(first.status, 201, "{}", first.json());
    let first = first.json();
    assert_eq!(
        (&first["hash"], &first["file_path"], &first["size_bytes"]),
        (
            &json!(hash(&bytes)),
            &json!("later.png"),
            &json!(bytes.len())
        )
    );
    let again = upload(&queue, &bytes, &PHOTO).await;
    assert_eq!(again.status, 200, "{}", again.json());
    assert_eq!(again.json()["id"], first["id"]);
    assert_eq!(again.json()["file_path"], "photo.png", "the newest name");
    assert_eq!(queue.blobs.keys().len(), 1, "one object");
}

/// The Python client puts a file's name between quotes as it is, quotes and backslashes included.
#[tokio::test]
async fn a_name_may_be_in_any_script_and_have_any_mark_in_it() {
    let queue = TestQueue::live(Plan::default());
    let names = [
        "雪の狐 🦊.png",
        "a \"b\"; name=\"c.png",
        "back\\",
        "50% off/é.png",
    ];
    for (shade, name) in names.into_iter().enumerate() {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        let bytes = picture(u8::try_from(shade).unwrap());
        let file = [head.as_bytes(), &bytes, b"\r\n"].concat();
        let texts = [PHOTO[0], ("file_path", name)].map(|(name, text)| text_part(name, text));
        let stored = post_form(&queue, &[texts.concat(), file]).await;
        assert_eq!(stored.status, 201, "{name}: {}", stored.json());
        assert_eq!(stored.json()["file_path"], name);
        let job = workflow(&reference(&stored.json()["id"]));
        let job = queue.post("/api/v2/jobs", &job).await;
        assert_eq!(job.status, 201, "{name}: {}", job.json());
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_leaves_nothing_and_says_all_that_is_wrong() {
    let queue = TestQueue::live(Plan::default());
    let hash_of_another = hash(b"other");
    let announced = [PHOTO[0], PHOTO[1], ("expected_hash", &hash_of_another)];
    let other = upload(&queue, &picture(4), &announced).await;
    assert_eq!(error(&other), (409, "hash_mismatch".into()));

    let wrong = |parts: Vec<Vec<u8>>, expected: &'static [&'static str]| {
        let queue = &queue;
        async move {
            let answer = post_form(queue, &parts).await;
            assert_eq!(error(&answer), (422, "contract_violation".into()));
            let violations = answer.json()["error"]["details"]["violations"].clone();
            let paths = violations.as_array().unwrap().iter().map(|v| &v["path"]);
            assert_eq!(paths.collect::<Vec<_>>(), expected);
        }
    };
    let file = file_part(&picture(4));
    let bad_hash = text_part("expected_hash", "blake3:7");
    let all = &["/file_path", "/content_type", "/expected_hash"];
    wrong(vec![file.clone(), bad_hash], all).await;
    wrong(vec![], &["/file", "/file_path", "/content_type"]).await;
    let texts = PHOTO.map(|(name, text)| text_part(name, text)).concat();
    wrong(vec![texts.clone()], &["/file"]).await;
    wrong(vec![texts.clone(), file_part(b"")], &["/file"]).await;
    let broken = file_part(&picture(4)[..20]);
    wrong(vec![texts.clone(), broken], &["/file"]).await;

    let two = post_form(&queue, &[texts.clone(), file.clone(), file.clone()]).await;
    assert_eq!(error(&two), (400, "invalid_request".into()));
    let long = text_part("tags", &"x".repeat(70 << 10));
    let long = post_form(&queue, &[texts, file, long]).await;
    assert_eq!(error(&long), (400, "invalid_request".into()));
    assert_eq!(queue.blobs.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_too_large() {
    let queue = TestQueue::live(Plan::default());
    let answer = upload(&queue, &vec![7; (95 << 20) + 1], &PHOTO).await;
    assert_eq!(error(&answer), (413, "payload_too_large".into()));
    assert_eq!(queue.blobs.keys(), Vec::<String>::new());
}

/// `expires_at` was null, which says never, and the upload was gone after its sixty days.
#[tokio::test]
async fn an_upload_says_until_when_it_is_kept_and_lives_on_when_it_comes_again() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let queue = TestQueue::live(Plan::default());
    let bytes = picture(6);
    let stored = upload(&queue, &bytes, &PHOTO).await.json();
    let kept_until = |days| json!(queue.now().plus_ms(days * DAY_MS).iso8601());
    assert_eq!(stored["expires_at"], kept_until(60));
    queue.pass(59 * DAY_MS).await;
    let from_hash = json!({"hash": hash(&bytes)});
    let renewed = queue.post("/api/v2/assets/from-hash", &from_hash).await;
    assert_eq!(renewed.json()["expires_at"], kept_until(60));
    let path = format!("/api/v2/assets/{}", stored["id"].as_str().unwrap());
    for (days, status) in [(59, 200), (2, 404)] {
        queue.pass(days * DAY_MS).await;
        purge(&queue.app).await.unwrap();
        assert_eq!(queue.get(&path).await.status, status, "{days}");
    }
}

#[tokio::test]
async fn an_asset_is_deleted_once_no_job_needs_it() {
    let queue = TestQueue::live(Plan::default());
    let photo = upload(&queue, &picture(1), &PHOTO).await.json();
    let path = format!("/api/v2/assets/{}", photo["id"].as_str().unwrap());
    let job = queue
        .post("/api/v2/jobs", &workflow(&reference(&photo["id"])))
        .await;
    assert_eq!(job.status, 201);
    let refused = send(&queue, "DELETE", &path).await;
    assert_eq!(error(&refused), (409, "asset_in_use".into()));
    queue.pass(10_000).await;
    let before = queue.blobs.keys().len();
    assert_eq!(send(&queue, "DELETE", &path).await.status, 204);
    assert_eq!(queue.blobs.keys().len(), before - 1);
    for gone in [send(&queue, "DELETE", &path).await, queue.get(&path).await] {
        assert_eq!(error(&gone), (404, "not_found".into()));
    }
    let job = queue
        .get(job.json()["urls"]["self"].as_str().unwrap())
        .await
        .json();
    let output = format!(
        "/api/v2/assets/{}",
        job["outputs"][0]["id"].as_str().unwrap()
    );
    let kept = send(&queue, "DELETE", &output).await;
    assert_eq!(
        error(&kept),
        (409, "asset_in_use".into()),
        "as long as its job"
    );
}
