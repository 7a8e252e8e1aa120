//! Who waits, why, and who goes next.

use edge_queue::queue::endpoints::check_workers;
use edge_queue::testing::queue::{request, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

fn with_slots(slots: &str, plan: Value) -> TestQueue {
    let plan: Plan = serde_json::from_value(plan).unwrap();
    TestQueue::build(&[("ENDPOINT_JOBS_MAX", slots)], plan, 1)
}

async fn as_operator(queue: &TestQueue, path: &str) -> Value {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let answer = queue.send(request("POST", path, &headers, "".into())).await;
    answer.json()
}

fn submits(queue: &TestQueue) -> u64 {
    queue.runpod.lock().unwrap().counters().submits
}

#[tokio::test]
async fn a_full_endpoint_makes_jobs_wait_in_order_and_say_why() {
    let queue = with_slots("1", json!({"job": {"run_ms": 30_000}}));
    let first = queue.create(&json!({"prompt": "1"})).await;
    queue.pass(100).await;
    let second = queue.create(&json!({"prompt": "2"})).await;
    queue.pass(100).await;
    let third = queue.create(&json!({"prompt": "3"})).await;
    queue.pass(100).await;
    assert_eq!(submits(&queue), 1);
    let job = queue.job(third).await;
    assert_eq!(job["status"], "queued");
    assert_eq!(job["queue_position"], 1);
    assert_eq!(job["wait_reason"], "every slot of the endpoint is taken");
    assert_eq!(queue.job(second).await["queue_position"], 0);
    let comfy = queue.get(&format!("/api/v2/jobs/{third}")).await.json();
    assert_eq!(comfy["queue_position"], 1);
    // One slot, thirty seconds each: the next goes as soon as the former has left.
    queue.pass(35_000).await;
    assert_eq!(queue.job(first).await["status"], "succeeded");
    assert_eq!(submits(&queue), 2);
    assert_eq!(queue.job(second).await["wait_reason"], Value::Null);
    queue.pass(70_000).await;
    assert_eq!(queue.job(third).await["status"], "succeeded");
}

/// The object was moved, and its memory was gone: jobs at the endpoint must still count.
#[tokio::test]
async fn a_gate_that_lost_its_memory_reads_it_back() {
    let queue = with_slots("1", json!({"job": {"run_ms": 600_000}}));
    queue.create(&json!({"prompt": "1"})).await;
    queue.pass(1_000).await;
    queue.gates.forget();
    queue.create(&json!({"prompt": "2"})).await;
    queue.pass(60_000).await;
    assert_eq!(submits(&queue), 1);
}

/// The chaos run: a Worker was killed, and the gate's memory with it. Those who had been told to
/// wait were woken by nobody and asked again after a minute, though the endpoint was free.
#[tokio::test]
async fn a_gate_that_begins_anew_wakes_those_who_waited_at_the_one_before() {
    let queue = with_slots("1", json!({"job": {"run_ms": 3_000}}));
    queue.create(&json!({"prompt": "1"})).await;
    queue.pass(100).await;
    let second = queue.create(&json!({"prompt": "2"})).await;
    queue.pass(100).await;
    let waiting = queue.job(second).await;
    assert_eq!(
        waiting["wait_reason"],
        "every slot of the endpoint is taken"
    );
    queue.gates.forget();
    // The end of the first is the next that the gate hears.
    queue.pass(10_000).await;
    assert_eq!(queue.job(second).await["status"], "succeeded");
}

#[tokio::test]
async fn a_gate_that_is_silent_lets_nobody_through_and_loses_nobody() {
    let queue = with_slots("5", json!({}));
    queue.gates.set_silent(true);
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(60_000).await;
    assert_eq!(submits(&queue), 0);
    assert_eq!(
        queue.job(id).await["wait_reason"],
        "the endpoint's gate did not answer"
    );
    queue.gates.set_silent(false);
    queue.pass(120_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
}

#[tokio::test]
async fn a_paused_endpoint_drains_and_goes_on_where_it_stood() {
    let queue = with_slots("5", json!({"job": {"run_ms": 5_000}}));
    let before = queue.create(&json!({"prompt": "1"})).await;
    queue.pass(1_000).await;
    let paused = as_operator(&queue, "/api/admin/pause").await;
    assert!(paused["endpoint"]["paused_at"].is_string(), "{paused:#}");
    let after = queue.create(&json!({"prompt": "2"})).await;
    queue.pass(600_000).await;
    assert_eq!(queue.job(before).await["status"], "succeeded");
    let job = queue.job(after).await;
    assert_eq!(job["wait_reason"], "submission is paused by the operator");
    assert_eq!(submits(&queue), 1);
    let open = as_operator(&queue, "/api/admin/resume").await;
    assert_eq!(open["endpoint"]["paused_at"], Value::Null);
    queue.pass(30_000).await;
    assert_eq!(queue.job(after).await["status"], "succeeded");
}

#[tokio::test]
async fn pausing_is_for_operators() {
    let queue = with_slots("5", json!({}));
    for path in ["/api/admin/pause", "/api/admin/resume"] {
        assert_eq!(queue.post(path, &json!({})).await.status, 401, "{path}");
    }
}

/// An endpoint that answers 429 is asked by one job at a time, not by everybody who waits.
#[tokio::test]
async fn an_endpoint_that_refuses_is_not_hammered() {
    let refusals: Vec<Value> = (0..6)
        .map(|_| json!({"on": "run", "times": 1, "fault": {"too_many": {"retry_after": null}}}))
        .collect();
    let queue = with_slots("50", json!({"faults": refusals}));
    let mut jobs = Vec::new();
    for n in 0..20 {
        jobs.push(queue.create(&json!({"prompt": n.to_string()})).await);
    }
    queue.pass(1_500).await;
    let early = submits(&queue);
    queue.pass(600_000).await;
    for id in jobs {
        assert_eq!(queue.job(id).await["status"], "succeeded");
    }
    // Whoever was let through before the first refusal was heard, and the tries.
    assert!(early <= 20, "{early}");
    assert!(submits(&queue) <= 20 + 6 + 6, "{}", submits(&queue));
}

/// The provider did not answer for a while. As many submits as there are slots were in doubt, held
/// them for their whole time to live, and everybody who waited behind them expired beside idle
/// workers.
#[tokio::test]
async fn submits_in_doubt_leave_their_slots_when_a_worker_would_have_been_stopped() {
    let faults = json!([{"on": "run", "times": 2, "fault": "lost"}]);
    let queue = with_slots("2", json!({ "faults": faults }));
    for n in 0..2 {
        queue.create(&json!({"prompt": n.to_string()})).await;
    }
    queue.pass(1_000).await;
    let waiting = queue.create(&json!({"prompt": "3"})).await;
    queue.pass(8 * 60_000).await;
    let job = queue.job(waiting).await;
    assert_eq!(job["wait_reason"], "every slot of the endpoint is taken");
    // Also a gate that reads the rows of those in doubt.
    queue.gates.forget();
    queue.pass(4 * 60_000).await;
    assert_eq!(queue.job(waiting).await["status"], "succeeded");
    assert_eq!(submits(&queue), 1);
}

/// RunPod parks an endpoint that nobody used for a week; jobs wait there, and nothing says why.
#[tokio::test]
async fn an_endpoint_without_workers_is_reported_and_so_is_the_reason_on_its_jobs() {
    let nobody = json!({"jobs": {"inQueue": 1}, "workers": {"idle": 0, "running": 0}});
    let queue = with_slots(
        "5",
        json!({"health": nobody, "job": {"queue_ms": 1_200_000}}),
    );
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(2_000).await;
    check_workers(&queue.app).await.unwrap();
    let health = queue.get("/api/gpu/health").await.json();
    assert!(
        health["endpoint"]["no_worker_since"].is_string(),
        "{health:#}"
    );
    queue.pass(600_000).await;
    let reason = queue.job(id).await["wait_reason"].clone();
    let said = reason.as_str().unwrap_or_default();
    assert!(
        said.starts_with("the endpoint has shown no worker since"),
        "{reason}"
    );
    queue.runpod.lock().unwrap().plan_mut().health = None;
    check_workers(&queue.app).await.unwrap();
    let health = queue.get("/api/gpu/health").await.json();
    assert_eq!(health["endpoint"]["no_worker_since"], Value::Null);
}

/// One caller at a hundred times the load of another does not delay the other's jobs.
#[tokio::test]
async fn a_flood_of_one_caller_does_not_hold_up_another() {
    let queue = with_slots("4", json!({"job": {"run_ms": 10_000}}));
    for n in 0..60 {
        queue.create(&json!({"prompt": n.to_string()})).await;
    }
    queue.pass(12_000).await;
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let body = json!({"prompt": "another's"});
    let answer = queue.post_with("/api/queue/create", &body, &headers).await;
    let id = answer.json()["job_id"].as_str().unwrap().to_owned();
    // One run of somebody else's, and its own.
    queue.pass(24_000).await;
    let path = format!("/api/queue/status/{id}");
    let request = request("GET", &path, &headers, "".into());
    let job = queue.send(request).await.json()["job"].clone();
    assert_eq!(job["status"], "succeeded", "{job:#}");
}

/// It was first in line for the only slot, and kept its place for three minutes after it was gone.
#[tokio::test]
async fn a_job_that_is_canceled_while_it_waits_holds_up_nobody() {
    let queue = with_slots("1", json!({"job": {"run_ms": 20_000}}));
    queue.create(&json!({"prompt": "1"})).await;
    queue.pass(100).await;
    let second = queue.create(&json!({"prompt": "2"})).await;
    queue.pass(100).await;
    let third = queue.create(&json!({"prompt": "3"})).await;
    queue.pass(100).await;
    let cancel = format!("/api/queue/cancel/{second}");
    queue.post(&cancel, &json!({})).await;
    queue.pass(100).await;
    assert_eq!(queue.job(third).await["queue_position"], 0);
    queue.pass(50_000).await;
    assert_eq!(queue.job(third).await["status"], "succeeded");
}

/// The provider ran out of memory: for half a minute nothing of this job is there.
#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_leaves_its_slot_to_another() {
    let plan = json!({"next": [{"outcome": "out_of_memory"}], "job": {"run_ms": 2_000}});
    let queue = with_slots("1", plan);
    let first = queue.create(&json!({"prompt": "1"})).await;
    queue.pass(100).await;
    let second = queue.create(&json!({"prompt": "2"})).await;
    queue.pass(25_000).await;
    assert_eq!(queue.job(second).await["status"], "succeeded");
    assert_eq!(queue.job(first).await["status"], "queued");
    queue.pass(60_000).await;
    assert_eq!(queue.job(first).await["status"], "succeeded");
}

/// Slots went to the caller who held the fewest, and every session was a caller of its own.
#[tokio::test]
async fn a_crowd_of_sessions_stands_in_line_as_one_caller() {
    let plan: Plan = serde_json::from_value(json!({"job": {"run_ms": 10_000}})).unwrap();
    let settings = [("ENDPOINT_JOBS_MAX", "4"), ("SESSION_JOBS_PER_DAY", "1000")];
    let queue = TestQueue::build(&settings, plan, 1);
    for n in 0..40 {
        let session = queue.post("/api/session", &json!({})).await.json();
        let bearer = format!("Bearer {}", session["token"].as_str().unwrap());
        let body = json!({ "prompt": n.to_string() });
        let headers = [("authorization", bearer.as_str())];
        let answer = queue.post_with("/api/queue/create", &body, &headers).await;
        assert_eq!(answer.status, 200, "{:#}", answer.json());
    }
    queue.pass(12_000).await;
    let mine = queue.create(&json!({"prompt": "mine"})).await;
    // After one of those who are there, and not after all of them.
    queue.pass(25_000).await;
    assert_eq!(queue.job(mine).await["status"], "succeeded");
}
