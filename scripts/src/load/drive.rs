//! The callers: each takes the next job when it is done with one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{anyhow, bail};
use hdrhistogram::Histogram;
use serde_json::{json, Value};

use crate::admin::progress;
use crate::clock::{wait, Stopwatch};
use crate::smoke::wire::{Answered, Wire};

/// The longest that a status is held for us.
const HOLD_S: u64 = 10;
/// A deployment that names no pause is asked again after this one.
const PAUSE: Duration = Duration::from_secs(1);
/// A longer pause is told as a failure rather than waited for.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// A cancel is asked for also when the time for everything is over.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);
/// Failures are alike; the first ones that are not say why.
const FAILURES_TOLD: usize = 5;

pub const KINDS: [&str; 4] = ["create", "status", "result", "job"];

pub struct Plan {
    pub base_url: String,
    pub jobs: usize,
    pub concurrency: usize,
    pub within: Duration,
    pub body: Value,
}

/// What one caller saw, or all of them.
pub struct Measured {
    pub jobs: usize,
    pub succeeded: usize,
    pub turned_away: u64,
    pub requests: u64,
    pub took: Duration,
    /// Microseconds, of each of [`KINDS`].
    pub latencies: [Histogram<u64>; 4],
    pub failures: Vec<String>,
}

impl Measured {
    fn new() -> anyhow::Result<Self> {
        // Three digits; it grows with what it is given.
        let empty = || Histogram::new(3).map_err(|error| anyhow!("no histogram: {error}"));
        Ok(Self {
            jobs: 0,
            succeeded: 0,
            turned_away: 0,
            requests: 0,
            took: Duration::ZERO,
            latencies: [empty()?, empty()?, empty()?, empty()?],
            failures: Vec::new(),
        })
    }

    fn take_in(&mut self, other: Self) -> anyhow::Result<()> {
        self.jobs += other.jobs;
        self.succeeded += other.succeeded;
        self.turned_away += other.turned_away;
        self.requests += other.requests;
        for (all, its) in self.latencies.iter_mut().zip(&other.latencies) {
            all.add(its).map_err(|error| anyhow!("{error}"))?;
        }
        for failure in other.failures {
            if self.failures.len() < FAILURES_TOLD && !self.failures.contains(&failure) {
                self.failures.push(failure);
            }
        }
        Ok(())
    }

    fn note(&mut self, kind: usize, watch: Stopwatch) {
        let us = u64::try_from(watch.time().as_micros()).unwrap_or(u64::MAX);
        self.latencies[kind].saturating_record(us);
    }
}

pub fn drive(plan: &Plan) -> anyhow::Result<Measured> {
    let (watch, next, bar) = (Stopwatch::start(), AtomicUsize::new(0), progress("jobs"));
    let caller = || {
        let (mut wire, mut seen) = (Wire::new(&plan.base_url, plan.within), Measured::new()?);
        while next.fetch_add(1, Ordering::Relaxed) < plan.jobs {
            seen.jobs += 1;
            match job(&mut wire, plan, &mut seen) {
                Ok(()) => seen.succeeded += 1,
                Err(error) => seen.failures.push(format!("{error:#}")),
            }
            bar.inc(1);
            bar.set_message("under way");
        }
        Ok::<_, anyhow::Error>(seen)
    };
    let mut all = Measured::new()?;
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..plan.concurrency).map(|_| scope.spawn(caller)).collect();
        for caller in callers {
            let seen = caller
                .join()
                .map_err(|_| anyhow!("a caller broke down"))??;
            all.take_in(seen)?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    bar.finish_and_clear();
    all.took = watch.time();
    Ok(all)
}

/// One job from its create to the bytes of its result.
fn job(wire: &mut Wire, plan: &Plan, seen: &mut Measured) -> anyhow::Result<()> {
    let whole = Stopwatch::start();
    let created = asked(wire, seen, Some(0), |wire| {
        wire.post("/api/queue/create", &[], &plan.body)
    })?;
    let id = created.json()["job_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!("/api/queue/status/{id}");
    let held = format!("{path}?wait={HOLD_S}");
    if let Err(error) = until_end(wire, seen, &held) {
        // Nobody waits for it any more.
        wire.allow(CANCEL_TIME_MAX);
        let canceled = wire.post(&format!("/api/queue/cancel/{id}"), &[], &json!({}));
        let is_heard = canceled.is_ok_and(|answer| answer.status == 200);
        let note = if is_heard {
            "its cancel was taken"
        } else {
            "it may go on"
        };
        return Err(error.context(format!("{id} was not seen to its end; {note}")));
    }
    seen.note(3, whole);
    let ended = asked(wire, seen, Some(1), |wire| wire.get(&path))?.json();
    let job = &ended["job"];
    if job["status"] != "succeeded" {
        bail!("{id} is {}: {}", job["status"], job["error"]);
    }
    if let Some(link) = job["result_url"].as_str() {
        asked(wire, seen, Some(2), |wire| wire.get_with(link, &[], None))?;
    }
    Ok(())
}

fn until_end(wire: &Wire, seen: &mut Measured, held: &str) -> anyhow::Result<()> {
    loop {
        let answer = asked(wire, seen, None, |wire| wire.get(held))?;
        if answer.json()["job"]["completed_at_ms"].is_number() {
            return Ok(());
        }
    }
}

/// The answer to a call, after the pauses that the deployment asks for.
fn asked(
    wire: &Wire,
    seen: &mut Measured,
    kind: Option<usize>,
    call: impl Fn(&Wire) -> anyhow::Result<Answered>,
) -> anyhow::Result<Answered> {
    loop {
        let watch = Stopwatch::start();
        let answer = call(wire)?;
        seen.requests += 1;
        match answer.status {
            200 => {
                if let Some(kind) = kind {
                    seen.note(kind, watch);
                }
                return Ok(answer);
            }
            429 | 503 => {
                seen.turned_away += 1;
                let seconds = answer.header("retry-after").parse().ok();
                let pause = seconds.map_or(PAUSE, Duration::from_secs);
                if pause > PAUSE_MAX || pause > wire.left() {
                    bail!("{}", answer.complaint());
                }
                wait(pause);
            }
            _ => bail!("{}", answer.complaint()),
        }
    }
}
