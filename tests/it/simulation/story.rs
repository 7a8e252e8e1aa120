//! What may happen next, drawn from a seed.

use edge_queue::queue::reconcile::Part;
use edge_queue::testing::runpod::JobPlan;
use edge_queue::testing::sqlite::DbFault;
use fastrand::Rng;
use serde_json::{json, Value};

#[derive(Debug)]
pub enum Operation {
    /// A caller creates a job; RunPod will treat it as planned. `polls`: the handler dies.
    Create {
        plan: Box<JobPlan>,
        faults: Vec<&'static str>,
        keyed: bool,
        polls: Option<usize>,
        /// How long from now the job may wait for its start, and for its end.
        start_by_ms: Option<u64>,
        deadline_ms: Option<u64>,
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
    /// Handlers run at once, most of them for one job.
    Cross(Vec<Handler>),
    /// An alarm's handler dies again and again, until the platform drops the alarm.
    Storm {
        polls: usize,
    },
    /// A webhook's handler dies.
    WebhooksDie {
        polls: usize,
    },
    Cancel,
    Retry,
    /// The next batches fail.
    DbFails {
        fault: DbFault,
        times: u32,
    },
    BlobsFail {
        times: u64,
    },
    /// The object store does as it was told, and its answers are lost.
    BlobsForget {
        times: u64,
    },
    /// Requests to RunPod fail; `taken`: they were carried out all the same.
    RunpodFails {
        name: &'static str,
        fault: Value,
        taken: bool,
        times: u32,
    },
    /// A watcher loses its alarm for good.
    LoseAlarm,
    /// Watchers cannot write down what they want to keep.
    WatchersFail {
        times: u64,
    },
    /// Calls to watchers are lost from now on, or arrive again.
    Deaf(bool),
    /// Gates do not answer for a while.
    GateSilent {
        ms: u64,
    },
    /// A gate starts anew, with nothing in its memory.
    GateMoves,
    Sweep,
}

/// What runs beside other things, from its beginning to its end or its death.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// The alarm of the job: the platform runs one at a time.
    Alarm,
    /// The alarm of any other job.
    OtherAlarm,
    Cancel,
    Retry,
    /// Callers create something new, with one key.
    Twins,
    Repeat,
    Status,
    /// The job's worker tells how far it is.
    Tell,
    Sweep,
    Recover,
    /// An operator mends what does not fit.
    Reconcile(Part),
}

impl Operation {
    /// As the figures call it, and whether it is a fault.
    pub fn name(&self) -> (&'static str, bool) {
        match self {
            Self::Create { polls: None, .. } => ("create", false),
            Self::Create { polls: Some(_), .. } => ("create dies", true),
            Self::Repeat => ("repeat", false),
            Self::Pass { .. } => ("time passes", false),
            Self::Ring { polls: None } => ("alarm rings twice", true),
            Self::Ring { polls: Some(_) } => ("alarm dies", true),
            Self::Cross(_) => ("handlers cross", true),
            Self::Storm { .. } => ("alarm dropped", true),
            Self::WebhooksDie { .. } => ("callback dies", true),
            Self::Cancel => ("cancel", false),
            Self::Retry => ("retry", false),
            Self::DbFails { fault, .. } => match fault {
                DbFault::LostBefore => ("D1 lost before", true),
                DbFault::LostAfter => ("D1 lost after", true),
                DbFault::Late(_) => ("D1 late", true),
                DbFault::Overloaded => ("D1 overloaded", true),
            },
            Self::BlobsFail { .. } => ("R2 failed before", true),
            Self::BlobsForget { .. } => ("R2 failed after", true),
            Self::RunpodFails { name, .. } => (name, true),
            Self::LoseAlarm => ("alarm lost", true),
            Self::WatchersFail { .. } => ("watchers cannot write", true),
            Self::Deaf(_) => ("watchers deaf or not", true),
            Self::GateSilent { .. } => ("gate silent", true),
            Self::GateMoves => ("gate moves", true),
            Self::Sweep => ("sweep", false),
        }
    }
}

pub fn next(random: &mut Rng) -> Operation {
    match random.u32(0..100) {
        0..19 => create(random),
        19..24 => Operation::Repeat,
        24..43 => Operation::Pass { ms: span(random) },
        49..55 => Operation::Ring {
            polls: random.bool().then(|| random.usize(0..16)),
        },
        43..49 | 55..59 => Operation::Cross(handlers(random)),
        59..61 => Operation::Storm {
            polls: random.usize(0..8),
        },
        61..65 => Operation::WebhooksDie {
            polls: random.usize(0..10),
        },
        65..71 => Operation::Cancel,
        71..75 => Operation::Retry,
        75..82 => db_fails(random),
        82..84 => Operation::BlobsFail {
            times: random.u64(1..3),
        },
        84..86 => Operation::BlobsForget {
            times: random.u64(1..3),
        },
        86..92 => runpod_fails(random),
        92..95 => Operation::LoseAlarm,
        95 if random.bool() => Operation::Deaf(random.bool()),
        95 => Operation::WatchersFail {
            times: random.u64(1..4),
        },
        96 if random.bool() => Operation::GateMoves,
        96 => Operation::GateSilent {
            ms: span(random) % 60_000,
        },
        _ => Operation::Sweep,
    }
}

const PARTS: [Part; 5] = [
    Part::Jobs,
    Part::Objects,
    Part::Uploads,
    Part::Credits,
    Part::Provider,
];

/// Beside the callbacks that are due: mostly the job's own alarm, and what its callers do.
fn handlers(random: &mut Rng) -> Vec<Handler> {
    let all = [
        (Handler::Alarm, 2),
        (Handler::OtherAlarm, 4),
        (Handler::Cancel, 3),
        (Handler::Cancel, 9),
        (Handler::Retry, 4),
        (Handler::Retry, 8),
        (Handler::Twins, 6),
        (Handler::Repeat, 6),
        (Handler::Status, 9),
        (Handler::Tell, 6),
        (Handler::Sweep, 6),
        (Handler::Recover, 12),
    ];
    let parts = PARTS.map(|part| (Handler::Reconcile(part), 20));
    let all = all.into_iter().chain(parts);
    let drawn = all.filter(|(_, n)| one_in(random, *n));
    drawn.map(|(handler, _)| handler).collect()
}

/// From a moment to most of an hour, each order of magnitude as likely.
fn span(random: &mut Rng) -> u64 {
    10_u64.pow(random.u32(1..7)) * random.u64(1..6)
}

fn one_in(random: &mut Rng, n: u32) -> bool {
    random.u32(0..n) == 0
}

/// A batch is made three times at the most.
fn db_fails(random: &mut Rng) -> Operation {
    let fault = match random.u32(0..4) {
        0 => DbFault::LostBefore,
        1 => DbFault::LostAfter,
        2 => DbFault::Late(random.u32(1..30)),
        _ => DbFault::Overloaded,
    };
    let times = if one_in(random, 4) {
        random.u32(2..6)
    } else {
        1
    };
    Operation::DbFails { fault, times }
}

/// A refusal was never carried out; a failure may have been.
fn runpod_fails(random: &mut Rng) -> Operation {
    let (name, fault, may_be_taken) = match random.u32(0..9) {
        0 => ("RunPod: answer lost", json!("lost"), true),
        1 => ("RunPod: answer cut", json!({"cut": {"bytes": 10}}), true),
        2 => (
            "RunPod: 502 in HTML",
            json!({"html": {"status": 502}}),
            true,
        ),
        3 => ("RunPod: 500", json!({"problem": {"status": 500}}), true),
        4 => ("RunPod: not reached", json!("not_sent"), false),
        5 => (
            "RunPod: answer late",
            json!({"slow": {"delay_ms": 90_000}}),
            true,
        ),
        6 => ("RunPod: 401", json!({"problem": {"status": 401}}), false),
        7 => ("RunPod: garbage", json!({"problem": {"status": 200}}), true),
        _ => (
            "RunPod: 429",
            json!({"too_many": {"retry_after": "7"}}),
            false,
        ),
    };
    let taken = may_be_taken && random.bool();
    let times = if one_in(random, 4) {
        random.u32(2..30)
    } else {
        1
    };
    Operation::RunpodFails {
        name,
        fault,
        taken,
        times,
    }
}

/// How a worker ends a job: well, more often than not.
const OUTCOMES: [&str; 14] = [
    "no_images",
    "no_output",
    "node_failed",
    "out_of_memory",
    "worker_lost",
    "output_error",
    "canceled",
    "timed_out",
    "execution_timeout",
    "exception",
    "validation_failed",
    "simulated_upload",
    "old_shape",
    "errors_and_images",
];

fn create(random: &mut Rng) -> Operation {
    let mut faults = Vec::new();
    let outcome = match random.u32(0..10) {
        0..5 => "base64",
        5 => "s3_url",
        _ => OUTCOMES[random.usize(0..OUTCOMES.len())],
    };
    if OUTCOMES.contains(&outcome) {
        faults.push(outcome);
    }
    let mut plan = json!({
        "queue_ms": span(random) % 100_000,
        "run_ms": span(random) % 300_000 + 1,
        "outcome": outcome,
        "webhook": {
            "copies": random.u32(0..3),
            "delay_ms": if random.bool() { 0 } else { span(random) % 1_000_000 },
        },
    });
    misbehave(random, &mut plan, &mut faults);
    let moment = |random: &mut Rng| one_in(random, 6).then(|| span(random) + 1);
    Operation::Create {
        plan: Box::new(serde_json::from_value(plan).unwrap()),
        faults,
        keyed: random.bool(),
        polls: one_in(random, 4).then(|| random.usize(0..8)),
        start_by_ms: moment(random),
        deadline_ms: moment(random),
    }
}

/// What goes wrong with one job at RunPod, whatever its outcome.
fn misbehave(random: &mut Rng, plan: &mut Value, faults: &mut Vec<&'static str>) {
    let webhook = &plan["webhook"];
    match webhook["copies"].as_u64() {
        Some(0) => faults.push("callback dropped"),
        Some(2) => faults.push("callback twice"),
        _ => {}
    }
    if webhook["delay_ms"] != 0 {
        faults.push("callback late");
    }
    let mut maybe = |n: u32, name: &'static str, path: &str, value: Value| {
        if one_in(random, n) {
            faults.push(name);
            let place = plan.pointer_mut(path).map(|place| *place = value.clone());
            if place.is_none() {
                let (parent, key) = path.rsplit_once('/').unwrap();
                plan.pointer_mut(parent).unwrap()[key] = value;
            }
        }
    };
    maybe(5, "callback early", "/webhook/early_ms", json!(1_000));
    maybe(
        12,
        "callback of another id",
        "/webhook/wrong_id",
        json!(true),
    );
    maybe(4, "callback forged", "/webhook/forged", json!(true));
    maybe(8, "callback cut", "/webhook/cut_bytes", json!(100));
    maybe(
        6,
        "running after the end",
        "/late_progress_ms",
        json!(20_000),
    );
    maybe(
        6,
        "404 after the submit",
        "/status_missing_ms",
        json!(30_000),
    );
    maybe(12, "run twice", "/runs", json!(2));
    maybe(20, "stuck in the queue", "/queue_ms", json!(100_000_000));
    maybe(20, "never stopped", "/overruns", json!(true));
    maybe(20, "runs for hours", "/run_ms", json!(10_000_000));
    maybe(12, "forgotten", "/forget_after_ms", json!(20_000));
}
