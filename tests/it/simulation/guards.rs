//! Whether the simulation can fail: guards are broken, one at a time, and each must be found.
//!
//! A guard that is only in code, not in a statement or in what a watcher keeps, was broken by hand
//! (docs/RELIABILITY.md).

use edge_queue::testing::queue::TestQueue;

use super::{asked, story, Asked};

/// Something that keeps a promise, and how it is broken.
struct Guard {
    name: &'static str,
    /// The first story that fails without it, and a part of what it says then.
    found: (u64, &'static str),
    broken: Broken,
}

enum Broken {
    /// A statement has this in place of that.
    Sql(&'static str, &'static str, &'static str),
    Index,
    Note,
}

impl Broken {
    fn in_queue(&self, queue: &TestQueue) {
        match self {
            Self::Sql(statement, cut, put) => queue.db.break_guard(statement, cut, put),
            Self::Index => drop(queue.db.query("DROP INDEX jobs_by_request_key").unwrap()),
            Self::Note => queue.watchers.forget_submits(),
        }
    }
}

const fn guard(name: &'static str, found: (u64, &'static str), broken: Broken) -> Guard {
    Guard {
        name,
        found,
        broken,
    }
}

const GUARDS: [Guard; 8] = [
    guard(
        "a submit is noted before it leaves",
        (1, "RunPod took"),
        Broken::Note,
    ),
    guard(
        "a request key is unique",
        (0, "a repeat got another answer"),
        Broken::Index,
    ),
    guard(
        "only an open job is finished",
        (5, "finished 2 times"),
        Broken::Sql(
            "jobs::finish",
            "status IN ('queued', 'running', 'canceling') AND round",
            "round",
        ),
    ),
    guard(
        "only a success, or a cancel at work, spends",
        (1, "the books are wrong"),
        Broken::Sql(
            "jobs::finish (credits)",
            "CASE WHEN ?3 = 'succeeded'
    OR ?3 = 'canceled' AND (job.started_at IS NOT NULL OR ?8 > 0) THEN job.credits ELSE 0 END",
            "job.credits",
        ),
    ),
    guard(
        "a cancel gives back where nothing is live",
        (13, "the books are wrong"),
        Broken::Sql(
            "jobs::cancel (credits)",
            "AND (attempt = 0 OR attempt_ended_at IS NOT NULL) AND credits",
            "AND credits",
        ),
    ),
    guard(
        "only a queued job begins an attempt",
        (25, "beside its live attempt"),
        Broken::Sql("jobs::begin_attempt", " AND status = 'queued'", ""),
    ),
    guard(
        "only a live attempt fails",
        (16, "failures of attempts"),
        Broken::Sql(
            "jobs::fail_attempt",
            "AND attempt_ended_at IS NULL AND round",
            "AND round",
        ),
    ),
    guard(
        "credits are held for a round that can be opened",
        (13, "the books are wrong"),
        Broken::Sql(
            "credits::reserve_round",
            "EXISTS (SELECT 1 FROM jobs WHERE id = ?10 AND round = ?11
    AND status IN ('failed', 'canceled', 'expired'))",
            "(?10 <> '' AND ?11 > 0)",
        ),
    ),
];

/// With `SEEDS=0..500` it looks for the first story of each, and prints it.
#[test]
fn every_guard_that_is_broken_is_found() {
    let unfound = std::thread::scope(|scope| {
        let searches = GUARDS
            .iter()
            .map(|guard| (guard.name, scope.spawn(|| is_found(guard))));
        let searches: Vec<_> = searches.collect();
        let unfound = searches
            .into_iter()
            .filter_map(|(name, search)| (!search.join().unwrap()).then_some(name));
        unfound.collect::<Vec<&str>>()
    });
    assert!(unfound.is_empty(), "not found: {unfound:?}");
}

fn is_found(guard: &Guard) -> bool {
    let (seed, says) = guard.found;
    let mut seeds = match asked() {
        Asked::Seeds(seeds) => seeds,
        Asked::Jobs(_) => seed..seed + 1,
    };
    let told = seeds.find_map(|seed| {
        let told = story(seed, |queue| guard.broken.in_queue(queue));
        Some((seed, told.failures.first()?.lines().next()?.to_owned()))
    });
    println!("{}: {told:?}", guard.name);
    told.is_some_and(|(_, what)| what.contains(says))
}
