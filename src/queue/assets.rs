//! Assets: the caller's files as the Comfy API knows them, uploads and outputs alike.

use super::{best_effort, read, Call, QueueError};
use crate::app::App;
use crate::id::{AssetId, AssetPlace, JobId};
use crate::store::assets::{self, Asset};
use crate::store::jobs::{self, Full};

/// A file that the caller may use.
#[derive(Debug)]
pub enum Found {
    Upload(Asset),
    /// Output `i` of this job.
    Output {
        job: Box<Full>,
        i: usize,
    },
}

impl Found {
    /// Where the bytes are.
    pub fn key(&self) -> &str {
        match self {
            Self::Upload(asset) => &asset.key,
            Self::Output { job, i } => &job.outputs[*i].key,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    Gone,
    /// A job still needs it.
    InUse,
    NoAsset,
}

pub async fn find(app: &App, call: &Call, id: AssetId) -> Result<Option<Found>, QueueError> {
    match id.place() {
        Some(AssetPlace::Upload { hash_begins }) => {
            let found = assets::find_beginning(&*app.db, &call.caller, &hash_begins).await?;
            let mut found = found.into_iter();
            let found = found.find(|asset| AssetId::of_upload(&asset.hash) == Some(id));
            Ok(found.map(Found::Upload))
        }
        Some(AssetPlace::Output { job_begins, i }) => {
            let found = jobs::beginning(&*app.db, &call.caller, &job_begins).await?;
            let mut found = found.into_iter();
            match found.find(|job| AssetId::of_output(*job, i) == id) {
                Some(job) => output(app, call, job, i).await,
                None => Ok(None),
            }
        }
        None => Ok(None),
    }
}

async fn output(app: &App, call: &Call, job: JobId, i: u32) -> Result<Option<Found>, QueueError> {
    let Some(full) = read::job(app, call, job).await? else {
        return Ok(None);
    };
    let at = full.outputs.iter().position(|output| output.i == i);
    Ok(at.map(|i| Found::Output {
        job: Box::new(full),
        i,
    }))
}

/// The caller's upload of these bytes.
pub async fn find_hash(app: &App, call: &Call, hash: &str) -> Result<Option<Asset>, QueueError> {
    let found = assets::find(&*app.db, &call.caller, &[hash]).await?;
    Ok(found.into_iter().next())
}

/// The same, kept as long as if it came now, under its newest name.
pub async fn renew(
    app: &App,
    call: &Call,
    hash: &str,
    name: Option<&str>,
) -> Result<Option<Asset>, QueueError> {
    Ok(assets::renew(&*app.db, &call.caller, hash, name, app.now()).await?)
}

/// Deletes an upload; a job's output stays as long as its job.
pub async fn delete(app: &App, call: &Call, id: AssetId) -> Result<Deleted, QueueError> {
    let asset = match find(app, call, id).await? {
        Some(Found::Upload(asset)) => asset,
        Some(Found::Output { .. }) => return Ok(Deleted::InUse),
        None => return Ok(Deleted::NoAsset),
    };
    let left = assets::delete(&*app.db, &call.caller, &asset.hash).await?;
    if left.is_some() {
        return Ok(Deleted::InUse);
    }
    best_effort::discard(app, vec![asset.key]).await;
    Ok(Deleted::Gone)
}
