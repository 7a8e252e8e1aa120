//! The promises under every fault: seeded stories in which everything goes wrong that can.
//!
//! What counts as a failure is in `invariants.rs`. A failing seed is printed; tell it alone with
//! `SEEDS=13..14 cargo test … simulation`. `make simulate JOBS=1000000` tells as many as it takes.

mod cross;
mod figures;
mod guards;
mod invariants;
mod story;
mod told;
mod world;

use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use edge_queue::testing::queue::TestQueue;
use figures::Figures;
use world::World;

/// Jobs in every run of the tests: well within a minute on two busy cores.
const JOBS: u64 = 10_000;
/// Operations in one story, before the faults stop: some forty jobs.
const OPERATIONS: usize = 80;

/// Promises: "Accepted is durable", "succeeded means downloadable", "One attempt at a time, never
/// paid twice by our doing", "Idempotent replay": under every fault at once.
#[test]
fn whatever_goes_wrong_every_job_ends_once_and_is_never_paid_twice() {
    let asked = asked();
    let told = tell(&asked);
    println!("{told}");
    let failures = told.failures;
    assert!(
        failures.is_empty(),
        "{} stories failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// How much is to be told.
enum Asked {
    Jobs(u64),
    Seeds(Range<u64>),
}

#[allow(clippy::disallowed_methods)] // The person who looks for a seed is not the product.
fn asked() -> Asked {
    let seeds = std::env::var("SEEDS").ok().and_then(|range| {
        let (from, to) = range.split_once("..")?;
        Some(Asked::Seeds(from.parse().ok()?..to.parse().ok()?))
    });
    let jobs = || std::env::var("JOBS").ok()?.parse().ok().map(Asked::Jobs);
    seeds.or_else(jobs).unwrap_or(Asked::Jobs(JOBS))
}

/// Tells stories on every core, seed after seed, until there were enough or one failed.
fn tell(asked: &Asked) -> Figures {
    let (first, last) = match asked {
        Asked::Jobs(_) => (0, u64::MAX),
        Asked::Seeds(seeds) => (seeds.start, seeds.end),
    };
    let next = AtomicU64::new(first);
    let all = Mutex::new(Figures::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let enough = {
                    let told = all.lock().unwrap();
                    let jobs = matches!(asked, Asked::Jobs(jobs) if told.jobs >= *jobs);
                    jobs || !told.failures.is_empty()
                };
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if enough || seed >= last {
                    break;
                }
                let figures = story(seed, |_| {});
                all.lock().unwrap().add(figures);
            });
        }
    });
    all.into_inner().unwrap()
}

/// One story from its beginning until everything has ended. `prepare` may break something before.
fn story(seed: u64, prepare: impl Fn(&TestQueue)) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let told = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut world = World::new(seed).await;
            prepare(&world.queue);
            for _ in 0..OPERATIONS {
                let operation = story::next(&mut world.random);
                world.run(operation).await;
                world.check();
            }
            world.settle_down().await;
            let figures = world.figures();
            world.check_nothing_is_left().await;
            figures
        })
    }));
    told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Figures::failed(seed, text.unwrap_or_else(|| "it panicked".into()))
    })
}
