//! `GET /api/queue/events/…` and `?wait=`: everybody hears every change, once, until the end.

use std::future::pending;
use std::pin::{pin, Pin};

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use edge_queue::http::RENDER;
use edge_queue::id::JobId;
use edge_queue::ports::{Listen, Surface};
use edge_queue::queue::listen::{Hub, LAG_MAX};
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use futures::{FutureExt, Stream, StreamExt};
use serde_json::{json, Value};
use tower_service::Service;

const RETRY: &str = "retry: 2000\n\n";

/// A queue with a job that has not been looked at yet.
async fn waiting() -> (TestQueue, JobId) {
    let queue = TestQueue::live(Plan::default());
    let id = queue.create(&json!({"prompt": "x"})).await;
    (queue, id)
}

async fn listen(queue: &TestQueue, id: JobId, last: Option<&str>) -> BodyDataStream {
    let path = format!("/api/queue/events/{id}");
    let last: Vec<_> = last
        .map(|last| ("last-event-id", last))
        .into_iter()
        .collect();
    let asked = request("GET", &path, &last, Body::empty());
    let response = queue.router.clone().call(asked).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// What has arrived by now, and whether the stream has ended.
fn arrived<S, E>(stream: &mut S) -> (Vec<String>, bool)
where
    S: Stream<Item = Result<axum::body::Bytes, E>> + Unpin,
    E: std::fmt::Debug,
{
    let mut frames = Vec::new();
    loop {
        match stream.next().now_or_never() {
            None => return (frames, false),
            Some(None) => return (frames, true),
            // What happens at once comes in one piece: the outputs and the status of a success.
            Some(Some(piece)) => {
                let piece = String::from_utf8(piece.unwrap().into()).unwrap();
                frames.extend(piece.split_inclusive("\n\n").map(str::to_owned));
            }
        }
    }
}

/// Version and status of each event among `frames`.
fn events(frames: &[String]) -> Vec<(u64, String)> {
    let read = |frame: &String| {
        let (id, rest) = frame
            .strip_prefix("id: ")?
            .split_once(".0\nevent: status\n")?;
        let data: Value = serde_json::from_str(rest.strip_prefix("data: ")?.trim_end()).unwrap();
        Some((id.parse().unwrap(), data["status"].as_str()?.to_owned()))
    };
    frames.iter().filter_map(read).collect()
}

fn versions(frames: &[String]) -> Vec<u64> {
    events(frames)
        .into_iter()
        .map(|(version, _)| version)
        .collect()
}

/// Changes the row and nothing else.
fn change(queue: &TestQueue, id: JobId, set: &str) {
    let sql = format!("UPDATE jobs SET {set}, version = version + 1 WHERE id = '{id}'");
    queue.db.query(&sql).unwrap();
}

fn version(queue: &TestQueue, id: JobId) -> u64 {
    let sql = format!("SELECT version FROM jobs WHERE id = '{id}'");
    queue.db.query(&sql).unwrap()[0]["version"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn a_stream_begins_with_the_job_as_it_stands_and_ends_with_it() {
    let (queue, id) = waiting().await;
    let mut stream = listen(&queue, id, None).await;
    let (mut frames, ended) = arrived(&mut stream);
    assert_eq!((frames[0].as_str(), ended), (RETRY, false));
    assert_eq!(events(&frames), [(1, "queued".to_owned())]);
    for _ in 0..100 {
        queue.pass(100).await;
        let (more, ended) = arrived(&mut stream);
        frames.extend(more);
        if ended {
            break;
        }
    }
    let told = events(&frames);
    assert!(
        told.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{told:?}"
    );
    let ends = |status: &str| ["succeeded", "failed"].contains(&status);
    assert_eq!(told.iter().filter(|(_, status)| ends(status)).count(), 1);
    assert_eq!(
        told.last().unwrap(),
        &(version(&queue, id), "succeeded".to_owned())
    );
}

#[tokio::test]
async fn a_stream_goes_on_after_the_event_it_names() {
    let (queue, id) = waiting().await;
    change(&queue, id, "wait_reason = 'a'");
    let mut current = listen(&queue, id, Some("2.0")).await;
    let mut older = listen(&queue, id, Some("1.0")).await;
    let mut invented = listen(&queue, id, Some("999.0")).await;
    let mut garbage = listen(&queue, id, Some("x")).await;
    assert_eq!(versions(&arrived(&mut current).0), [] as [u64; 0]);
    assert_eq!(versions(&arrived(&mut older).0), [2]);
    assert_eq!(versions(&arrived(&mut invented).0), [2], "never ours");
    assert_eq!(versions(&arrived(&mut garbage).0), [2]);
    change(&queue, id, "wait_reason = 'b'");
    for _ in 0..2 {
        queue.watchers.publish(id).await;
    }
    for stream in [&mut current, &mut older, &mut invented, &mut garbage] {
        assert_eq!(versions(&arrived(stream).0), [3], "once, told twice");
    }
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_let_go_and_hurts_nobody() {
    let (queue, id) = waiting().await;
    let mut reads = listen(&queue, id, None).await;
    let mut sleeps = listen(&queue, id, None).await;
    let mut read = versions(&arrived(&mut reads).0);
    let count = LAG_MAX as u64 + 10;
    for _ in 1..count {
        change(&queue, id, "wait_reason = 'x'");
        queue.watchers.publish(id).await;
        read.extend(versions(&arrived(&mut reads).0));
    }
    let all: Vec<u64> = (1..=count).collect();
    assert_eq!(read, all);
    assert!(!arrived(&mut reads).1, "goes on");
    let (kept, ended) = arrived(&mut sleeps);
    assert!(ended, "a clean end");
    let kept = versions(&kept);
    assert_eq!(kept, all[..kept.len()], "what it still had, in order");
    assert!((LAG_MAX..=LAG_MAX + 1).contains(&kept.len()));
    let last = format!("{}.0", kept.len());
    let mut again = listen(&queue, id, Some(&last)).await;
    assert_eq!(versions(&arrived(&mut again).0), [count]);
}

#[tokio::test]
async fn a_change_before_or_while_a_listener_comes_is_not_missed() {
    let (queue, id) = waiting().await;
    let hub = Hub::new(RENDER);
    let never = |_| pending::<()>();
    // Read, changed and told to nobody, then registered.
    change(&queue, id, "wait_reason = 'a'");
    hub.publish(&queue.app, id).await;
    let mut waits = pin!(hub.wait(&queue.app, id, 1, pending()));
    assert!(polls(waits.as_mut()), "the version has passed");
    let after = |after| Listen {
        surface: Surface::Queue,
        after: Some(after),
    };
    let stream = hub.events(&queue.app, id, after("1.0"), never).await;
    let mut stream = pin!(stream.unwrap().map(Ok::<_, ()>));
    assert_eq!(versions(&arrived(&mut stream).0), [2]);
    // Changed and told between registering and the answer.
    let mut opening = pin!(hub.events(&queue.app, id, after("2.0"), never));
    assert!(opening.as_mut().now_or_never().is_none(), "reads the row");
    change(&queue, id, "wait_reason = 'b'");
    hub.publish(&queue.app, id).await;
    let mut second = pin!(opening.await.unwrap().map(Ok::<_, ()>));
    assert_eq!(versions(&arrived(&mut second).0), [3]);
    assert_eq!(versions(&arrived(&mut stream).0), [3]);
}

fn polls(mut work: Pin<&mut impl std::future::Future>) -> bool {
    (0..10).any(|_| work.as_mut().now_or_never().is_some())
}

#[tokio::test]
async fn an_ending_read_before_a_retry_does_not_end_a_stream_told_of_the_retry() {
    let (queue, id) = waiting().await;
    let mut stream = listen(&queue, id, None).await;
    arrived(&mut stream);
    change(&queue, id, "status = 'canceled', completed_at = 1");
    let mut slow = pin!(queue.watchers.publish(id));
    assert!(
        slow.as_mut().now_or_never().is_none(),
        "has read the ending"
    );
    change(&queue, id, "status = 'queued', completed_at = NULL");
    queue.watchers.publish(id).await;
    slow.await;
    let (frames, ended) = arrived(&mut stream);
    assert_eq!((versions(&frames), ended), (vec![3], false));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_the_stream_rather_than_its_news() {
    let (queue, id) = waiting().await;
    let mut stream = listen(&queue, id, None).await;
    arrived(&mut stream);
    queue.db.query("DELETE FROM jobs").unwrap();
    queue.watchers.publish(id).await;
    assert_eq!(arrived(&mut stream), (vec![], true));
}

#[tokio::test]
async fn a_silent_stream_has_a_heartbeat() {
    let plan = json!({"job": {"webhook": {"copies": 0}, "run_ms": 60_000_000}});
    let queue = TestQueue::live(serde_json::from_value(plan).unwrap());
    let id = queue.create(&json!({"prompt": "x"})).await;
    let mut stream = listen(&queue, id, None).await;
    arrived(&mut stream);
    queue.clock.advance_ms(14_999);
    queue.watchers.run_timers().await;
    assert_eq!(arrived(&mut stream), (vec![], false));
    queue.clock.advance_ms(1);
    queue.watchers.run_timers().await;
    assert_eq!(
        arrived(&mut stream),
        (vec![": still here\n\n".into()], false)
    );
}

#[tokio::test]
async fn a_held_request_answers_the_changed_job_or_the_same_one_at_its_limit() {
    let (queue, id) = waiting().await;
    let path = format!("/api/queue/status/{id}?wait=5");
    let (held, ()) = tokio::join!(queue.get(&path), queue.pass(100));
    assert_ne!(held.json()["job"]["phase"], "accepted", "{}", held.json());
    let (queue, id) = waiting().await;
    queue.watchers.take_alarm(id);
    let path = format!("/api/queue/status/{id}?wait=5");
    let mut held = pin!(queue.get(&path));
    assert!(!polls(held.as_mut()));
    queue.pass(4_999).await;
    assert!(!polls(held.as_mut()));
    queue.pass(1).await;
    assert_eq!(held.await.json()["job"]["phase"], "accepted");
}

#[tokio::test]
async fn a_deaf_watcher_means_no_events_and_an_answer_at_once() {
    let (queue, id) = waiting().await;
    queue.watchers.set_deaf(true);
    let refused = queue.get(&format!("/api/queue/events/{id}")).await;
    assert_eq!(refused.status, 503, "{}", refused.json());
    let held = queue.get(&format!("/api/queue/status/{id}?wait=5")).await;
    assert_eq!(held.status, 200);
}

#[tokio::test]
async fn a_finished_job_is_answered_from_its_row() {
    let (queue, id) = waiting().await;
    queue.pass(10_000).await;
    queue.watchers.take_calls();
    let mut stream = listen(&queue, id, None).await;
    let (frames, ended) = arrived(&mut stream);
    let ending = (version(&queue, id), "succeeded".to_owned());
    assert_eq!((events(&frames), ended), (vec![ending.clone()], true));
    let seen = format!("{}.0", ending.0);
    let path = format!("/api/queue/events/{id}");
    let headers = [("last-event-id", seen.as_str())];
    let again = request("GET", &path, &headers, Body::empty());
    let answer = queue.send(again).await;
    assert_eq!(
        answer.status,
        StatusCode::NO_CONTENT,
        "a client stops asking"
    );
    queue.get(&format!("/api/queue/status/{id}?wait=5")).await;
    assert!(queue.watchers.take_calls().is_empty());
}

#[tokio::test]
async fn nobody_hears_of_somebody_elses_job() {
    let (queue, id) = waiting().await;
    queue.watchers.take_calls();
    let bearer = format!("Bearer {ADMIN_KEY}");
    let path = format!("/api/queue/events/{id}");
    let other = [("authorization", bearer.as_str())];
    let answer = queue
        .send(request("GET", &path, &other, Body::empty()))
        .await;
    assert_eq!(answer.status, 404);
    assert!(queue.watchers.take_calls().is_empty());
}
