//! Jobs: submitted, looked at, listed, canceled.

use axum::body::Body;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

use super::{error, hash, picture, reference, send, upload, workflow, PHOTO};

#[tokio::test]
async fn a_workflow_with_an_uploaded_photo_runs_and_its_result_is_an_asset() {
    let queue = TestQueue::live(Plan::default());
    let photo = upload(&queue, &picture(1), &PHOTO).await.json();
    let body = workflow(&reference(&photo["id"]));
    let created = queue.post("/api/v2/jobs", &body).await;
    assert_eq!(created.status, 201, "{}", created.json());
    let job = created.json();
    assert_eq!(
        (&job["status"], &job["outputs"]),
        (&json!("queued"), &json!([]))
    );
    assert!(job.get("ok").is_none(), "no envelope of ours");
    queue.pass(10_000).await;

    let job = queue
        .get(job["urls"]["self"].as_str().unwrap())
        .await
        .json();
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let output = &job["outputs"][0];
    assert_eq!(
        (&output["node_id"], &output["name"], &output["type"]),
        (&json!("9"), &json!("fox_00001_.png"), &json!("image"))
    );
    let path = format!("/api/v2/assets/{}", output["id"].as_str().unwrap());
    let asset = queue.get(&path).await.json();
    for same in ["id", "hash", "size_bytes", "content_type", "job_id"] {
        assert_eq!(asset[same], output[same], "{same}");
    }
    let link = output["url"].as_str().unwrap();
    let path_of_link = &link[link.find("/api/").unwrap()..];
    let bytes = queue.get(path_of_link).await.bytes;
    assert_eq!(hash(&bytes), output["hash"]);
    // `get_download_url` of the clients hands this link to somebody who has no key; it gave a path
    // that asks for one.
    for method in ["GET", "HEAD"] {
        let moved = send(&queue, method, &format!("{path}/content")).await;
        assert_eq!(
            (moved.status.as_u16(), moved.header("location")),
            (302, link)
        );
    }
    let part = [("range", "bytes=2-5")];
    let part = queue.send(request("GET", path_of_link, &part, Body::empty()));
    let part = part.await;
    assert_eq!((part.status.as_u16(), &part.bytes[..]), (206, &bytes[2..6]));
}

#[tokio::test]
async fn a_result_is_the_next_jobs_input_and_the_workflow_comes_back_as_it_was_sent() {
    let queue = TestQueue::live(Plan::default());
    let photo = upload(&queue, &picture(1), &PHOTO).await.json();
    let mut image = reference(&photo["id"]);
    image["info"].as_object_mut().unwrap().remove("file_path");
    let first = workflow(&image);
    let job = queue.post("/api/v2/jobs", &first).await.json();
    queue.pass(10_000).await;
    let path = job["urls"]["self"].as_str().unwrap();
    let output = queue.get(path).await.json()["outputs"][0]["id"].clone();
    let again = queue
        .post("/api/v2/jobs", &workflow(&reference(&output)))
        .await;
    assert_eq!(again.status, 201, "{}", again.json());
    let shown = queue.get(&format!("{path}/workflow")).await.json();
    assert_eq!(
        shown,
        json!({"workflow": first["workflow"], "format": "api"})
    );
}

/// The official clients put an asset wherever its handle stands, also into a list, which ComfyUI
/// takes as `__value__`; such references went to the worker as they were. And a result that was an
/// input came back from `/workflow` as an upload of the same bytes, which nobody had made: sent
/// again, the workflow was refused for a missing asset.
#[tokio::test]
async fn references_stand_anywhere_in_an_input_and_come_back_as_what_they_were() {
    let queue = TestQueue::live(Plan::default());
    let bare = |id: &Value| json!({"__type": "core/ASSET", "info": {"id": id}});
    let photo = upload(&queue, &picture(1), &PHOTO).await.json()["id"].clone();
    let first = workflow(&bare(&photo));
    let first = queue.post("/api/v2/jobs", &first).await.json();
    queue.pass(10_000).await;
    let path = |job: &Value| job["urls"]["self"].as_str().unwrap().to_owned();
    let output = queue.get(&path(&first)).await.json()["outputs"][0]["id"].clone();

    let list = json!({"__value__": [bare(&photo), {"deep": [bare(&output)]}]});
    let sent = workflow(&list);
    let job = queue.post("/api/v2/jobs", &sent).await;
    assert_eq!(job.status, 201, "{}", job.json());
    queue.pass(10_000).await;
    let mut sent_along = queue.runpod.lock().unwrap().jobs(queue.now())[1]
        .images
        .clone();
    let prompts = queue.db.query("SELECT body FROM prompts ORDER BY job_id");
    let prompt = prompts.unwrap()[1]["body"].as_str().unwrap().to_owned();
    let prompt: Value = serde_json::from_str(&prompt).unwrap();
    let value = &prompt["1"]["inputs"]["image"]["__value__"];
    let mut named = [&value[0], &value[1]["deep"][0]].map(|name| name.as_str().unwrap());
    sent_along.sort_unstable();
    named.sort_unstable();
    assert_eq!(sent_along, named);

    let workflow_path = format!("{}/workflow", path(&job.json()));
    let shown = queue.get(&workflow_path).await.json();
    assert_eq!(shown["workflow"], sent["workflow"]);
    let again = json!({"workflow": shown["workflow"]});
    let again = queue.post("/api/v2/jobs", &again).await;
    assert_eq!(again.status, 201, "{}", again.json());

    let stranger = json!("01234567-89ab-8def-8123-456789abcdef");
    let list = json!({"__value__": [bare(&photo), bare(&stranger), bare(&stranger)]});
    let refused = queue.post("/api/v2/jobs", &workflow(&list)).await;
    assert_eq!(error(&refused), (422, "missing_asset".into()));
    let errors = refused.json()["error"]["details"]["node_errors"]["1"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["field"], "image");
}

#[tokio::test]
async fn the_same_key_answers_the_same_job_and_another_body_is_refused() {
    let queue = TestQueue::live(Plan::default());
    let key = [("idempotency-key", "k-1")];
    let body = json!({"template": "text-to-image", "inputs": {"prompt": "x"}});
    let first = queue.post_with("/api/v2/jobs", &body, &key).await;
    assert_eq!(first.status, 201, "{}", first.json());
    queue.pass(10_000).await;
    let again = queue.post_with("/api/v2/jobs", &body, &key).await;
    assert_eq!(
        (again.status.as_u16(), again.header("idempotent-replayed")),
        (201, "true")
    );
    assert_eq!(first.json(), again.json());
    let other = json!({"template": "text-to-image", "inputs": {"prompt": "y"}});
    let other = queue.post_with("/api/v2/jobs", &other, &key).await;
    assert_eq!(error(&other), (422, "idempotency_key_reuse".into()));
    assert_eq!(
        other.json()["error"]["details"]["job_id"],
        first.json()["id"]
    );
}

#[tokio::test]
async fn what_cannot_run_is_refused_in_the_contracts_words() {
    let queue = TestQueue::live(Plan::default());
    let broken = json!({"9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0]}}});
    let editor = json!({"nodes": [], "links": [], "last_node_id": 0});
    let stranger = reference(&json!("01234567-89ab-8def-8123-456789abcdef"));
    for (body, code) in [
        (json!({"workflow": broken}), "invalid_workflow"),
        (json!({"workflow": editor}), "workflow_format_ui"),
        (workflow(&stranger), "missing_asset"),
        (workflow(&reference(&json!(7))), "missing_asset"),
        (json!({"workflow": 7}), "invalid_workflow"),
        (
            json!({"workflow": {}, "metadata": {"a b": "x"}}),
            "metadata_invalid",
        ),
        (json!({}), "invalid_workflow"),
    ] {
        let answer = queue.post("/api/v2/jobs", &body).await;
        assert_eq!(error(&answer), (422, code.into()), "{body}");
    }
    let answer = queue
        .post("/api/v2/jobs", &workflow(&stranger))
        .await
        .json();
    let node = &answer["error"]["details"]["node_errors"]["1"][0];
    assert_eq!(
        (&node["field"], &node["reason"]),
        (&json!("image"), &json!("missing_asset"))
    );
    // Its base URL was set with a path, and the client added its own.
    let doubled = queue.get("/api/v2/api/v2/jobs/x").await;
    assert_eq!(error(&doubled), (404, "not_found".into()));
    let told = doubled.json()["error"]["message"].to_string();
    assert!(told.contains("base URL"), "{told}");
    let nothing = queue.get("/api/v2/nothing").await;
    assert_eq!(error(&nothing), (404, "not_found".into()));
    assert_eq!(
        nothing.header("x-comfy-request-id"),
        nothing.header("x-request-id")
    );
}

#[tokio::test]
async fn another_callers_jobs_and_assets_do_not_exist() {
    let queue = TestQueue::live(Plan::default());
    let photo = upload(&queue, &picture(1), &PHOTO).await.json();
    let job = queue
        .post("/api/v2/jobs", &workflow(&reference(&photo["id"])))
        .await
        .json();
    queue.pass(10_000).await;
    let job_path = job["urls"]["self"].as_str().unwrap();
    let output = queue.get(job_path).await.json()["outputs"][0]["id"].clone();
    let bearer = format!("Bearer {ADMIN_KEY}");
    let other = [("authorization", bearer.as_str())];
    for path in [
        job_path.to_owned(),
        format!("{job_path}/workflow"),
        format!("{job_path}/events"),
        format!("/api/v2/assets/{}", output.as_str().unwrap()),
        format!("/api/v2/assets/{}/content", photo["id"].as_str().unwrap()),
        "/api/v2/assets/nonsense".into(),
    ] {
        let answer = queue
            .send(request("GET", &path, &other, Body::empty()))
            .await;
        assert_eq!(error(&answer), (404, "not_found".into()), "{path}");
    }
    let listed = request("GET", "/api/v2/jobs", &other, Body::empty());
    assert_eq!(queue.send(listed).await.json(), json!({"jobs": []}));
}

#[tokio::test]
async fn jobs_are_listed_by_their_labels_page_by_page() {
    let queue = TestQueue::live(Plan::default());
    let mut ids = Vec::new();
    for run in ["a", "b", "a"] {
        queue.clock.advance_ms(1);
        let body = json!({"template": "text-to-image", "inputs": {"prompt": run},
            "metadata": {"run": run}});
        ids.insert(
            0,
            queue.post("/api/v2/jobs", &body).await.json()["id"].clone(),
        );
    }
    let page = queue.get("/api/v2/jobs?limit=2").await.json();
    assert_eq!(
        [&page["jobs"][0]["id"], &page["jobs"][1]["id"]],
        [&ids[0], &ids[1]]
    );
    let next = page["next_cursor"].as_str().unwrap();
    let page = queue
        .get(&format!("/api/v2/jobs?limit=2&cursor={next}"))
        .await
        .json();
    assert_eq!(page["jobs"][0]["id"], ids[2]);
    assert!(page.get("next_cursor").is_none(), "the last page");
    let page = queue.get("/api/v2/jobs?metadata%5Brun%5D=b").await.json();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(page["jobs"][0]["metadata"], json!({"run": "b"}));
    let bad = queue.get("/api/v2/jobs?cursor=x").await;
    assert_eq!(error(&bad), (400, "invalid_cursor".into()));
    let bad = queue.get("/api/v2/jobs?metadata%5Ba%20b%5D=x").await;
    assert_eq!(error(&bad), (400, "invalid_metadata_filter".into()));
}

#[tokio::test]
async fn a_canceled_job_says_so_twice_over() {
    let queue = TestQueue::live(Plan::default());
    let body = json!({"template": "text-to-image", "inputs": {"prompt": "x"}});
    let job = queue.post("/api/v2/jobs", &body).await.json();
    let path = job["urls"]["cancel"].as_str().unwrap();
    for _ in 0..2 {
        let canceled = send(&queue, "POST", path).await;
        assert_eq!(canceled.json()["status"], "canceled", "{}", canceled.json());
    }
    let events = queue.get(job["urls"]["events"].as_str().unwrap()).await;
    let told = String::from_utf8(events.bytes.into()).unwrap();
    assert!(
        told.contains("event: status\ndata: {\"status\":\"canceled\""),
        "{told}"
    );
}
