//! The product's own queries, put to a database: whatever its code reads must be readable.

use std::collections::BTreeMap;

use edge_queue::id::CallerId;
use edge_queue::job::JobStatus;
use edge_queue::store::jobs::{self, Audited, Filter};
use edge_queue::store::{assets, deliveries, endpoints, inventories, keys};
use edge_queue::testing::sqlite::SqliteDb;
use indicatif::ProgressBar;

use super::verify::Finding;

/// Rows of one page.
const PAGE: u32 = 500;

pub struct Answers {
    pub jobs: u64,
    /// Every result that a row points to, and its size.
    pub results: BTreeMap<String, u64>,
    pub findings: Vec<Finding>,
}

pub async fn ask(db: &SqliteDb, bar: &ProgressBar) -> anyhow::Result<Answers> {
    let mut answers = Answers {
        jobs: 0,
        results: BTreeMap::new(),
        findings: Vec::new(),
    };
    let mut after = None;
    loop {
        let page = jobs::audit(db, after, PAGE).await?;
        for job in &page {
            look(db, job, &mut answers).await?;
            bar.inc(1);
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => break,
        }
    }
    lists(db, &mut answers).await?;
    others(db, &mut answers).await?;
    Ok(answers)
}

async fn look(db: &SqliteDb, job: &Audited, answers: &mut Answers) -> anyhow::Result<()> {
    answers.jobs += 1;
    let results = job.outputs().iter();
    answers
        .results
        .extend(results.map(|file| (file.key.clone(), file.size_bytes)));
    let mut say = |says: &str| answers.findings.push(Finding::new("job", &job.id, says));
    let Some(full) = jobs::full(db, job.id).await? else {
        say("its row is there and cannot be read");
        return Ok(());
    };
    let accepted = &full.record.accepted;
    if job.status == JobStatus::Succeeded && full.outputs.is_empty() {
        say("it succeeded, and has no outputs");
    }
    deliveries::of_job(db, job.id).await?;
    if !accepted.prompt_in_blob {
        match jobs::prompt(db, job.id).await? {
            None => say("its prompt is not there"),
            Some(prompt) => {
                let hash = blake3::hash(prompt.as_bytes()).to_hex();
                if hash.as_str() != accepted.prompt_hash {
                    say("its prompt is not the one that was accepted");
                }
            }
        }
    }
    Ok(())
}

/// Each caller's list, to its end.
async fn lists(db: &SqliteDb, answers: &mut Answers) -> anyhow::Result<()> {
    let callers = db.query("SELECT DISTINCT caller FROM jobs")?;
    let mut listed = 0;
    for caller in callers.iter().filter_map(|row| row["caller"].as_str()) {
        let caller = CallerId::new(caller);
        let mut filter = Filter::default();
        loop {
            let page = jobs::list(db, &caller, &filter, PAGE).await?;
            listed += page.jobs.len() as u64;
            let next = page.next.and_then(|id| edge_queue::id::JobId::parse(&id));
            match next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
    }
    if listed != answers.jobs {
        let says = format!(
            "{listed} of {} jobs are in their callers' lists",
            answers.jobs
        );
        answers
            .findings
            .push(Finding::new("list", &"jobs_by_caller", &says));
    }
    Ok(())
}

/// Keys, uploads, endpoints and inventories.
async fn others(db: &SqliteDb, answers: &mut Answers) -> anyhow::Result<()> {
    let mut after = String::new();
    while let Some(last) = keys::list(db, &after, PAGE).await?.pop() {
        after = last.id;
    }
    let mut after = (String::new(), String::new());
    while let Some(last) = assets::page(db, (&after.0, &after.1), PAGE).await?.pop() {
        after = (last.caller, last.hash);
    }
    for row in db.query("SELECT endpoint FROM endpoints")? {
        endpoints::find(db, row["endpoint"].as_str().unwrap_or_default()).await?;
    }
    for row in db.query("SELECT endpoint FROM inventories")? {
        let endpoint = row["endpoint"].as_str().unwrap_or_default();
        let stored = inventories::find(db, endpoint).await?;
        let names = inventories::names(db, endpoint).await?;
        let promised = stored.map_or(0, |stored| stored.classes);
        if names.len() as u64 != promised {
            let says = format!("{} classes of {promised} are there", names.len());
            answers
                .findings
                .push(Finding::new("inventory", &endpoint, &says));
        }
    }
    Ok(())
}
