//! The promises under every fault: seeded stories in which everything goes wrong that can.
//!
//! What counts as a failure is in `world.rs`. A failing seed is printed; tell it alone with
//! `SEEDS=13..14 cargo test … simulation`, or thousands with `SEEDS=0..5000`.

mod story;
mod world;

use std::ops::Range;

use world::World;

/// Stories told in every run: a quarter of a minute.
const SEEDS: Range<u64> = 0..40;
/// Operations in one story, before the faults stop.
const OPERATIONS: usize = 60;

#[tokio::test]
async fn whatever_goes_wrong_every_job_ends_once_and_is_never_paid_twice() {
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..OPERATIONS {
            let operation = story::next(&mut world.random);
            world.run(operation).await;
            world.check();
        }
        world.settle_down().await;
    }
}

#[allow(clippy::disallowed_methods)] // The person who looks for a seed is not the product.
fn seeds() -> Range<u64> {
    let asked = std::env::var("SEEDS").ok().and_then(|range| {
        let (from, to) = range.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    asked.unwrap_or(SEEDS)
}
