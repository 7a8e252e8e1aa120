//! What comes late, twice, or too early never undoes what was settled, and nothing paid is thrown
//! away. Each story was a bug once.

use edge_queue::job::{Cause, Ending, Failure, Times};
use edge_queue::queue::settle;
use edge_queue::store::jobs::{self, AttemptEnd, AttemptOutcome, Heard};
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::token::CallbackClaim;
use serde_json::{json, Value};

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

/// Two handlers held the same old record: the slower one must not end the round that a retry opened
/// meanwhile, or its live attempt runs on, paid and unwatched.
#[tokio::test]
async fn a_stale_ending_never_ends_a_later_round() {
    let queue = live(json!({"next": [{"outcome": "node_failed"}, {"run_ms": 60_000}]}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let stale = jobs::find(&*queue.db, id).await.unwrap().unwrap();
    queue.pass(10_000).await;
    assert_eq!(queue.job(id).await["status"], "failed");
    queue
        .post(&format!("/api/queue/retry/{id}"), &json!({}))
        .await;
    queue.pass(1_000).await;
    let attempt = AttemptEnd {
        n: 1,
        provider_id: None,
        outcome: AttemptOutcome::Failed,
        heard: Heard::Webhook,
        error: None,
        times: Times::default(),
    };
    let failure = Failure::of(Cause::WorkerFailed, "news of the first round");
    let ending = Ending::Failed(failure);
    let settled = settle::end(&queue.app, &stale, attempt, ending)
        .await
        .unwrap();
    assert_eq!(settled, settle::Settled::Nothing);
    queue.pass(120_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// The callback was lost and the caller lost patience: what the GPU had finished is still theirs.
#[tokio::test]
async fn a_cancel_that_finds_the_work_done_keeps_it() {
    let queue = live(json!({"job": {"run_ms": 2_000, "webhook": {"copies": 0}}}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(4_000).await;
    let asked = queue
        .post(&format!("/api/queue/cancel/{id}"), &json!({}))
        .await;
    assert_eq!(asked.json()["job"]["status"], "canceling");
    queue.pass(10_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["outputs"].as_array().unwrap().len(), 1);
}

/// The deadline to start passed while nobody looked: a job that had begun is not called expired.
#[tokio::test]
async fn a_job_that_began_in_time_does_not_expire() {
    let queue = live(json!({"job": {
        "queue_ms": 3_590_000, "run_ms": 300_000, "webhook": {"copies": 0},
    }}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(3_650_000).await;
    assert_eq!(queue.job(id).await["status"], "running");
    queue.pass(600_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// The same after an attempt that had failed: the second one was stopped as not begun in time while
/// it worked, and was paid for nothing.
#[tokio::test]
async fn a_second_attempt_that_began_in_time_is_not_stopped_for_being_late() {
    let queue = live(json!({"next": [
        {"outcome": "worker_lost", "queue_ms": 0, "run_ms": 1_000},
        {"queue_ms": 3_585_000, "run_ms": 300_000, "webhook": {"copies": 0}},
    ]}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(3_650_000).await;
    assert_eq!(queue.job(id).await["status"], "running");
    queue.pass(600_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// We had canceled it at its time, the answer was lost, and RunPod told of the cancel itself before
/// we asked: somebody else was said to have stopped it.
#[tokio::test]
async fn a_cancel_of_ours_that_is_told_by_a_callback_is_no_cancel_of_somebody_else() {
    let lost = json!({"on": "cancel", "fault": "lost", "taken": true});
    let queue = live(json!({"job": {"queue_ms": 600_000, "faults": [lost]}}));
    let start_by = queue.now().plus_ms(20_000).iso8601();
    let body = json!({"prompt": "x", "start_by": start_by});
    let id = queue.create(&body).await;
    queue.pass(20_500).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "queued", "{job:#}");
    let claim = CallbackClaim {
        job: id,
        attempt: 1,
    };
    let token = queue.app.signer.callback(claim);
    let news = json!({"id": job["attempts"][0]["provider_id"], "status": "CANCELLED"});
    let path = format!("/api/webhooks/runpod/{token}");
    assert_eq!(queue.post(&path, &news).await.status, 200);
    let job = queue.job(id).await;
    assert_eq!(job["status"], "expired", "{job:#}");
}

/// A mistyped key after a rotation must not fail everything that waits.
#[tokio::test]
async fn a_refused_key_makes_jobs_wait_and_say_why() {
    let fault = json!({"on": "run", "times": 3, "fault": {"problem": {"status": 401}}});
    let queue = live(json!({"faults": [fault]}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(5_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "queued");
    assert!(
        job["wait_reason"].as_str().unwrap().contains("API key"),
        "{job:#}"
    );
    queue.pass(300_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

/// ComfyUI runs the sound half of a broken prompt and says nothing of the rest.
#[tokio::test]
async fn a_success_that_lacks_the_file_of_an_output_node_is_none() {
    let workflow = json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "b"}},
    });
    let file = |n: u32| {
        json!({"filename": format!("eq0_0000{n}_.png"), "type": "s3_url",
        "data": "https://files.runpod.example/_mock/files/none"})
    };
    let given = json!({"given": {"images": [file(1), file(2)]}});
    let queue = live(json!({"job": {"outcome": given}}));
    let id = queue.create(&json!({"workflow": workflow})).await;
    queue.pass(60_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["code"], "output_missing", "{job:#}");
    assert_eq!(job["error"]["node_id"], "9", "{job:#}");
}

/// A job that was canceled before it was dispatched is nobody's business any more.
#[tokio::test]
async fn a_job_canceled_before_its_dispatch_is_never_swept() {
    let queue = live(json!({}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue
        .post(&format!("/api/queue/cancel/{id}"), &json!({}))
        .await;
    let row = queue.db.query("SELECT status, due_at FROM jobs").unwrap();
    assert_eq!(row[0], json!({"status": "canceled", "due_at": null}));
}
