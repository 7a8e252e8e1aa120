//! What must hold after everything that happens: this is what counts as a failure.

use std::collections::{BTreeMap, BTreeSet};

use edge_queue::id::JobId;
use edge_queue::job::Cause;
use edge_queue::queue::purge::{purge, Purged};
use edge_queue::queue::reconcile::{reconcile, Part};
use serde_json::Value;

use super::world::World;

/// The last state seen of a job that was accepted.
pub struct Seen {
    /// Everything that a job's end says; `None`: it had not ended.
    end: Option<String>,
    round: u64,
}

impl Seen {
    pub fn open() -> Self {
        Self {
            end: None,
            round: 1,
        }
    }
}

/// Where a job stood when it was looked at last.
#[derive(Clone, Copy)]
pub struct Round {
    pub number: u64,
    /// Its newest attempt, and the newest before this round was first seen.
    attempt: u64,
    before: u64,
}

const TERMINAL: [&str; 4] = ["succeeded", "failed", "canceled", "expired"];

/// Longer than anything is kept.
const KEPT_MS: u64 = 32 * 24 * 3_600_000;

/// What a watcher's storage says that cannot write.
const NOT_WRITTEN: &str = "told to fail";

/// No cause is tried more often in one round.
fn attempts_max() -> u64 {
    let most = Cause::ALL.iter().map(|cause| cause.attempts_max()).max();
    u64::from(most.unwrap_or(1))
}

impl World {
    /// What must hold at every moment.
    pub fn check(&mut self) {
        self.check_rows();
        self.check_submissions();
    }

    /// RunPod never took one attempt twice; never took one while another of the job was live,
    /// unless it had lost that one itself; and took no more of a round than the classes allow.
    fn check_submissions(&mut self) {
        let runpod = self.queue.runpod.lock().unwrap();
        let known = self.claims.len();
        // They are only ever added to, and each is judged at the moment when it was taken.
        if runpod.counters().jobs == known as u64 {
            return;
        }
        let taken = runpod.submissions(self.queue.now());
        for submission in &taken[known..] {
            let last = submission.webhook.unwrap().rsplit('/').next().unwrap();
            let claim = self.queue.app.signer.verify_callback(last).unwrap();
            self.claims.push((claim.job, claim.attempt));
        }
        let mut wrong = None;
        for (i, new) in taken.iter().enumerate().skip(known) {
            let (id, attempt) = self.claims[i];
            let then = runpod.submissions(new.at);
            let earlier = self.claims[..i].iter().zip(&then);
            let (mut attempts, mut live) = (vec![attempt], 0);
            for ((_, earlier), submission) in earlier.filter(|((job, _), _)| *job == id) {
                attempts.push(*earlier);
                live += u32::from(submission.is_live);
            }
            let rounds = self.rounds.get(&id).map_or(1, |round| round.number);
            let distinct: BTreeSet<&u32> = attempts.iter().collect();
            let most = rounds * attempts_max();
            let once = distinct.len() == attempts.len();
            if !once || live > 0 || attempts.len() as u64 > most {
                wrong = Some(format!(
                    "{id}: RunPod took attempts {attempts:?} in {rounds} rounds, {live} still live"
                ));
            }
        }
        drop(runpod);
        if let Some(what) = wrong {
            panic!("{}", self.tell(&what));
        }
    }

    /// All of them, whenever anything has changed in the database.
    fn check_rows(&mut self) {
        let changes = self.queue.db.changes();
        if std::mem::replace(&mut self.changes, changes) == changes {
            return;
        }
        self.check_credits();
        let rows = "SELECT id, status, round, attempt, failures,
              attempt > 0 AND attempt_ended_at IS NULL AS is_live,
              json_array(completed_at, error_json, settle_nonce, execution_ms) AS end FROM jobs";
        let rows = self.queue.db.query(rows).unwrap();
        let kept = rows.len() >= self.seen.len();
        assert!(kept, "{}", self.tell("an accepted job is gone"));
        for row in rows {
            let id = JobId::parse(row["id"].as_str().unwrap()).unwrap();
            let status = row["status"].as_str().unwrap();
            let round = row["round"].as_u64().unwrap();
            self.check_round(id, round, &row);
            let is_canceled = matches!(status, "canceling" | "canceled");
            let is_wanted = !self.unwanted.contains(&(id, round));
            let what = format!("{id} is {status} in round {round}, and nobody asked for that");
            assert!(!(is_canceled && is_wanted), "{}", self.tell(&what));
            let ended = TERMINAL.contains(&status);
            let now = ended.then(|| format!("{status} {}", row["end"]));
            let before = self.seen.get(&id);
            let ended_before = before.filter(|seen| seen.round == round && seen.end.is_some());
            if let Some(before) = ended_before {
                assert!(
                    before.end == now,
                    "{}",
                    self.tell(&format!(
                        "{id} had ended as {:?}, became {now:?}",
                        before.end
                    ))
                );
                continue;
            }
            if status == "succeeded" {
                self.check_downloadable(id);
            }
            if let Some(seen) = self.seen.get_mut(&id) {
                *seen = Seen { end: now, round };
            }
        }
    }

    /// Somebody asks for the end of the job's round, or of one that begins before it is heard.
    pub(super) fn want_end(&mut self, id: JobId, more: u64) {
        let round = self.rounds.get(&id).map_or(1, |round| round.number);
        self.unwanted
            .extend((round..=round + more).map(|round| (id, round)));
    }

    /// A round is opened when no attempt is live, and counts no more failures than it has attempts.
    fn check_round(&mut self, id: JobId, number: u64, row: &Value) {
        let count = |name: &str| row[name].as_u64().unwrap_or(0);
        let attempt = count("attempt");
        let last = self.rounds.get(&id).copied().unwrap_or(Round {
            number: 1,
            attempt: 0,
            before: 0,
        });
        let is_new = number > last.number;
        let before = if is_new { last.attempt } else { last.before };
        let is_taken_over = is_new && count("is_live") > 0 && attempt == last.attempt;
        let what = format!("{id} began round {number} beside its live attempt {attempt}");
        assert!(!is_taken_over, "{}", self.tell(&what));
        let failures = count("failures");
        let what = format!("{id} counts {failures} failures of attempts {before} to {attempt}");
        assert!(failures <= attempt - before, "{}", self.tell(&what));
        let round = Round {
            number,
            attempt,
            before,
        };
        self.rounds.insert(id, round);
    }

    /// What the ledger says was spent and is held is what the jobs say, and no more than there is.
    fn check_credits(&self) {
        let wrong = "SELECT * FROM (SELECT granted, spent, reserved,
              coalesce(sum(j.credits_before), 0) + coalesce(sum(j.credits) FILTER (
                WHERE j.status = 'succeeded' OR j.status = 'canceled'
                AND (j.started_at IS NOT NULL OR j.execution_ms > 0)), 0) AS earned,
              coalesce(sum(j.credits) FILTER (WHERE j.status IN ('queued', 'running', 'canceling')),
                0) AS held
            FROM credits c LEFT JOIN jobs j ON j.caller = c.owner GROUP BY c.owner)
            WHERE spent <> earned OR reserved <> held OR spent + reserved > granted";
        let wrong = self.queue.db.query(wrong).unwrap();
        let what = format!("the books are wrong: {wrong:?}");
        assert!(wrong.is_empty(), "{}", self.tell(&what));
    }

    /// Every output is there, with its size and its hash.
    fn check_downloadable(&self, id: JobId) {
        let sql = format!("SELECT key, size_bytes, hash FROM outputs WHERE job_id = '{id}'");
        let outputs = self.queue.db.query(&sql).unwrap();
        let delivered = !outputs.is_empty();
        assert!(delivered, "{}", self.tell("succeeded without outputs"));
        for output in outputs {
            let bytes = self.queue.blobs.bytes(output["key"].as_str().unwrap());
            let bytes = bytes.unwrap_or_else(|| panic!("{}", self.tell("an output is gone")));
            let hash = blake3::hash(&bytes).to_hex();
            let same = output["size_bytes"] == bytes.len() && output["hash"] == hash.as_str();
            assert!(same, "{}", self.tell("an output is not what its row says"));
        }
    }

    /// What must hold when the faults have stopped and a day has passed.
    pub fn check_the_end(&mut self) {
        self.check();
        let open = "SELECT id, status, phase, attempt, provider_id, attempt_ended_at FROM jobs
            WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired')
               OR (attempt > 0 AND attempt_ended_at IS NULL) OR due_at IS NOT NULL";
        let open = self.queue.db.query(open).unwrap();
        let what = format!("never ended: {open:?}");
        assert!(open.is_empty(), "{}", self.tell(&what));
        let alarm = self.queue.watchers.next_alarm();
        assert_eq!(alarm, None, "{}", self.tell("somebody still watches"));
        self.check_all_downloadable();
        self.check_finishes();
        self.check_repeats();
        self.check_names();
    }

    /// When its time is over, nothing of a job is left, and nothing that was stored for it in vain.
    pub async fn check_nothing_is_left(&self) {
        self.queue.clock.advance_ms(KEPT_MS);
        while purge(&self.queue.app).await.unwrap() != Purged::default() {}
        let (part, mut page) = (Part::Objects, None);
        loop {
            let found = reconcile(&self.queue.app, part, page.as_deref(), true);
            page = found.await.unwrap().next;
            if page.is_none() {
                break;
            }
        }
        let left = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM prompts)
            + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM outputs)
            + (SELECT count(*) FROM deliveries) AS n";
        let rows = self.queue.db.query(left).unwrap()[0]["n"].as_u64();
        assert_eq!(rows, Some(0), "{}", self.tell("rows are left"));
        let keys = self.queue.blobs.keys();
        assert!(keys.is_empty(), "{}", self.tell(&format!("left: {keys:?}")));
    }

    fn check_all_downloadable(&self) {
        let all = "SELECT id FROM jobs WHERE status = 'succeeded'";
        for row in self.queue.db.query(all).unwrap() {
            let id = JobId::parse(row["id"].as_str().unwrap()).unwrap();
            self.check_downloadable(id);
        }
    }

    /// At most one settle of a round was told that it had won.
    fn check_finishes(&self) {
        let mut finishes: BTreeMap<String, u64> = BTreeMap::new();
        for line in self.queue.log.lines() {
            if line.contains("\"job.finished\"") {
                let line: Value = serde_json::from_str(&line).unwrap();
                let id = line["job_id"].as_str().unwrap().to_owned();
                *finishes.entry(id).or_default() += 1;
            }
        }
        for (id, finishes) in finishes {
            let round = JobId::parse(&id).and_then(|id| self.rounds.get(&id));
            let rounds = round.map_or(1, |round| round.number);
            let what = format!("{id} finished {finishes} times in {rounds} rounds");
            assert!(finishes <= rounds, "{}", self.tell(&what));
        }
    }

    /// What RunPod called an attempt was written down, unless whoever had heard it died before.
    fn check_names(&self) {
        let nameless = "SELECT job_id, n FROM attempts WHERE provider_id IS NULL";
        let nameless = self.queue.db.query(nameless).unwrap();
        let lines = self.queue.log.lines();
        let lines = lines
            .iter()
            .filter(|line| line.contains("\"job.submitted\"") || line.contains(NOT_WRITTEN));
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for row in nameless {
            let of_job = |line: &&Value| line["job_id"] == row["job_id"];
            let id = JobId::parse(row["job_id"].as_str().unwrap()).unwrap();
            let is_excused = self.died.contains(&id)
                || lines
                    .iter()
                    .filter(of_job)
                    .any(|line| line["event"] != "job.submitted");
            let mut told = lines.iter().filter(of_job);
            let is_told = told.any(|line| line["attempt"] == row["n"]);
            let what = format!("{row} has no name, and RunPod had told it");
            assert!(is_excused || !is_told, "{}", self.tell(&what));
        }
    }

    /// In a job that its caller never retried, each attempt but the last failed for a cause that we
    /// repeat, and not more often than its class allows.
    fn check_repeats(&self) {
        let sql = "SELECT a.job_id, a.n, a.outcome, a.error_json ->> '$.cause' AS cause
            FROM attempts a JOIN jobs j ON j.id = a.job_id
            WHERE j.round = 1 ORDER BY a.job_id, a.n";
        let rows = self.queue.db.query(sql).unwrap();
        for pair in rows
            .windows(2)
            .filter(|pair| pair[0]["job_id"] == pair[1]["job_id"])
        {
            let earlier = &pair[0];
            let before = rows.iter().filter(|row| row["job_id"] == earlier["job_id"]);
            let tried = before.take_while(|row| row["n"] != earlier["n"]).count() + 1;
            // One that failed and delivered late has succeeded in the end.
            let late = earlier["outcome"] == "succeeded";
            let repeats = |cause: &&Cause| {
                earlier["cause"] == cause.as_str() && tried < cause.attempts_max() as usize
            };
            let allowed = late || Cause::ALL.iter().any(|cause| repeats(&cause));
            let what = format!(
                "attempt {} was followed by another: {earlier}",
                earlier["n"]
            );
            assert!(allowed, "{}", self.tell(&what));
        }
    }
}
