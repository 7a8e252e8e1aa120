//! Another attempt by ourselves: only after the provider reported how the last one ended, as often
//! as the cause allows, within the limits of the round.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::id::JobId;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::token::CallbackClaim;
use serde_json::{json, Value};

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

async fn create(queue: &TestQueue) -> JobId {
    queue.create(&json!({"prompt": "x"})).await
}

/// What became of each attempt: its status and why.
fn attempts(job: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = job["attempts"].as_array().unwrap().iter();
    all.map(|a| (text(&a["status"]), text(&a["error"]["cause"])))
        .collect()
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test]
async fn a_lost_worker_is_followed_by_another_attempt_of_the_same_round() {
    let queue = live(json!({"next": [{"outcome": "worker_lost"}]}));
    let id = create(&queue).await;
    queue.pass(6_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "queued", "{job:#}");
    assert_eq!(job["phase"], "accepted");
    assert_eq!(job["wait_reason"], "attempt 1 failed (worker_lost)");
    assert!(job["wait_since"].as_str().unwrap() < job["wait_until"].as_str().unwrap());
    assert_eq!(job["error"], Value::Null, "the job has not failed");
    assert_eq!(attempts(&job), told(&[("failed", "worker_lost")]));
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(
        (&job["round"], &job["wait_reason"]),
        (&json!(1), &Value::Null)
    );
    let expected = told(&[("failed", "worker_lost"), ("succeeded", "")]);
    assert_eq!(attempts(&job), expected);
    assert!(queue.watchers.is_forgotten(id));
}

/// Every way of failing, and how often it is tried in one round.
#[tokio::test]
async fn each_cause_is_tried_as_often_as_its_class_says() {
    for (outcome, times, code, cause) in [
        (json!("worker_lost"), 3, "provider_lost", "worker_lost"),
        (
            json!("out_of_memory"),
            2,
            "execution_failed",
            "out_of_memory",
        ),
        (json!("node_failed"), 1, "execution_failed", "node_failed"),
        (json!("exception"), 1, "execution_failed", "worker_failed"),
        (
            json!("output_error"),
            1,
            "execution_failed",
            "worker_failed",
        ),
        (
            json!("validation_failed"),
            1,
            "execution_failed",
            "model_missing",
        ),
        (json!("no_output"), 2, "output_missing", "output_missing"),
        (json!("no_images"), 2, "output_missing", "output_missing"),
        (
            json!("simulated_upload"),
            2,
            "output_missing",
            "output_missing",
        ),
        (
            json!({"given": {"image": "data:image/png;base64,AAAA"}}),
            2,
            "output_invalid",
            "output_invalid",
        ),
        (
            json!("execution_timeout"),
            1,
            "timed_out",
            "execution_timeout",
        ),
        (json!("timed_out"), 2, "timed_out", "queue_timeout"),
        (json!("canceled"), 1, "provider_lost", "stopped_elsewhere"),
    ] {
        let queue = live(json!({"job": {"outcome": outcome}}));
        let id = create(&queue).await;
        queue.pass(59 * 60_000).await;
        let job = queue.job(id).await;
        assert_eq!(job["status"], "failed", "{outcome}: {job:#}");
        assert_eq!(job["error"]["code"], code, "{outcome}: {job:#}");
        assert_eq!(job["error"]["cause"], cause, "{outcome}: {job:#}");
        assert_eq!(
            attempts(&job),
            told(&vec![("failed", cause); times]),
            "{outcome}"
        );
        assert_eq!(queue.runpod.lock().unwrap().counters().jobs, times as u64);
        assert_eq!(
            queue.watchers.next_alarm(),
            None,
            "{outcome}: nobody watches"
        );
    }
}

/// A missing model and a missing node say what somebody can do about it.
#[tokio::test]
async fn a_missing_model_says_what_to_do() {
    let queue = live(json!({"job": {"outcome": "validation_failed"}}));
    let id = create(&queue).await;
    queue.pass(60_000).await;
    let error = queue.job(id).await["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.ends_with("on the endpoint's workers, or name one that is there."),
        "{message}"
    );
    assert_eq!(error["retryable"], false);
}

/// The same look may come twice, and the callback may come with it: one more attempt, not two.
#[tokio::test]
async fn a_failure_that_is_heard_three_times_begins_one_more_attempt() {
    let queue = live(json!({"next": [
        {"outcome": "worker_lost", "webhook": {"copies": 3}}, {"run_ms": 60_000},
    ]}));
    let id = create(&queue).await;
    queue.pass(4_600).await;
    queue.ring(id).await;
    queue.pass(50_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "running", "{job:#}");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 2);
}

/// Promise: "One attempt at a time, never paid twice by our doing." RunPod lost the job: a run may
/// have happened, or go on.
#[tokio::test]
async fn what_the_provider_forgot_is_never_repeated_by_ourselves() {
    let queue = live(json!({"job": {"forget_after_ms": 1_000, "run_ms": 600_000}}));
    let id = create(&queue).await;
    queue.pass(60_000).await;
    assert_eq!(
        queue.job(id).await["status"],
        "queued",
        "a 404 so soon is patience"
    );
    queue.pass(3 * 3_600_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["code"], "provider_lost", "{job:#}");
    assert_eq!(job["error"]["cause"], "forgotten");
    assert_eq!(job["error"]["retryable"], true);
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
}

/// Promise: "A submit whose outcome is unknown is not repeated on a timer."
#[tokio::test]
async fn a_submit_without_an_answer_is_never_repeated_and_ends_as_lost() {
    let fault = json!({"on": "run", "times": 1, "fault": "lost", "taken": false});
    let queue = live(json!({"faults": [fault]}));
    let id = create(&queue).await;
    queue.pass(100 * 60_000).await;
    assert_eq!(queue.job(id).await["status"], "queued");
    queue.pass(60 * 60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["cause"], "unconfirmed", "{job:#}");
    assert_eq!(
        queue.runpod.lock().unwrap().counters().submits,
        0,
        "none arrived"
    );
    assert_eq!(queue.watchers.next_alarm(), None);
}

/// What a worker posts when it is done, as the stock worker words it.
async fn post_success(queue: &TestQueue, id: JobId, attempt: u32) {
    let token = queue
        .app
        .signer
        .callback(CallbackClaim { job: id, attempt });
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0".to_vec();
    picture.resize(200, 7);
    let data = STANDARD.encode(&picture);
    let image = json!({"filename": "eq0_00001_.png", "type": "base64", "data": data});
    let at = usize::try_from(attempt).unwrap() - 1;
    let provider_id = queue.job(id).await["attempts"][at]["provider_id"].clone();
    let news = json!({"id": provider_id, "status": "COMPLETED", "output": {"images": [image]}});
    let path = format!("/api/webhooks/runpod/{token}");
    assert_eq!(queue.post(&path, &news).await.status, 200);
}

#[tokio::test]
async fn a_late_success_of_an_abandoned_attempt_is_used_and_the_newer_one_is_canceled() {
    let queue = live(json!({"next": [{"outcome": "worker_lost"}, {"run_ms": 300_000}]}));
    let id = create(&queue).await;
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["attempts"][1]["n"], 2);
    post_success(&queue, id, 1).await;
    queue.pass(1_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(attempts(&job), told(&[("succeeded", ""), ("canceled", "")]));
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.jobs(queue.now())[1].status, "CANCELLED");
    assert_eq!(runpod.counters().jobs, 2);
}

#[tokio::test]
async fn a_late_success_between_two_attempts_is_used_and_nothing_more_is_submitted() {
    let queue = live(json!({"next": [{"outcome": "out_of_memory"}]}));
    let id = create(&queue).await;
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "queued");
    post_success(&queue, id, 1).await;
    queue.pass(120_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// A cancel asked for in the pause between two attempts is final at once.
#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_is_canceled_at_once() {
    let queue = live(json!({"job": {"outcome": "out_of_memory"}}));
    let id = create(&queue).await;
    queue.pass(10_000).await;
    let path = format!("/api/queue/cancel/{id}");
    let job = queue.post(&path, &Value::Null).await.json()["job"].clone();
    assert_eq!(job["status"], "canceled", "{job:#}");
    queue.pass(3_600_000).await;
    assert_eq!(queue.job(id).await["status"], "canceled");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// Decided: a late success of an earlier round counts unless that round was canceled. Once the row
/// did not say which round an attempt belonged to.
#[tokio::test]
async fn a_late_success_of_a_canceled_round_does_not_count_in_the_next() {
    let queue = live(json!({"next": [{"outcome": "out_of_memory"}, {"queue_ms": 900_000}]}));
    let id = create(&queue).await;
    queue.pass(10_000).await;
    for verb in ["cancel", "retry"] {
        let path = format!("/api/queue/{verb}/{id}");
        assert_eq!(queue.post(&path, &Value::Null).await.status, 200);
    }
    queue.pass(10_000).await;
    post_success(&queue, id, 1).await;
    let job = queue.job(id).await;
    assert_eq!(
        (&job["status"], &job["round"]),
        (&json!("queued"), &json!(2)),
        "{job:#}"
    );
    assert!(queue.blobs.keys().is_empty(), "nothing is left behind");
    queue.pass(1_000_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// The same story without the cancel: the GPU has been paid and the picture is there.
#[tokio::test]
async fn a_late_success_of_a_failed_round_counts_in_the_next() {
    let queue = live(json!({"next": [{"outcome": "node_failed"}, {"queue_ms": 900_000}]}));
    let id = create(&queue).await;
    queue.pass(10_000).await;
    let path = format!("/api/queue/retry/{id}");
    queue.post(&path, &Value::Null).await;
    queue.pass(10_000).await;
    post_success(&queue, id, 1).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    queue.pass(60_000).await;
    assert_eq!(
        queue.runpod.lock().unwrap().jobs(queue.now())[1].status,
        "CANCELLED"
    );
}

/// An automatic attempt opens no round: the time to start goes on counting.
#[tokio::test]
async fn no_attempt_is_begun_after_the_time_to_start() {
    let queue =
        live(json!({"job": {"outcome": "worker_lost", "queue_ms": 1_000, "run_ms": 10_000}}));
    let start_by = queue.now().plus_ms(15_000).iso8601();
    let id = queue
        .create(&json!({"prompt": "x", "start_by": start_by}))
        .await;
    queue.pass(600_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["cause"], "worker_lost", "{job:#}");
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1);
}

/// Regressions of the provider: running after the end, progress after the result.
#[tokio::test]
async fn what_goes_backwards_at_the_provider_changes_nothing() {
    let queue = live(json!({"job": {"late_progress_ms": 120_000, "progress": [50]}}));
    let id = create(&queue).await;
    queue.pass(10_000).await;
    let ended = queue.job(id).await;
    assert_eq!(ended["status"], "succeeded");
    let token = queue.app.signer.callback(CallbackClaim {
        job: id,
        attempt: 1,
    });
    for status in ["IN_PROGRESS", "IN_QUEUE"] {
        let provider_id = &ended["attempts"][0]["provider_id"];
        let news = json!({"id": provider_id, "status": status, "output": 99});
        queue
            .post(&format!("/api/webhooks/runpod/{token}"), &news)
            .await;
        queue.ring(id).await;
        assert_eq!(queue.job(id).await, ended, "{status}");
    }
}
