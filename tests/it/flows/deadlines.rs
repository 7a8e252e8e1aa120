//! Moments that a caller names, and limits that hold whatever the provider says: nothing waits for
//! ever.

use edge_queue::id::JobId;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

const HOUR_MS: u64 = 3_600_000;

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

async fn create_with(queue: &TestQueue, name: &str, ms: u64) -> JobId {
    let moment = queue.now().plus_ms(ms).iso8601();
    queue.create(&json!({"prompt": "x", name: moment})).await
}

#[tokio::test]
async fn what_has_not_started_by_its_moment_expires_and_costs_nothing() {
    let queue = live(json!({"job": {"queue_ms": 600_000}}));
    let id = create_with(&queue, "start_by", 20_000).await;
    queue.pass(19_000).await;
    assert_eq!(queue.job(id).await["status"], "queued");
    queue.pass(2_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["status"], "expired", "{job:#}");
    assert_eq!(job["attempts"][0]["status"], "expired");
    queue.pass(2 * HOUR_MS).await;
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.jobs(queue.now())[0].billed_ms, 0);
    assert_eq!(runpod.counters().cancels, 1);
}

#[tokio::test]
async fn what_has_not_ended_by_its_deadline_is_stopped_at_the_provider_and_timed_out() {
    let queue = live(json!({"job": {"run_ms": 300_000}}));
    let id = create_with(&queue, "deadline", 40_000).await;
    queue.pass(39_000).await;
    assert_eq!(queue.job(id).await["status"], "running");
    queue.pass(2_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["code"], "timed_out", "{job:#}");
    assert_eq!(job["error"]["cause"], "deadline_passed");
    let runpod = queue.runpod.lock().unwrap();
    assert_eq!(runpod.jobs(queue.now())[0].status, "CANCELLED");
}

#[tokio::test]
async fn a_deadline_holds_although_the_provider_does_not_answer() {
    let queue = live(json!({"job": {
        "run_ms": 300_000, "overruns": true, "webhook": {"copies": 0},
    }}));
    let id = create_with(&queue, "deadline", 40_000).await;
    queue.pass(30_000).await;
    let down = json!({"on": "any", "times": 1_000_000, "fault": {"html": {"status": 502}}});
    let down = serde_json::from_value(down).unwrap();
    queue.runpod.lock().unwrap().plan_mut().faults.push(down);
    queue.pass(90_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["cause"], "deadline_passed", "{job:#}");
    assert!(
        !queue.watchers.is_forgotten(id),
        "the attempt is still to be stopped"
    );
    queue.runpod.lock().unwrap().plan_mut().faults.clear();
    queue.pass(120_000).await;
    assert_eq!(
        queue.runpod.lock().unwrap().jobs(queue.now())[0].status,
        "CANCELLED"
    );
    assert!(queue.watchers.is_forgotten(id));
    assert_eq!(queue.job(id).await["attempts"][0]["status"], "canceled");
}

#[tokio::test]
async fn a_deadline_ends_a_job_whose_submit_was_never_answered() {
    let fault = json!({"on": "run", "times": 1, "fault": "lost", "taken": true});
    let queue = live(json!({"job": {"run_ms": 300_000}, "faults": [fault]}));
    let id = create_with(&queue, "deadline", 60_000).await;
    queue.pass(61_000).await;
    let job = queue.job(id).await;
    assert_eq!(job["error"]["cause"], "deadline_passed", "{job:#}");
    // Its callback names it, late: there is nothing left to stop.
    queue.pass(3 * HOUR_MS).await;
    assert_eq!(queue.job(id).await["status"], "failed");
    assert_eq!(queue.runpod.lock().unwrap().counters().submits, 1);
    assert!(queue.watchers.is_forgotten(id));
}

/// The limits travel with every submit, and a deadline shortens what a worker may take.
#[tokio::test]
async fn a_run_is_never_allowed_past_the_deadline() {
    let queue = live(json!({"job": {"run_ms": 300_000}}));
    create_with(&queue, "deadline", 90_000).await;
    queue.pass(89_000).await;
    let billed = queue.runpod.lock().unwrap().jobs(queue.now())[0].billed_ms;
    queue.pass(HOUR_MS).await;
    let after = queue.runpod.lock().unwrap().jobs(queue.now())[0].billed_ms;
    assert!(billed < after && after <= 90_500, "{billed} {after}");
}

#[tokio::test]
async fn a_retry_opens_its_round_with_the_same_spans() {
    let queue = live(json!({"job": {"queue_ms": 600_000}}));
    let id = create_with(&queue, "start_by", 20_000).await;
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "expired");
    queue
        .post(&format!("/api/queue/retry/{id}"), &Value::Null)
        .await;
    let job = queue.job(id).await;
    assert_eq!(job["start_by"], queue.now().plus_ms(20_000).iso8601());
    queue.pass(30_000).await;
    assert_eq!(queue.job(id).await["status"], "expired");
}

#[tokio::test]
async fn a_moment_that_cannot_be_is_refused_with_everything_else() {
    let queue = live(json!({}));
    let past = queue.now().iso8601();
    let far = queue.now().plus_ms(7 * 24 * HOUR_MS).iso8601();
    for (name, value, code) in [
        ("start_by", json!(past), "in_the_past"),
        ("deadline", json!(past), "in_the_past"),
        ("start_by", json!(far), "too_far"),
        ("deadline", json!("tomorrow"), "wrong_type"),
        ("deadline", json!(1_767_225_600), "wrong_type"),
    ] {
        let body = json!({"prompt": "x", "steps": "many", name: value});
        let answer = queue.post("/api/queue/create", &body).await;
        assert_eq!(answer.status, 422, "{name} {value}");
        let details = answer.json()["details"].clone();
        let codes: Vec<(&str, &str)> = details
            .as_array()
            .unwrap()
            .iter()
            .map(|d| (d["path"].as_str().unwrap(), d["code"].as_str().unwrap()))
            .collect();
        let path = format!("/{name}");
        assert!(codes.contains(&(path.as_str(), code)), "{codes:?}");
        assert_eq!(codes.len(), 2, "{codes:?}");
    }
}

/// A key names its job also when the moment in the request has passed meanwhile.
#[tokio::test]
async fn a_repeat_after_its_deadline_finds_the_job() {
    let queue = live(json!({}));
    let deadline = queue.now().plus_ms(60_000).iso8601();
    let body = json!({"prompt": "x", "request_id": "k", "deadline": deadline});
    let id = queue.create(&body).await;
    queue.pass(120_000).await;
    assert_eq!(queue.create(&body).await, id);
    let other = json!({"prompt": "x", "request_id": "k"});
    let answer = queue.post("/api/queue/create", &other).await;
    assert_eq!(answer.json()["error"], "idempotency_mismatch");
}

/// Tells of a provider that always answers the same, and when and how the job ends.
async fn for_ever(plan: Value, within_ms: u64, cause: Option<&str>) {
    let queue = live(plan.clone());
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(within_ms).await;
    let job = queue.job(id).await;
    assert!(job["completed_at"].is_string(), "{plan}: {job:#}");
    assert_eq!(job["error"]["cause"].as_str(), cause, "{plan}: {job:#}");
    queue.pass(3 * HOUR_MS).await;
    assert_eq!(
        queue.watchers.next_alarm(),
        None,
        "{plan}: somebody watches for ever"
    );
    assert_eq!(
        queue.job(id).await["completed_at"],
        job["completed_at"],
        "{plan}"
    );
    assert_eq!(queue.runpod.lock().unwrap().counters().jobs, 1, "{plan}");
}

#[tokio::test]
async fn a_job_that_is_queued_for_ever_expires() {
    for_ever(
        json!({"job": {"queue_ms": 1_000 * HOUR_MS}}),
        HOUR_MS + 60_000,
        None,
    )
    .await;
}

#[tokio::test]
async fn a_job_that_runs_for_ever_is_timed_out() {
    let plan = json!({"job": {"run_ms": 1_000 * HOUR_MS, "overruns": true}});
    for_ever(plan, 15 * 60_000, Some("execution_timeout")).await;
}

/// It has ended, cannot be canceled any more, and is always said to be running.
#[tokio::test]
async fn a_job_that_is_said_to_run_for_ever_is_given_up() {
    let plan = json!({"job": {"late_progress_ms": 1_000 * HOUR_MS, "webhook": {"copies": 0}}});
    for_ever(plan, 2 * HOUR_MS, Some("forgotten")).await;
}

#[tokio::test]
async fn a_provider_that_is_down_for_ever_ends_in_a_lost_job() {
    let plan = json!({"job": {"webhook": {"copies": 0}}, "faults": [
        {"on": "status", "times": 1_000_000, "fault": {"html": {"status": 502}}},
        {"on": "cancel", "times": 1_000_000, "fault": {"problem": {"status": 500}}},
    ]});
    for_ever(plan, 2 * HOUR_MS, Some("unconfirmed")).await;
}

#[tokio::test]
async fn a_provider_that_talks_garbage_for_ever_ends_in_a_lost_job() {
    let plan = json!({"job": {"webhook": {"copies": 0}}, "faults": [
        {"on": "status", "times": 1_000_000, "fault": {"problem": {"status": 200}}},
        {"on": "cancel", "times": 1_000_000, "fault": {"html": {"status": 200}}},
    ]});
    for_ever(plan, 2 * HOUR_MS, Some("unconfirmed")).await;
}

#[tokio::test]
async fn a_provider_that_never_takes_the_job_lets_it_expire() {
    let fault =
        json!({"on": "run", "times": 1_000_000, "fault": {"too_many": {"retry_after": "5"}}});
    let queue = live(json!({"faults": [fault]}));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(HOUR_MS + 60_000).await;
    assert_eq!(queue.job(id).await["status"], "expired");
    assert_eq!(queue.watchers.next_alarm(), None);
    let submits = queue.runpod.lock().unwrap().counters().requests;
    assert!(
        submits < 200,
        "{submits} submits in an hour: that is hammering"
    );
}
