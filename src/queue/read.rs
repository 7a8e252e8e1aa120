//! Read: what a caller may see of its jobs and results. Another caller's job does not exist.

use serde_json::Value;

use super::links::expires_at;
use super::{Call, QueueError};
use crate::app::App;
use crate::id::{CallerId, JobId};
use crate::job::{JobStatus, Progress};
use crate::log;
use crate::parse;
use crate::ports::{Blob, BlobMeta, ByteRange, Listen, Listening};
use crate::queue::create::{prompt_key, restore};
use crate::store::jobs::{self, Filter, Full, Page, Record};
use crate::store::tombstones;
use crate::workflow::compile;

/// The job, if it is the caller's; [`QueueError::Expired`] if it was.
pub async fn job(app: &App, call: &Call, id: JobId) -> Result<Option<Full>, QueueError> {
    let Some(full) = jobs::full(&*app.db, id).await? else {
        let tombstone = tombstones::find(&*app.db, id).await?;
        let own = tombstone.filter(|tombstone| tombstone.caller == call.caller);
        return own.map_or(Ok(None), |own| Err(QueueError::Expired(own.expired_at)));
    };
    if !owns(&call.caller, &full) {
        return Ok(None);
    }
    is_kept(app, &full.record)?;
    Ok(Some(full))
}

/// A job past its time is gone, whether the purge has come to it or not.
fn is_kept(app: &App, record: &Record) -> Result<(), QueueError> {
    let expires_at = expires_at(app, record);
    if expires_at <= app.now() && record.job.status.is_terminal() {
        return Err(QueueError::Expired(expires_at));
    }
    Ok(())
}

/// Why a result is not there: [`QueueError::Expired`], or nothing is known of it.
pub async fn missing(app: &App, key: &ResultKey) -> Result<(), QueueError> {
    let Some(job) = key.job else {
        return Ok(());
    };
    if let Some(tombstone) = tombstones::find(&*app.db, job).await? {
        return Err(QueueError::Expired(tombstone.expired_at));
    }
    let found = jobs::find(&*app.db, job).await?;
    found.map_or(Ok(()), |record| is_kept(app, &record))
}

/// The job, after it has changed from `version` or `limit_ms` have passed.
pub async fn job_after(
    app: &App,
    call: &Call,
    id: JobId,
    limit_ms: u32,
) -> Result<Option<Full>, QueueError> {
    let Some(full) = job(app, call, id).await? else {
        return Ok(None);
    };
    let state = &full.record.job;
    if state.status.is_terminal() || limit_ms == 0 {
        return Ok(Some(full));
    }
    if let Err(error) = app.watchers.wait(id, state.version, limit_ms).await {
        app.log(
            log::warn("wait.failed")
                .job(id)
                .with("error", error.to_string()),
        );
        return Ok(Some(full));
    }
    job(app, call, id).await
}

/// The longest time a status waits for the job's watcher to say how far the work is.
const PROGRESS_LIMIT_MS: u32 = 200;

/// How far a running job is, as far as its watcher has heard.
pub async fn progress(app: &App, full: &Full) -> Option<Progress> {
    let job = &full.record.job;
    if job.status != JobStatus::Running {
        return None;
    }
    // Without it, the status is the same but for this.
    let asked = app.watchers.progress(job.id, PROGRESS_LIMIT_MS).await;
    asked.unwrap_or_default()
}

/// The job's live events. Only for a job that has not ended: a finished one is answered from its
/// row, and its watcher stays asleep.
pub async fn events(app: &App, id: JobId, listen: Listen<'_>) -> Result<Listening, QueueError> {
    Ok(app.watchers.events(id, listen).await?)
}

/// What a job runs, as its caller would ask for it again: with the caller's own prefixes, and
/// references where uploads go along. `None`: it is gone.
pub async fn workflow(app: &App, record: &Record) -> Result<Option<Value>, QueueError> {
    let accepted = &record.accepted;
    let text = if accepted.prompt_in_blob {
        let stored = app.blobs.read(&prompt_key(accepted.id)).await?;
        stored.and_then(|bytes| String::from_utf8(bytes.into()).ok())
    } else {
        jobs::prompt(&*app.db, accepted.id).await?
    };
    let Some(mut prompt) = text.and_then(|text| parse::json(&text).ok()) else {
        return Ok(None);
    };
    compile::restore_outputs(&mut prompt, &accepted.outputs);
    restore(&mut prompt, &accepted.files);
    Ok(Some(prompt))
}

pub async fn list(app: &App, call: &Call, filter: &Filter, limit: u32) -> Result<Page, QueueError> {
    Ok(jobs::list(&*app.db, &call.caller, filter, limit).await?)
}

/// Whose job it is.
pub async fn owner(app: &App, id: JobId) -> Result<Option<CallerId>, QueueError> {
    let found = jobs::find(&*app.db, id).await?;
    Ok(found.map(|record| record.accepted.caller))
}

/// Everybody's jobs, or one caller's, for an operator.
pub async fn list_all(
    app: &App,
    caller: Option<&CallerId>,
    filter: &Filter,
    limit: u32,
) -> Result<Page, QueueError> {
    Ok(match caller {
        Some(caller) => jobs::list(&*app.db, caller, filter, limit).await?,
        None => jobs::list_all(&*app.db, filter, limit).await?,
    })
}

/// Stored bytes that a link can open, told by their key: an output, whose key names its job and
/// carries a nonce of its settle, or an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultKey {
    /// None for an upload: whose it is stands in a row that a key does not lead to.
    pub job: Option<JobId>,
    pub key: String,
}

impl ResultKey {
    /// `<job>/<attempt>/<nonce>/<i>.<ext>` or `assets/<uuid>` and nothing else: no other object can
    /// be asked for.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("assets/") {
            let key = JobId::parse(name).map(|_| text.to_owned())?;
            return Some(Self { job: None, key });
        }
        let mut parts = text.split('/');
        let job = JobId::parse(parts.next()?)?;
        let number = |part: &str| part.len() <= 10 && part.bytes().all(|b| b.is_ascii_digit());
        let attempt = parts
            .next()
            .filter(|part| !part.is_empty() && number(part))?;
        let hex = |part: &&str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let nonce = parts.next().filter(hex)?;
        let (i, extension) = parts.next()?.split_once('.')?;
        let plain = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let ok = parts.next().is_none() && !i.is_empty() && number(i) && plain(extension);
        ok.then(|| Self {
            job: Some(job),
            key: format!("{job}/{attempt}/{nonce}/{i}.{extension}"),
        })
    }
}

/// Whether the caller owns the job that a result belongs to: the one read that a signed link saves.
pub async fn may_read_result(app: &App, call: &Call, key: &ResultKey) -> Result<bool, QueueError> {
    let Some(job) = key.job else {
        return Ok(false);
    };
    let found = jobs::find(&*app.db, job).await?;
    Ok(found.is_some_and(|record| record.accepted.caller == call.caller))
}

pub async fn result_meta(app: &App, key: &ResultKey) -> Result<Option<BlobMeta>, QueueError> {
    Ok(app.blobs.head(&key.key).await?)
}

pub async fn result(
    app: &App,
    key: &ResultKey,
    range: Option<ByteRange>,
) -> Result<Option<Blob>, QueueError> {
    Ok(app.blobs.get(&key.key, range).await?)
}

fn owns(caller: &CallerId, full: &Full) -> bool {
    full.record.accepted.caller == *caller
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_of_results_are_results() {
        let key = "01931d2e-7c00-7000-8000-000000000001/1/0123456789abcdef/0.png";
        let upload = "assets/01931d2e-7c00-7000-8000-000000000001";
        for key in [key, upload] {
            assert_eq!(ResultKey::parse(key).map(|k| k.key).as_deref(), Some(key));
        }
        for bad in [
            "nothing.png",
            "assets/x",
            "assets/../01931d2e-7c00-7000-8000-000000000001",
            "inputs/01931d2e-7c00-7000-8000-000000000001/a.png",
            "01931d2e-7c00-7000-8000-000000000001/1/0123456789abcdef/../0.png",
            "01931d2e-7c00-7000-8000-000000000001/1/0123456789abcdef/0.p/g",
            "01931d2e-7c00-7000-8000-000000000001//0123456789abcdef/0.png",
            "01931d2e-7c00-7000-8000-000000000001/1/0123456789abcdef/0.png/x",
        ] {
            assert_eq!(ResultKey::parse(bad), None, "{bad}");
        }
    }
}
