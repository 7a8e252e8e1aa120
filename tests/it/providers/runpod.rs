//! The provider's judgement, knob by knob.

use edge_queue::config::RunpodSettings;
use edge_queue::id::ProviderId;
use edge_queue::job::FailureCode;
use edge_queue::ports::Clock;
use edge_queue::providers::runpod::Runpod;
use edge_queue::providers::{CancelAnswer, Looked, Order, OutputData, Provider, Report, Submitted};
use serde_json::{json, Value};

use super::{order, outgoing, World, KEY};

/// A submit as one word, so that a table can expect it.
fn word(submitted: &Submitted) -> String {
    match submitted {
        Submitted::Accepted(_) => "accepted".into(),
        Submitted::NotNow { retry_after_ms, .. } => format!("not now {retry_after_ms:?}"),
        Submitted::Refused { failure, .. } => format!("refused {:?}", failure.code),
        Submitted::Unknown { .. } => "unknown".into(),
    }
}

/// What one fault does to a submit, and how many jobs the endpoint then has.
async fn check_submit(fault: Value, expected: &str, jobs: usize) {
    let plan = json!({"faults": [fault]});
    let world = World::new(plan.clone());
    let submitted = world.provider.submit(&order()).await;
    assert_eq!(word(&submitted), expected, "{plan}");
    let taken = world.fake().jobs(world.clock.now()).len();
    assert_eq!(taken, jobs, "{plan}");
    assert!(
        taken == 0
            || matches!(
                submitted,
                Submitted::Accepted(_) | Submitted::Unknown { .. }
            ),
        "a job that was taken would be submitted again: {plan}"
    );
}

async fn accepted(world: &World) -> ProviderId {
    match world.provider.submit(&order()).await {
        Submitted::Accepted(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn report(world: &World, id: &ProviderId) -> Report {
    match world.provider.look("mock", id).await {
        Looked::Report(report) => report,
        other => panic!("{other:?}"),
    }
}

/// The report of a job with this plan, ten minutes after its submit.
async fn ended(plan: Value) -> Report {
    let world = World::new(json!({ "job": plan }));
    let id = accepted(&world).await;
    world.clock.advance_ms(600_500);
    report(&world, &id).await
}

#[tokio::test]
async fn only_proof_that_nothing_was_taken_allows_another_submit() {
    let fault = |fault: Value| json!({"on": "run", "fault": fault});
    let taken = |fault: Value| json!({"on": "run", "fault": fault, "taken": true});
    check_submit(json!({"on": "health", "fault": "lost"}), "accepted", 1).await;
    check_submit(fault(json!("not_sent")), "not now None", 0).await;
    check_submit(
        fault(json!({"too_many": {"retry_after": "7"}})),
        "not now Some(7000)",
        0,
    )
    .await;
    check_submit(
        fault(json!({"too_many": {"retry_after": "Thu, 20 Nov 2025 20:02:40 GMT"}})),
        "not now Some(8000)",
        0,
    )
    .await;
    check_submit(
        fault(json!({"too_many": {"retry_after": null}})),
        "not now None",
        0,
    )
    .await;
    for status in [401, 402, 403, 404] {
        let ours = fault(json!({"problem": {"status": status}}));
        check_submit(ours, "not now Some(60000)", 0).await;
    }
    for status in [400, 413, 422] {
        let refusal = fault(json!({"problem": {"status": status}}));
        check_submit(refusal, "refused ProviderRejected", 0).await;
    }
    for status in [200, 302, 408, 409, 499, 500, 502, 503, 504, 524] {
        check_submit(fault(json!({"html": {"status": status}})), "unknown", 0).await;
        check_submit(taken(json!({"html": {"status": status}})), "unknown", 1).await;
    }
    check_submit(taken(json!("lost")), "unknown", 1).await;
    check_submit(fault(json!({"cut": {"bytes": 9}})), "unknown", 1).await;
    check_submit(fault(json!({"slow": {"delay_ms": 61_000}})), "unknown", 1).await;
    check_submit(fault(json!({"slow": {"delay_ms": 59_000}})), "accepted", 1).await;
}

#[tokio::test]
async fn a_refusal_says_what_to_do_about_it() {
    for (status, expected) in [
        (
            401,
            "RunPod refused the API key (HTTP 401): refused by plan",
        ),
        (
            404,
            "RunPod does not know the endpoint, or the API key belongs to another account \
             (HTTP 404): refused by plan",
        ),
        (400, "RunPod refused the job (HTTP 400): refused by plan"),
    ] {
        let world = World::new(json!({"faults": [{"fault": {"problem": {"status": status}}}]}));
        let (failure, evidence) = match world.provider.submit(&order()).await {
            Submitted::Refused { failure, evidence }
            | Submitted::NotNow {
                failure, evidence, ..
            } => (failure, evidence),
            other => panic!("{other:?}"),
        };
        assert_eq!(failure.message, expected);
        assert_eq!(evidence.response_status, Some(status));
    }
}

#[tokio::test]
async fn an_order_that_would_cost_without_working_is_not_sent() {
    let world = World::new(json!({}));
    let mut empty = order();
    empty.prompt = serde_json::value::RawValue::from_string("{}".into()).unwrap();
    let mut large = order();
    large.files[0].bytes = vec![0; 8 * 1024 * 1024].into();
    for order in [empty, large] {
        let Submitted::Refused { failure, .. } = world.provider.submit(&order).await else {
            panic!("sent");
        };
        assert_eq!(failure.code, FailureCode::ContractViolation);
    }
    assert_eq!(world.fake().counters().requests, 0);
}

#[tokio::test]
async fn a_job_is_followed_from_the_queue_to_its_files() {
    let world = World::new(json!({"job": {"progress": [10, {"progress": 0.5}, "soon"]}}));
    let id = accepted(&world).await;
    assert_eq!(report(&world, &id).await, Report::Queued);
    for (ms, expected) in [(500, Some(100)), (700, Some(500)), (700, None)] {
        world.clock.advance_ms(ms);
        let progress_permille = expected;
        assert_eq!(
            report(&world, &id).await,
            Report::Running { progress_permille }
        );
    }
    world.clock.advance_ms(600);
    let Report::Done { outputs, times } = report(&world, &id).await else {
        panic!("not done");
    };
    assert_eq!(
        (times.delay_ms, times.execution_ms),
        (Some(500), Some(2_000))
    );
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0].name.as_deref(), Some("j1-9_00001_.png"));
    assert!(matches!(&outputs[0].data, OutputData::Base64(text) if text.starts_with(b"iVBORw0")));
    world.clock.advance_ms(30 * 60 * 1000);
    assert!(matches!(
        world.provider.look("mock", &id).await,
        Looked::NotFound
    ));
}

#[tokio::test]
async fn every_delivery_of_files_is_read() {
    for (outcome, files) in [
        (json!("base64"), 1),
        (json!("s3_url"), 1),
        (json!({"multi": {"count": 3}}), 3),
        (json!("video_as_image"), 1),
        (json!("errors_and_images"), 1),
        (json!("old_shape"), 1),
        (json!("no_images"), 0),
        (json!("no_output"), 0),
        (json!("simulated_upload"), 0),
        (
            json!({"given": {"video_url": "https://s.example/1.mp4"}}),
            1,
        ),
        (json!({"given": "not a file"}), 0),
    ] {
        match ended(json!({"outcome": outcome})).await {
            Report::Done { outputs, .. } => assert_eq!(outputs.len(), files, "{outcome}"),
            other => panic!("{outcome}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_failure_is_told_apart() {
    use FailureCode::{ExecutionFailed, ProviderLost, TimedOut};
    for (outcome, code, node_id, words) in [
        (
            "output_error",
            ExecutionFailed,
            None,
            "does not exist in the specified output",
        ),
        (
            "validation_failed",
            ExecutionFailed,
            Some("3"),
            "• Node 3 (class_type): KSampler",
        ),
        (
            "node_failed",
            ExecutionFailed,
            Some("3"),
            "shapes cannot be multiplied",
        ),
        (
            "exception",
            ExecutionFailed,
            None,
            "TypeError: argument of type",
        ),
        (
            "worker_lost",
            ProviderLost,
            None,
            "job timed out after 1 retries",
        ),
        (
            "execution_timeout",
            TimedOut,
            None,
            "executionTimeout exceeded",
        ),
        ("timed_out", TimedOut, None, "RunPod"),
    ] {
        let Report::Failed { failure, .. } = ended(json!({"outcome": outcome})).await else {
            panic!("{outcome} did not fail");
        };
        assert_eq!(failure.code, code, "{outcome}");
        assert_eq!(failure.node_id.as_deref(), node_id, "{outcome}");
        let class_type = node_id.map(|_| "KSampler");
        assert_eq!(failure.class_type.as_deref(), class_type, "{outcome}");
        assert!(
            failure.message.contains(words),
            "{outcome}: {}",
            failure.message
        );
        assert!(!failure.message.contains("Traceback"), "{outcome}");
    }
    let canceled = ended(json!({"outcome": "canceled"})).await;
    assert!(matches!(canceled, Report::Canceled { times } if times.execution_ms.is_some()));
}

#[tokio::test]
async fn a_look_that_fails_says_nothing_about_the_job() {
    let broken = [
        json!({"html": {"status": 200}}),
        json!({"html": {"status": 502}}),
        json!({"problem": {"status": 401}}),
        json!({"too_many": {"retry_after": "3"}}),
        json!({"cut": {"bytes": 3}}),
        json!("lost"),
        json!("not_sent"),
    ];
    for fault in broken {
        let world = World::new(json!({"faults": [{"on": "status", "fault": fault}]}));
        let id = accepted(&world).await;
        match world.provider.look("mock", &id).await {
            Looked::Unreachable { .. } => {}
            other => panic!("{fault}: {other:?}"),
        }
        assert_eq!(report(&world, &id).await, Report::Queued);
    }
}

#[tokio::test]
async fn a_wrong_endpoint_is_not_a_lost_job() {
    let world = World::new(json!({}));
    let id = accepted(&world).await;
    let settings = RunpodSettings {
        base_url: "https://api.runpod.ai/v2".into(),
        endpoint_id: "other".into(),
        api_key: KEY.into(),
    };
    let http = edge_queue::testing::runpod::FakeHttp {
        runpod: world.runpod.clone(),
        clock: world.clock.clone(),
    };
    let other = Runpod::new(settings, outgoing(http), world.clock.clone());
    assert!(matches!(
        other.look("other", &id).await,
        Looked::Unreachable { .. }
    ));
    assert!(matches!(
        other.cancel("other", &id).await,
        CancelAnswer::Unreachable { .. }
    ));
    let order = Order {
        endpoint: "other".into(),
        ..order()
    };
    assert_eq!(word(&other.submit(&order).await), "not now Some(60000)");
}

#[tokio::test]
async fn a_young_job_may_be_unknown_and_an_unknown_id_is_not_found() {
    let world = World::new(json!({"job": {"status_missing_ms": 5_000}}));
    let id = accepted(&world).await;
    assert!(matches!(
        world.provider.look("mock", &id).await,
        Looked::NotFound
    ));
    world.clock.advance_ms(5_000);
    assert!(matches!(report(&world, &id).await, Report::Done { .. }));
    let odd = ProviderId::parse("a/../b?c#d").unwrap();
    assert!(matches!(
        world.provider.look("mock", &odd).await,
        Looked::NotFound
    ));
    assert!(matches!(
        world.provider.cancel("mock", &odd).await,
        CancelAnswer::NotFound
    ));
}

#[tokio::test]
async fn a_cancel_is_confirmed_and_tells_whether_the_job_ran() {
    for (wait_ms, ran) in [(100, false), (1_000, true)] {
        let world = World::new(json!({}));
        let id = accepted(&world).await;
        world.clock.advance_ms(wait_ms);
        assert!(matches!(
            world.provider.cancel("mock", &id).await,
            CancelAnswer::Confirmed(_)
        ));
        let Report::Canceled { times } = report(&world, &id).await else {
            panic!("not canceled");
        };
        assert_eq!(times.execution_ms.is_some(), ran);
    }
    let world = World::new(json!({"faults": [{"on": "cancel", "fault": "lost"}]}));
    let id = accepted(&world).await;
    assert!(matches!(
        world.provider.cancel("mock", &id).await,
        CancelAnswer::Unreachable { .. }
    ));
}

#[tokio::test]
async fn health_is_read_or_unreachable() {
    let world = World::new(json!({"faults": [{"fault": {"html": {"status": 500}}}]}));
    assert!(!world.provider.health().await.reachable);
    accepted(&world).await;
    let health = world.provider.health().await;
    assert!(health.reachable);
    assert_eq!((health.jobs_queued, health.workers_idle), (1, 1));
}
