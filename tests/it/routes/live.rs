//! How far a job is: what workers tell, who hears of it, and what survives a cut connection.

use axum::body::{Body, BodyDataStream};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::id::JobId;
use edge_queue::queue::listen::LISTENERS_MAX;
use edge_queue::testing::queue::{request, Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use edge_queue::token::CallbackClaim;
use futures::{FutureExt, StreamExt};
use serde_json::{json, Value};
use tower_service::Service;

/// The first bytes of a JPEG, which is all that anybody looks at.
const PICTURE: &str = "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAA==";

/// One that can be opened, as text.
fn whole_picture() -> String {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7; 64]).unwrap();
    drop(writer);
    STANDARD.encode(file)
}

/// An event: id, name, data.
type Event = (String, String, Value);

/// A job whose attempt runs for a long time and of which only its worker tells anything.
async fn working() -> (TestQueue, JobId) {
    let plan = json!({"job": {"webhook": {"copies": 0}, "run_ms": 60_000_000}});
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    (queue, id)
}

async fn tell(queue: &TestQueue, job: JobId, attempt: u32, body: &Value) -> Answered {
    let token = queue.app.signer.progress(CallbackClaim { job, attempt });
    queue.post(&format!("/api/progress/{token}"), body).await
}

async fn listen(queue: &TestQueue, id: JobId, last: Option<&str>) -> Option<BodyDataStream> {
    open(queue, &format!("/api/v2/jobs/{id}/events"), last).await
}

async fn open(queue: &TestQueue, path: &str, last: Option<&str>) -> Option<BodyDataStream> {
    let last: Vec<_> = last.map(|l| ("last-event-id", l)).into_iter().collect();
    let asked = request("GET", path, &last, Body::empty());
    let response = queue.router.clone().call(asked).await.unwrap();
    let is_stream = response.status() == 200;
    is_stream.then(|| response.into_body().into_data_stream())
}

/// What has arrived by now, and whether the stream has ended.
fn arrived(stream: &mut BodyDataStream) -> (Vec<Event>, bool) {
    let mut events = Vec::new();
    loop {
        match stream.next().now_or_never() {
            None => return (events, false),
            Some(None) => return (events, true),
            Some(Some(piece)) => {
                let piece = String::from_utf8(piece.unwrap().into()).unwrap();
                events.extend(piece.split("\n\n").filter_map(event));
            }
        }
    }
}

fn event(block: &str) -> Option<Event> {
    let (id, rest) = block.strip_prefix("id: ")?.split_once("\nevent: ")?;
    let (name, data) = rest.split_once("\ndata: ")?;
    let data = serde_json::from_str(data).unwrap();
    Some((id.to_owned(), name.to_owned(), data))
}

fn shares(events: &[Event]) -> Vec<f64> {
    let progress = events.iter().filter(|(_, name, _)| name == "progress");
    progress
        .map(|(_, _, data)| data["value"].as_f64().unwrap())
        .collect()
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn who_listens_to_a_job_that_waits_hears_how_many_wait_before_it() {
    let plan = json!({"job": {"run_ms": 60_000_000}});
    let slots = [("ENDPOINT_JOBS_MAX", "1")];
    let queue = TestQueue::build(&slots, serde_json::from_value(plan).unwrap(), 1);
    let mut ids = Vec::new();
    for prompt in ["first", "second", "third"] {
        ids.push(queue.create(&json!({"prompt": prompt})).await);
        queue.pass(100).await;
    }
    let mut stream = listen(&queue, ids[2], None).await.unwrap();
    let (events, _) = arrived(&mut stream);
    assert_eq!(
        events[0].2,
        json!({"status": "queued", "queue_position": 1})
    );
}

#[tokio::test]
async fn a_file_that_is_done_early_is_shown_with_its_link_and_goes_with_the_end() {
    let (queue, id) = working().await;
    let path = format!("/api/queue/events/{id}");
    let mut stream = open(&queue, &path, None).await.unwrap();
    let mut comfy = listen(&queue, id, None).await.unwrap();
    arrived(&mut stream);
    arrived(&mut comfy);
    let told =
        json!({"value": 0.5, "output": {"name": "eq0_00001_.png", "data_base64": whole_picture()}});
    for _ in 0..2 {
        assert_eq!(tell(&queue, id, 1, &told).await.status, 200);
    }
    let (events, _) = arrived(&mut stream);
    assert_eq!(names(&events), ["status", "progress", "output"]);
    let output = &events[2].2;
    assert_eq!(
        (&output["early"], &output["kind"]),
        (&json!(true), &json!("image"))
    );
    assert!(output["node_id"].is_string(), "told by its name: {output}");
    let url = output["url"].as_str().unwrap();
    assert_eq!(queue.get(url).await.status, 200);
    let mut late = open(&queue, &path, Some(&events[1].0)).await.unwrap();
    assert_eq!(
        names(&arrived(&mut late).0),
        ["output"],
        "the one that was missed"
    );
    assert_eq!(names(&arrived(&mut comfy).0), ["status", "progress"]);

    queue
        .post(&format!("/api/queue/cancel/{id}"), &json!({}))
        .await;
    queue.pass(60_000).await;
    assert_eq!(queue.job(id).await["status"], "canceled");
    assert_eq!(queue.get(url).await.status, 404);
}

#[tokio::test]
async fn a_file_that_is_done_early_is_not_had_before_credits_have_paid_for_it() {
    let settings = [("PROVIDER", "simulated"), ("SESSION_CREDITS", "5")];
    let queue = TestQueue::build(&settings, Plan::default(), 1);
    let session = queue.post("/api/session", &json!({})).await.json();
    let bearer = format!("Bearer {}", session["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"prompt": "x", "labels": {"simulate": "slow"}});
    let made = queue.post_with("/api/queue/create", &body, &headers).await;
    let made = made.json();
    let id = JobId::parse(made["job_id"].as_str().unwrap()).unwrap();
    queue.pass(1_000).await;
    let path = format!("/api/queue/status/{id}");
    let status = queue.send(request("GET", &path, &headers, "".into())).await;
    assert_eq!(status.json()["job"]["credits"]["price"], 1);
    let before = queue.blobs.keys();
    let told = json!({"value": 0.5, "output": {"data_base64": whole_picture()}});
    let answer = tell(&queue, id, 1, &told).await;
    assert_eq!(answer.json()["go_on"], true, "{:#}", answer.json());
    assert_eq!(queue.blobs.keys(), before, "nothing is stored");
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_and_shown_to_nobody() {
    let (queue, id) = working().await;
    let page = "PGh0bWw+bm90IHRoZXJlPC9odG1sPg==";
    let wrong = json!({"output": {"name": "eq0_00001_.png", "data_base64": page}});
    for body in [wrong, json!({"output": {"data_base64": "?"}})] {
        let answer = tell(&queue, id, 1, &body).await;
        assert_eq!(answer.status, 400, "{}", answer.json());
        assert_eq!(answer.json()["details"][0]["path"], "/output/data_base64");
    }
}

#[tokio::test]
async fn a_worker_tells_how_far_it_is_and_everybody_sees_it() {
    let (queue, id) = working().await;
    let mut stream = listen(&queue, id, None).await.unwrap();
    arrived(&mut stream);
    let told = json!({"nodes_done": 1, "nodes_total": 4, "step": 5, "steps": 10,
        "current_node": "3", "current_node_class": "KSampler",
        "preview": {"node_id": "3", "content_type": "text/html", "data_base64": PICTURE}});
    let answer = tell(&queue, id, 1, &told).await;
    assert_eq!(answer.json()["go_on"], true, "{}", answer.json());
    let (events, _) = arrived(&mut stream);
    assert_eq!(names(&events), ["status", "progress", "preview"]);
    assert_eq!(events[0].2["status"], "running", "the first sign of work");
    assert_eq!(events[1].2["value"], 0.375);
    assert_eq!(
        events[2].2["content_type"], "image/jpeg",
        "told by its bytes"
    );
    let job = queue.get(&format!("/api/v2/jobs/{id}")).await.json();
    assert_eq!(job["progress"], events[1].2);
    assert_eq!(queue.job(id).await["progress"], events[1].2);
    // Whoever comes now gets the newest of each.
    let mut late = listen(&queue, id, None).await.unwrap();
    assert_eq!(
        names(&arrived(&mut late).0),
        ["status", "progress", "preview"]
    );
}

#[tokio::test]
async fn progress_comes_at_most_twice_a_second_and_only_grows() {
    let (queue, id) = working().await;
    let mut stream = listen(&queue, id, None).await.unwrap();
    let mut seen = Vec::new();
    for n in 1..=40 {
        tell(&queue, id, 1, &json!({"value": f64::from(n) / 100.0})).await;
        tell(&queue, id, 1, &json!({"value": 0.001})).await;
        queue.clock.advance_ms(50);
        queue.watchers.run_timers().await;
        seen.extend(arrived(&mut stream).0);
    }
    let seen = shares(&seen);
    assert!((4..=5).contains(&seen.len()), "in two seconds: {seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

#[tokio::test]
async fn a_new_attempt_begins_at_nothing_also_where_nobody_listens() {
    let silent = json!({"copies": 0});
    let plan = json!({
        "next": [{"outcome": "worker_lost", "run_ms": 60_000, "webhook": silent}],
        "job": {"run_ms": 60_000_000, "webhook": silent},
    });
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    tell(&queue, id, 1, &json!({"value": 0.8})).await;
    assert_eq!(queue.job(id).await["progress"]["value"], 0.8);
    let second = |job: &Value| job["attempts"][1]["status"] == "executing";
    for _ in 0..60 {
        queue.pass(10_000).await;
        if second(&queue.job(id).await) {
            break;
        }
    }
    let job = queue.job(id).await;
    assert!(second(&job), "{job:#}");
    assert_eq!(job["progress"], Value::Null);
}

#[tokio::test]
async fn a_late_word_never_reopens_a_finished_job() {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(10_000).await;
    let before = queue.job(id).await;
    assert_eq!(before["status"], "succeeded");
    let answer = tell(&queue, id, 1, &json!({"value": 0.5})).await;
    assert_eq!(answer.json()["go_on"], false);
    assert_eq!(queue.job(id).await, before);
}

#[tokio::test]
async fn only_the_live_attempts_own_token_tells_anything() {
    let (queue, id) = working().await;
    let other = tell(&queue, id, 2, &json!({"value": 0.5})).await;
    assert_eq!(other.json()["go_on"], false, "no such attempt is live");
    let claim = CallbackClaim {
        job: id,
        attempt: 1,
    };
    let callback = queue.app.signer.callback(claim);
    for token in [callback.as_str(), "x"] {
        let refused = queue
            .post(&format!("/api/progress/{token}"), &json!({}))
            .await;
        assert_eq!(refused.status, 404);
    }
    for bad in [
        json!({"value": 1.5}),
        json!({"value": "half"}),
        json!({"value": 0.1, "message": "x".repeat(257)}),
        json!({"preview": {"node_id": "3", "content_type": "image/png", "data_base64": "PGI+"}}),
    ] {
        assert_eq!(tell(&queue, id, 1, &bad).await.status, 400, "{bad}");
    }
    assert_eq!(queue.job(id).await["progress"], Value::Null);
}

#[tokio::test]
async fn a_job_has_room_for_a_hundred_listeners() {
    let (queue, id) = working().await;
    let mut streams = Vec::new();
    for _ in 0..LISTENERS_MAX {
        streams.push(listen(&queue, id, None).await.unwrap());
    }
    let refused = queue.get(&format!("/api/v2/jobs/{id}/events")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "too_many_streams");
    assert_eq!(refused.header("retry-after"), "15");
    streams.pop();
    assert!(listen(&queue, id, None).await.is_some(), "one has left");
}

/// The connection is cut two hundred times, after any event, while jobs run.
#[tokio::test]
async fn a_client_that_resumes_sees_every_event_once_and_in_order() {
    let queue = TestQueue::simulated();
    let mut random = 42_u64;
    let mut dice = move |sides: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % sides
    };
    let mut cuts = 0;
    while cuts < 200 {
        let id = queue.create(&json!({"prompt": format!("{cuts}")})).await;
        let mut seen: Vec<Event> = Vec::new();
        while let Some(mut stream) = listen(&queue, id, last_id(&seen)).await {
            queue.pass(dice(400)).await;
            let (events, _) = arrived(&mut stream);
            let kept = dice(events.len() as u64 + 1);
            seen.extend(events.into_iter().take(usize::try_from(kept).unwrap()));
            cuts += 1;
        }
        told_once_and_in_order(&seen);
    }
}

fn last_id(seen: &[Event]) -> Option<&str> {
    seen.last().map(|(id, _, _)| id.as_str())
}

fn told_once_and_in_order(seen: &[Event]) {
    let place = |id: &str| -> Vec<u64> { id.split('.').map(|n| n.parse().unwrap()).collect() };
    let places: Vec<_> = seen.iter().map(|(id, _, _)| place(id)).collect();
    assert!(
        places.windows(2).all(|pair| pair[0] < pair[1]),
        "{places:?}"
    );
    let names = names(seen);
    assert_eq!(
        names.iter().filter(|name| **name == "output").count(),
        1,
        "{names:?}"
    );
    assert_eq!(
        &names[names.len() - 2..],
        ["output", "status"],
        "the end comes last"
    );
    assert_eq!(seen.last().unwrap().2["status"], "succeeded");
    let shares = shares(seen);
    assert!(
        shares.windows(2).all(|pair| pair[0] < pair[1]),
        "{shares:?}"
    );
}
