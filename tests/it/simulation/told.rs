//! The same stories with callers who want to be told: whatever goes wrong, every event is told.

use std::collections::BTreeMap;

use edge_queue::id::JobId;
use edge_queue::job::JobStatus;
use edge_queue::notify::event_id;
use serde_json::Value;

use super::story;
use super::world::World;
use super::OPERATIONS;

/// Stories in every run of the tests: some three hundred jobs.
const STORIES: u64 = 20;

#[tokio::test]
async fn whatever_goes_wrong_every_event_is_told_under_its_own_id_and_no_try_is_made_twice() {
    for seed in 0..STORIES {
        let mut world = World::new(seed).await;
        world.is_told = true;
        for _ in 0..OPERATIONS {
            let operation = story::next(&mut world.random);
            world.run(operation).await;
            world.check();
        }
        world.settle_down().await;
        world.check_told();
    }
}

impl World {
    /// Everything that happened is in a row, was told, and no more often than tries were counted.
    fn check_told(&self) {
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        for one in self.queue.receiver.told() {
            *told.entry(one.id().to_owned()).or_default() += 1;
        }
        let rows = "SELECT job_id, round, status, tries, delivered_at FROM deliveries";
        let rows = self.queue.db.query(rows).unwrap();
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            let job = JobId::parse(text("job_id")).unwrap();
            let round = row["round"].as_u64().and_then(|n| u32::try_from(n).ok());
            let status = JobStatus::parse(text("status")).unwrap();
            let id = event_id(job, round.unwrap(), status);
            let times = told.remove(&id).unwrap_or(0);
            let tries = row["tries"].as_u64().unwrap();
            let what = format!("{id} was told {times} times in {tries} tries");
            assert!((1..=tries).contains(&times), "{}", self.tell(&what));
            let is_known = row["delivered_at"] != Value::Null;
            assert!(
                is_known,
                "{}",
                self.tell(&format!("{id} is not known as delivered"))
            );
        }
        assert!(
            told.is_empty(),
            "{}",
            self.tell(&format!("told of nothing: {told:?}"))
        );
        let missing = "SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM deliveries
            WHERE job_id = jobs.id AND round = jobs.round AND status = jobs.status)";
        let missing = self.queue.db.query(missing).unwrap();
        assert!(
            missing.is_empty(),
            "{}",
            self.tell(&format!("nobody told of {missing:?}"))
        );
        assert!(rows.len() > 3, "{}", self.tell("nearly nothing happened"));
    }
}
