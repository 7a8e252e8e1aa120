//! What may happen next, drawn from a seed.

use edge_queue::testing::runpod::JobPlan;
use edge_queue::testing::sqlite::DbFault;
use fastrand::Rng;
use serde_json::json;

#[derive(Debug)]
pub enum Operation {
    /// A caller creates a job; RunPod will treat it as planned. `polls`: the handler dies.
    Create {
        plan: Box<JobPlan>,
        keyed: bool,
        polls: Option<usize>,
    },
    /// A caller repeats an earlier create.
    Repeat,
    Pass {
        ms: u64,
    },
    /// An alarm rings early, and perhaps its handler dies.
    Ring {
        polls: Option<usize>,
    },
    /// A webhook's handler dies.
    WebhooksDie {
        polls: usize,
    },
    Cancel,
    Retry,
    DbFails(DbFault),
    BlobsFail {
        times: u64,
    },
    /// The next request to RunPod fails; `taken`: it was carried out all the same.
    RunpodFails {
        fault: serde_json::Value,
        taken: bool,
    },
    /// A watcher loses its alarm for good.
    LoseAlarm,
    /// Calls to watchers are lost from now on, or arrive again.
    Deaf(bool),
    Sweep,
}

pub fn next(random: &mut Rng) -> Operation {
    match random.u32(0..100) {
        0..18 => Operation::Create {
            plan: Box::new(plan(random)),
            keyed: random.bool(),
            polls: (random.u32(0..4) == 0).then(|| random.usize(0..8)),
        },
        18..24 => Operation::Repeat,
        24..50 => Operation::Pass { ms: span(random) },
        50..60 => Operation::Ring {
            polls: random.bool().then(|| random.usize(0..12)),
        },
        60..64 => Operation::WebhooksDie {
            polls: random.usize(0..8),
        },
        64..71 => Operation::Cancel,
        71..75 => Operation::Retry,
        75..82 => Operation::DbFails(match random.u32(0..3) {
            0 => DbFault::LostBefore,
            1 => DbFault::LostAfter,
            _ => DbFault::Overloaded,
        }),
        82..86 => Operation::BlobsFail {
            times: random.u64(1..3),
        },
        86..92 => runpod_fails(random),
        92..95 => Operation::LoseAlarm,
        95..97 => Operation::Deaf(random.bool()),
        _ => Operation::Sweep,
    }
}

/// From a moment to most of an hour, each order of magnitude as likely.
fn span(random: &mut Rng) -> u64 {
    10_u64.pow(random.u32(1..7)) * random.u64(1..6)
}

/// A refusal was never carried out; a failure may have been.
fn runpod_fails(random: &mut Rng) -> Operation {
    let (fault, may_be_taken) = match random.u32(0..6) {
        0 => (json!("lost"), true),
        1 => (json!({"cut": {"bytes": 10}}), true),
        2 => (json!({"html": {"status": 502}}), true),
        3 => (json!({"problem": {"status": 500}}), true),
        4 => (json!("not_sent"), false),
        _ => (json!({"too_many": {"retry_after": "7"}}), false),
    };
    let taken = may_be_taken && random.bool();
    Operation::RunpodFails { fault, taken }
}

/// How RunPod treats one job.
fn plan(random: &mut Rng) -> JobPlan {
    let outcomes = [
        json!("base64"),
        json!("base64"),
        json!("s3_url"),
        json!("no_images"),
        json!("no_output"),
        json!("node_failed"),
        json!("worker_lost"),
        json!("output_error"),
        json!("canceled"),
    ];
    let mut plan = json!({
        "queue_ms": span(random) % 100_000,
        "run_ms": span(random) % 300_000 + 1,
        "outcome": outcomes[random.usize(0..outcomes.len())],
        "webhook": {
            "copies": random.u32(0..3),
            "delay_ms": if random.bool() { 0 } else { span(random) % 1_000_000 },
            "early_ms": if random.u32(0..5) == 0 { 1_000 } else { 0 },
            "wrong_id": random.u32(0..12) == 0,
            "forged": random.u32(0..4) == 0,
        },
        "late_progress_ms": if random.u32(0..6) == 0 { 20_000 } else { 0 },
        "status_missing_ms": if random.u32(0..6) == 0 { 30_000 } else { 0 },
    });
    if random.u32(0..8) == 0 {
        plan["webhook"]["cut_bytes"] = json!(random.usize(0..200));
    }
    if random.u32(0..12) == 0 {
        plan["forget_after_ms"] = json!(span(random));
    }
    serde_json::from_value(plan).unwrap()
}
