//! Purge: what was kept long enough goes, the oldest first, a bounded number in one run.
//!
//! Files before rows: a run that dies leaves rows that the next one finds again, and until then
//! [`read::job`](super::read::job) answers for them as for those that are gone. An id says when its
//! job was made, so neither a cursor nor an index is needed. Deliberately absent: jobs that have
//! not ended, however old.

use super::{session, QueueError};
use crate::app::App;
use crate::id::JobId;
use crate::log;
use crate::queue::create::prompt_key;
use crate::store::jobs::{self, Audited};
use crate::store::{assets, credits, tombstones};
use crate::time::{UnixMillis, DAY_MS};

/// Jobs of one run; runs every five minutes make 57,600 a day. Their files fit into a few deletes.
const JOBS_MAX: u32 = 200;
/// Uploads of one run.
const UPLOADS_MAX: u32 = 200;
/// Records of failed calls of one run; R2 lists up to a thousand at once.
const EVIDENCE_MAX: u32 = 500;
/// Tombstones of one run: at least as many as come in.
const TOMBSTONES_MAX: u32 = 500;

/// Sessions' ledgers of one run: more than sessions are born in five minutes.
const LEDGERS_MAX: u32 = 500;

/// Nobody opens a round of a job that was kept for its time. One that was opened in the last moment
/// has reached the database by then, and needs its files.
const UNDER_WAY_MS: u64 = 10 * 60_000;

/// How long it is known that a job was there; after that it is as if it never was.
const TOMBSTONE_MS: u64 = 90 * DAY_MS;

/// What one run took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub jobs: u64,
    pub uploads: usize,
    pub evidence: usize,
    pub tombstones: u64,
    pub ledgers: u64,
}

pub async fn purge(app: &App) -> Result<Purged, QueueError> {
    let kept = &app.config.retention;
    let now = app.now();
    let jobs_before = before(now, kept.job_ms + UNDER_WAY_MS);
    // Each part runs, whatever became of the one before it.
    let jobs = purge_jobs(app, jobs_before).await;
    let evidence = purge_evidence(app, jobs_before).await;
    let uploads = purge_uploads(app, before(now, kept.upload_ms)).await;
    let gone = before(now, kept.job_ms + TOMBSTONE_MS);
    let tombstones = tombstones::forget(&*app.db, JobId::mint(gone, [0; 10]), TOMBSTONES_MAX).await;
    // Whoever bought something with them cannot be here any more, nor can its jobs.
    let sessions = session::names_before(before(now, session::AGE_MS_MAX + kept.job_ms));
    let ledgers = credits::purge(&*app.db, &sessions, LEDGERS_MAX).await;
    let purged = Purged {
        jobs: jobs?,
        evidence: evidence?,
        uploads: uploads?,
        tombstones: tombstones?,
        ledgers: ledgers?,
    };
    if purged != Purged::default() {
        app.log(
            log::info("purge.done")
                .with("jobs", purged.jobs)
                .with("uploads", purged.uploads)
                .with("evidence", purged.evidence)
                .with("tombstones", purged.tombstones)
                .with("ledgers", purged.ledgers),
        );
    }
    Ok(purged)
}

fn before(now: UnixMillis, kept_ms: u64) -> UnixMillis {
    let kept_ms = i64::try_from(kept_ms).unwrap_or(i64::MAX);
    UnixMillis::new(now.get().saturating_sub(kept_ms).max(0))
}

async fn purge_jobs(app: &App, before: UnixMillis) -> Result<u64, QueueError> {
    let oldest = jobs::audit(&*app.db, None, JOBS_MAX).await?;
    let over = |job: &&Audited| job.created_at < before && !job.has_work_left();
    let over: Vec<&Audited> = oldest.iter().filter(over).collect();
    if over.is_empty() {
        return Ok(0);
    }
    app.blobs.delete(&files(&over)).await?;
    Ok(tombstones::bury(&*app.db, &over, app.config.retention.job_ms).await?)
}

/// Their own files; an upload may serve other jobs.
fn files(jobs: &[&Audited]) -> Vec<String> {
    let mut keys = Vec::new();
    for job in jobs {
        let inputs = job.inputs().iter().map(|file| &file.key);
        let own = inputs.filter(|key| key.starts_with("inputs/"));
        keys.extend(own.cloned());
        keys.extend(job.outputs().iter().map(|file| file.key.clone()));
        keys.extend(job.prompt_in_blob.then(|| prompt_key(job.id)));
    }
    keys
}

/// Keys of evidence sort by the age of their jobs.
async fn purge_evidence(app: &App, before: UnixMillis) -> Result<usize, QueueError> {
    let mut keys = app.blobs.list("evidence/", EVIDENCE_MAX).await?;
    let end = format!("evidence/{}", JobId::mint(before, [0; 10]));
    keys.retain(|key| *key < end);
    if !keys.is_empty() {
        app.blobs.delete(&keys).await?;
    }
    Ok(keys.len())
}

/// The row before the bytes, for an upload may be asked for until then; bytes that are left behind
/// go by the bucket's own rule.
async fn purge_uploads(app: &App, before: UnixMillis) -> Result<usize, QueueError> {
    let keys = assets::purge(&*app.db, before, UPLOADS_MAX).await?;
    if !keys.is_empty() {
        app.blobs.delete(&keys).await?;
    }
    Ok(keys.len())
}
