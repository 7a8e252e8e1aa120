//! What callers are told of their jobs, when, and how often.

use edge_queue::id::JobId;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::receiver::{Reply, Told};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

const URL: &str = "https://hooks.example/in?token=theirs";
const MINUTE_MS: u64 = 60_000;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;

pub(super) fn live(job: &Value) -> TestQueue {
    let plan: Plan = serde_json::from_value(json!({ "job": job })).unwrap();
    TestQueue::live(plan)
}

pub(super) fn order(filter: &[&str]) -> Value {
    let mut body = json!({"prompt": "a lighthouse", "webhook_url": URL, "labels": {"row": "rec1"}});
    if !filter.is_empty() {
        body["webhook_events_filter"] = filter.into();
    }
    body
}

async fn deliveries(queue: &TestQueue, id: JobId) -> Vec<Value> {
    let answer = queue.get(&format!("/api/queue/deliveries/{id}")).await;
    answer.json()["deliveries"].as_array().unwrap().clone()
}

fn ids(told: &[Told]) -> Vec<String> {
    told.iter().map(|told| told.id().to_owned()).collect()
}

#[tokio::test]
async fn a_caller_is_told_of_every_change_in_order() {
    let queue = live(&json!({"run_ms": 30_000}));
    let id = queue.create(&order(&[])).await;
    queue.pass(10 * MINUTE_MS).await;
    assert_eq!(
        queue.receiver.types(),
        ["job.queued", "job.started", "job.succeeded"]
    );
    let told = queue.receiver.told();
    let last = &told[2];
    assert_eq!(
        (last.url.as_str(), last.id()),
        (URL, format!("evt_{id}_1_succeeded").as_str())
    );
    let body = last.json();
    let data = &body["data"];
    assert_eq!(data["job_id"], id.to_string());
    assert_eq!(
        (&data["status"], &data["labels"]["row"]),
        (&"succeeded".into(), &"rec1".into())
    );
    let link = data["result_url"].as_str().unwrap();
    assert_eq!(data["outputs"][0]["url"], link);
    let path = link.strip_prefix("https://queue.example").unwrap();
    assert_eq!(
        queue.get(path).await.status,
        200,
        "the link opens the result"
    );
    let told: Vec<Value> = deliveries(&queue, id).await;
    assert!(
        told.iter()
            .all(|event| event["state"] == "delivered" && event["tries"] == 1),
        "{told:?}"
    );
    // Nothing is left: the object of the job is empty.
    assert!(queue.watchers.is_forgotten(id));
}

#[tokio::test]
async fn a_filter_chooses_what_is_told() {
    let queue = live(&json!({"outcome": "node_failed"}));
    queue.create(&order(&["job.failed", "job.succeeded"])).await;
    queue.pass(10 * MINUTE_MS).await;
    assert_eq!(queue.receiver.types(), ["job.failed"]);
    let error = &queue.receiver.told()[0].json()["data"]["error"];
    assert_eq!(error["code"], "execution_failed");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{error}"
    );
}

#[tokio::test]
async fn a_receiver_that_is_down_for_two_days_is_told_when_it_is_back() {
    let queue = live(&json!({}));
    queue.receiver.answer_always(Reply::Down);
    let id = queue.create(&order(&["job.succeeded"])).await;
    queue.pass(48 * HOUR_MS).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    let waiting = &deliveries(&queue, id).await[0];
    assert_eq!(waiting["state"], "pending");
    assert!(waiting["tries"].as_u64().unwrap() >= 8, "{waiting}");
    queue.receiver.answer_always(Reply::Status(200));
    queue.pass(28 * HOUR_MS).await;
    assert_eq!(queue.receiver.types(), ["job.succeeded"]);
    let body = queue.receiver.told()[0].json();
    let link = body["data"]["result_url"].as_str().unwrap().to_owned();
    let path = link.strip_prefix("https://queue.example").unwrap();
    assert_eq!(
        queue.get(path).await.status,
        200,
        "the link is as fresh as the try"
    );
    // The alarm of the try that was not needed finds nothing left.
    queue.pass(30 * HOUR_MS).await;
    assert!(queue.watchers.is_forgotten(id));
}

#[tokio::test]
async fn after_ten_tries_in_seventy_five_hours_an_event_is_missed_until_it_is_replayed() {
    let queue = live(&json!({}));
    queue.receiver.answer_always(Reply::Status(500));
    let id = queue.create(&order(&["job.succeeded"])).await;
    queue.pass(85 * HOUR_MS).await;
    let told = queue.receiver.told();
    assert_eq!(told.len(), 10);
    let hours = told[9].at.since_ms(told[0].at) / HOUR_MS;
    assert!(
        (68..=83).contains(&hours),
        "{hours} h, give or take a tenth"
    );
    assert!(
        told.iter().all(|one| one.id() == told[0].id()),
        "one event, one id"
    );
    assert_eq!(deliveries(&queue, id).await[0]["state"], "missed");
    assert!(queue.watchers.is_forgotten(id), "nothing is left to do");
    queue.pass(100 * HOUR_MS).await;
    assert_eq!(queue.receiver.told().len(), 10);

    queue.receiver.answer_always(Reply::Status(200));
    let path = format!("/api/queue/replay/{id}");
    let answer = queue.post(&path, &json!({})).await;
    assert_eq!(answer.json()["replayed"], 1);
    queue.pass(MINUTE_MS).await;
    let again = queue.receiver.told();
    assert_eq!((again.len(), again[10].id()), (11, told[0].id()));
    assert_eq!(deliveries(&queue, id).await[0]["state"], "delivered");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_nothing_more() {
    let queue = live(&json!({"run_ms": 30_000}));
    queue.receiver.answer_next(&[Reply::Status(410)]);
    let id = queue.create(&order(&[])).await;
    queue.pass(100 * HOUR_MS).await;
    assert_eq!(queue.receiver.types(), ["job.queued"]);
    assert_eq!(queue.job(id).await["status"], "succeeded");
    let states: Vec<Value> = deliveries(&queue, id)
        .await
        .iter()
        .map(|one| one["state"].clone())
        .collect();
    assert_eq!(states, ["missed", "missed", "missed"]);
    let lines = queue.log.lines().join("\n");
    assert_eq!(lines.matches("webhook.missed").count(), 3, "{lines}");
    assert!(queue.watchers.is_forgotten(id));

    // Whoever asks for one again means that the receiver is back.
    let event = format!("evt_{id}_1_succeeded");
    let path = format!("/api/queue/replay/{id}");
    assert_eq!(
        queue.post(&path, &json!({ "event": event })).await.json()["replayed"],
        1
    );
    queue.pass(MINUTE_MS).await;
    assert_eq!(queue.receiver.types(), ["job.queued", "job.succeeded"]);
}

/// What was judged is what is asked: a reader that takes the backslash for a letter finds a user
/// name before the @, and the address of a cloud's secrets behind it.
#[tokio::test]
async fn the_address_that_is_told_is_the_one_that_was_judged() {
    let queue = live(&json!({"run_ms": 30_000}));
    let url = "https://hooks.example\\@169.254.169.254/in";
    let body = json!({"prompt": "x", "webhook_url": url, "webhook_events_filter": ["job.queued"]});
    queue.create(&body).await;
    queue.pass(MINUTE_MS).await;
    let told = queue.receiver.told();
    assert_eq!(told[0].url, "https://hooks.example/@169.254.169.254/in");
}

/// Whoever names a receiver could have it knocked at without end, a 410 notwithstanding.
#[tokio::test]
async fn an_event_is_replayed_so_often_and_then_no_more() {
    let queue = live(&json!({}));
    queue.receiver.answer_always(Reply::Status(410));
    let id = queue.create(&order(&["job.succeeded"])).await;
    queue.pass(MINUTE_MS).await;
    let path = format!("/api/queue/replay/{id}");
    let event = json!({"event": format!("evt_{id}_1_succeeded")});
    for _ in 1..110 {
        assert_eq!(queue.post(&path, &event).await.status, 200);
        queue.pass(MINUTE_MS).await;
    }
    assert_eq!(queue.receiver.told().len(), 110);
    assert_eq!(queue.post(&path, &event).await.status, 404);
    let all = queue.post(&path, &json!({})).await;
    assert_eq!(all.json()["replayed"], 0);
    queue.pass(MINUTE_MS).await;
    assert_eq!(queue.receiver.told().len(), 110);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let queue = live(&json!({}));
    queue.receiver.answer_next(&[Reply::NotNow(429, 3_600)]);
    queue.create(&order(&["job.queued"])).await;
    queue.pass(59 * MINUTE_MS).await;
    assert_eq!(queue.receiver.told().len(), 1);
    queue.pass(2 * MINUTE_MS).await;
    assert_eq!(queue.receiver.told().len(), 2);
}

/// The request waits for the receiver; the job does not wait for the request.
#[tokio::test]
async fn a_slow_receiver_keeps_no_job_waiting() {
    let queue = live(&json!({"queue_ms": 0, "run_ms": 1_000}));
    queue.receiver.answer_always(Reply::Silent);
    let id = queue.create(&order(&[])).await;
    queue.ring(id).await;
    queue.clock.set(queue.now().plus_ms(2_000));
    queue.deliver_webhooks().await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert!(
        queue.receiver.told().is_empty(),
        "its first request has not even left"
    );
    queue.pass(100 * HOUR_MS).await;
    let told = queue.receiver.told();
    assert_eq!(told.len(), 2 * 10, "queued and succeeded, ten times each");
}

#[tokio::test]
async fn a_sender_that_dies_before_it_notes_the_answer_is_followed_by_another() {
    let queue = live(&json!({}));
    let id = queue.create(&order(&["job.queued"])).await;
    queue.ring(id).await;
    queue.tasks_die(|| !queue.receiver.told().is_empty());
    assert_eq!(queue.receiver.told().len(), 1);
    assert_eq!(deliveries(&queue, id).await[0]["state"], "pending");
    queue.pass(10 * MINUTE_MS).await;
    let told = queue.receiver.told();
    assert_eq!(
        told.len(),
        2,
        "once more, because nobody knows that it arrived"
    );
    assert_eq!(
        told[0].id(),
        told[1].id(),
        "under the same id, so that the receiver can tell"
    );
    assert_eq!(deliveries(&queue, id).await[0]["state"], "delivered");
}

/// A wake while a request is under way must not send a second one.
#[tokio::test]
async fn a_try_that_is_under_way_is_made_once_however_often_the_watcher_wakes() {
    let queue = live(&json!({}));
    let id = queue.create(&order(&["job.queued"])).await;
    for _ in 0..3 {
        queue.ring(id).await;
    }
    queue.pass(1_000).await;
    assert_eq!(queue.receiver.types(), ["job.queued"]);
}

#[tokio::test]
async fn the_last_try_whose_end_was_not_heard_is_missed_and_not_made_again() {
    let queue = live(&json!({}));
    queue.receiver.answer_always(Reply::Status(500));
    let id = queue.create(&order(&["job.queued"])).await;
    while queue.receiver.told().len() < 9 {
        queue.pass(HOUR_MS).await;
    }
    while queue.receiver.told().len() < 10 {
        queue.clock.set(queue.watchers.next_alarm().unwrap().0);
        queue.ring(id).await;
        queue.tasks_die(|| queue.receiver.told().len() == 10);
    }
    queue.pass(200 * HOUR_MS).await;
    assert_eq!(queue.receiver.told().len(), 10);
    assert_eq!(deliveries(&queue, id).await[0]["state"], "missed");
}

#[tokio::test]
async fn a_cancel_is_told_and_a_retry_is_another_round_with_events_of_its_own() {
    let queue = live(&json!({"run_ms": 3_600_000}));
    let id = queue.create(&order(&["job.queued", "job.canceled"])).await;
    queue.pass(MINUTE_MS).await;
    queue
        .post(&format!("/api/queue/cancel/{id}"), &Value::Null)
        .await;
    queue.pass(MINUTE_MS).await;
    queue
        .post(&format!("/api/queue/retry/{id}"), &Value::Null)
        .await;
    queue.pass(MINUTE_MS).await;
    let expected = ["1_queued", "1_canceled", "2_queued"].map(|rest| format!("evt_{id}_{rest}"));
    assert_eq!(ids(&queue.receiver.told()), expected);
}

/// It is told as it was: by the time of the second try the job is in another round.
#[tokio::test]
async fn what_is_told_late_is_told_as_it_was() {
    let queue = live(&json!({"outcome": "node_failed"}));
    queue.receiver.answer_next(&[Reply::Status(503)]);
    let id = queue.create(&order(&["job.failed"])).await;
    while queue.receiver.told().is_empty() {
        queue.pass(1_000).await;
    }
    queue
        .post(&format!("/api/queue/retry/{id}"), &Value::Null)
        .await;
    queue.pass(HOUR_MS).await;
    let told = queue.receiver.told();
    let again = told[1..].iter().find(|one| one.id() == told[0].id());
    let data = again.unwrap().json()["data"].clone();
    assert_eq!(
        (&data["round"], &data["status"]),
        (&1.into(), &"failed".into())
    );
    assert_eq!(data["error"]["code"], "execution_failed");
    assert!(data["completed_at"].is_string(), "{data}");
}

#[tokio::test]
async fn a_watcher_that_lost_its_alarm_is_found_by_the_sweep() {
    let queue = live(&json!({}));
    queue.receiver.answer_next(&[Reply::Down]);
    let id = queue.create(&order(&["job.succeeded"])).await;
    while queue.job(id).await["status"] != "succeeded" {
        queue.pass(1_000).await;
    }
    queue.pass(1_000).await;
    queue.watchers.forget(id);
    queue.pass(10 * MINUTE_MS).await;
    assert!(queue.receiver.told().is_empty());
    edge_queue::queue::sweep::sweep(&queue.app).await.unwrap();
    queue.pass(1_000).await;
    assert_eq!(queue.receiver.types(), ["job.succeeded"]);
}

#[tokio::test]
async fn no_line_of_the_log_names_the_address_or_the_secret() {
    let queue = live(&json!({}));
    queue
        .receiver
        .answer_next(&[Reply::Down, Reply::Silent, Reply::Status(500)]);
    queue.create(&order(&[])).await;
    queue.pass(2 * HOUR_MS).await;
    let secret = queue.get("/api/webhooks/secret").await.json()["secret"].clone();
    let lines = queue.log.lines().join("\n");
    for event in ["webhook.failed", "webhook.delivered"] {
        assert!(lines.contains(event), "{event}");
    }
    for word in ["hooks.example", "theirs", "v1,", secret.as_str().unwrap()] {
        assert!(!lines.contains(word), "{word}");
    }
}
