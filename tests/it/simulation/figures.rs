//! What was told: how many jobs, how they ended, and which faults they met.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub struct Figures {
    pub jobs: u64,
    pub seeds: u64,
    first_seed: Option<u64>,
    last_seed: u64,
    /// Submits that RunPod took.
    pub submissions: u64,
    /// By name.
    pub operations: BTreeMap<String, u64>,
    pub faults: BTreeMap<String, u64>,
    /// How jobs and attempts ended.
    pub statuses: BTreeMap<String, u64>,
    pub causes: BTreeMap<String, u64>,
    pub failures: Vec<String>,
}

impl Figures {
    pub fn of(seed: u64) -> Self {
        Self {
            seeds: 1,
            first_seed: Some(seed),
            last_seed: seed,
            ..Self::default()
        }
    }

    pub fn failed(seed: u64, why: String) -> Self {
        Self {
            failures: vec![why],
            ..Self::of(seed)
        }
    }

    pub fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.seeds += other.seeds;
        self.submissions += other.submissions;
        let firsts = [self.first_seed, other.first_seed];
        self.first_seed = firsts.into_iter().flatten().min();
        self.last_seed = self.last_seed.max(other.last_seed);
        for (mine, others) in [
            (&mut self.operations, other.operations),
            (&mut self.faults, other.faults),
            (&mut self.statuses, other.statuses),
            (&mut self.causes, other.causes),
        ] {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first_seed.unwrap_or(0), self.last_seed);
        writeln!(f, "stories      {} (seeds {first} to {last})", self.seeds)?;
        writeln!(f, "jobs         {}", self.jobs)?;
        writeln!(f, "submissions  {}", self.submissions)?;
        for (title, counts) in [
            ("operations", &self.operations),
            ("faults", &self.faults),
            ("jobs ended", &self.statuses),
            ("attempts failed", &self.causes),
        ] {
            let sum: u64 = counts.values().sum();
            writeln!(f, "{title}: {sum}")?;
            for (name, count) in counts {
                writeln!(f, "  {name:<24} {count}")?;
            }
        }
        Ok(())
    }
}
