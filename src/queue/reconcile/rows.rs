//! Rows of jobs against their watchers, their due times and their files.

use super::{Code, Finding, Page};
use crate::app::App;
use crate::id::JobId;
use crate::ports::BlobMeta;
use crate::queue::QueueError;
use crate::store::jobs::{self, Audited};

/// Jobs of one page.
const JOBS_MAX: u32 = 50;

/// Files looked for in one page: a request may ask a thousand times in all.
const HEADS_MAX: usize = 400;

/// A job this young may still be between its row and its watcher.
const YOUNG_MS: u64 = 60_000;

pub async fn jobs(app: &App, cursor: Option<&str>, apply: bool) -> Result<Page, QueueError> {
    let found = jobs::audit(&*app.db, cursor.and_then(JobId::parse), JOBS_MAX).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= JOBS_MAX);
    let (mut findings, mut examined, mut heads) = (Vec::new(), 0, 0);
    for job in &found {
        heads += 1 + job.inputs().len() + job.outputs().len();
        if examined > 0 && heads > HEADS_MAX {
            break;
        }
        examined += 1;
        for finding in flaws(app, job).await? {
            findings.extend(settle(app, job.id, finding, apply).await?);
        }
    }
    let cut = examined < found.len() || is_full;
    let last = found.get(examined.saturating_sub(1)).filter(|_| cut);
    Ok(Page {
        examined,
        findings,
        next: last.map(|job| job.id.to_string()),
    })
}

/// Looks at the job again, for it may have moved on meanwhile; what is still so is mended. `None`:
/// it is not so any more, by itself or because another finding's mending was enough.
async fn settle(
    app: &App,
    id: JobId,
    mut finding: Finding,
    apply: bool,
) -> Result<Option<Finding>, QueueError> {
    if !apply || finding.would.is_none() {
        return Ok(Some(finding));
    }
    let Some(job) = jobs::audit_these(&*app.db, &[id]).await?.pop() else {
        return Ok(None);
    };
    let mut again = flaws(app, &job).await?.into_iter();
    if !again.any(|other| other.code == finding.code) {
        return Ok(None);
    }
    finding.mended = match finding.code {
        Code::NeverDue | Code::DueForNothing => jobs::mend_due(&*app.db, &job, app.now()).await?,
        _ => true,
    };
    if finding.mended && job.has_work_left() {
        app.watchers.wake(id).await?;
    }
    Ok(Some(finding))
}

/// Everything about a job that does not fit.
async fn flaws(app: &App, job: &Audited) -> Result<Vec<Finding>, QueueError> {
    if app.now().since_ms(job.created_at) < YOUNG_MS {
        return Ok(Vec::new());
    }
    let mut flaws: Vec<Finding> = due(app, job).into_iter().collect();
    flaws.extend(watched(app, job).await?);
    flaws.extend(stored(app, job).await?);
    Ok(flaws)
}

fn due(app: &App, job: &Audited) -> Option<Finding> {
    let status = job.status.as_str();
    match (job.has_work_left(), job.due_at) {
        (true, None) => Some(finding(
            job,
            Code::NeverDue,
            format!("it is {status} with work left, and the sweep would never find it"),
            Some("make it due now and wake its watcher"),
        )),
        (false, Some(_)) => Some(finding(
            job,
            Code::DueForNothing,
            format!("it is {status} with nothing left, and the sweep finds it again and again"),
            Some("take away its due time"),
        )),
        (true, Some(at)) if at <= app.now() => {
            let minutes = app.now().since_ms(at) / 60_000;
            let says = format!("it is {status} and should have ended {minutes} min ago");
            Some(finding(job, Code::Overdue, says, Some(WAKE)))
        }
        _ => None,
    }
}

const WAKE: &str = "wake its watcher";

/// A job with work left has an alarm. While a watcher works it may have none for a moment, so it is
/// asked twice, and the job must not have changed in between.
async fn watched(app: &App, job: &Audited) -> Result<Option<Finding>, QueueError> {
    if !job.has_work_left() || app.watchers.alarm_at(job.id).await?.is_some() {
        return Ok(None);
    }
    let again = jobs::audit_these(&*app.db, &[job.id]).await?.pop();
    let is_same = again.is_some_and(|again| again.version == job.version);
    if !is_same || app.watchers.alarm_at(job.id).await?.is_some() {
        return Ok(None);
    }
    let status = job.status.as_str();
    let (code, says) = if job.status.is_terminal() {
        let n = job.attempt;
        let says = format!("it is {status}, attempt {n} may still run, and its watcher is asleep");
        (Code::LiveAttempt, says)
    } else {
        let says = format!("it is {status} and its watcher has no alarm");
        (Code::JobWithoutWatcher, says)
    };
    Ok(Some(finding(job, code, says, Some(WAKE))))
}

/// Of a file that was hashed while it was stored, only the row knows the hash.
fn has_other_hash(meta: &BlobMeta, hash: &str) -> bool {
    meta.label.hash.as_ref().is_some_and(|known| known != hash)
}

/// Every file that the row promises is there, as long and of the same hash.
async fn stored(app: &App, job: &Audited) -> Result<Vec<Finding>, QueueError> {
    let mut missing = Vec::new();
    for output in job.outputs() {
        let meta = app.blobs.head(&output.key).await?;
        let says = match meta {
            None => "is not there",
            Some(meta) if meta.size_bytes != output.size_bytes => "has another size",
            Some(meta) if has_other_hash(&meta, &output.hash) => "has another hash",
            Some(_) => continue,
        };
        let says = format!("its result {} {says}", output.key);
        missing.push(finding(job, Code::OutputMissing, says, None));
    }
    if job.status.is_terminal() {
        return Ok(missing);
    }
    let prompt = crate::queue::create::prompt_key(job.id);
    let prompt = Some(prompt.as_str()).filter(|_| job.prompt_in_blob);
    let inputs = job.inputs().iter().map(|file| file.key.as_str());
    for key in inputs.chain(prompt) {
        if app.blobs.head(key).await?.is_none() {
            let says = format!("it has not ended, and {key} is not there to be sent");
            missing.push(finding(job, Code::InputMissing, says, None));
        }
    }
    Ok(missing)
}

fn finding(job: &Audited, code: Code, says: String, would: Option<&'static str>) -> Finding {
    Finding {
        code,
        subject: job.id.to_string(),
        says,
        would,
        mended: false,
    }
}
