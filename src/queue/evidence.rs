//! Evidence: complete, redacted records of calls that failed, kept for the operator.

use super::QueueError;
use crate::app::App;
use crate::id::JobId;
use crate::log;
use crate::parse;
use crate::ports::BlobLabel;
use crate::providers::Evidence;

/// Records shown for one job. A job makes one per failed call; more than this says nothing new.
const RECORDS_MAX: u32 = 50;

/// Keeps a record. Best effort: a job does not depend on its evidence.
pub async fn keep(app: &App, id: JobId, attempt: u32, evidence: &Evidence) {
    // The moment, padded so that keys sort by it, and a nonce against two in one millisecond.
    let at = evidence.at.get();
    let key = format!("{}{at:015}-{attempt}-{}.json", prefix(id), app.nonce());
    let bytes = serde_json::to_vec(evidence).unwrap_or_default();
    let label = BlobLabel {
        content_type: "application/json".into(),
        name: "evidence.json".into(),
        hash: None,
    };
    if let Err(error) = app.blobs.put(&key, bytes.into(), &label).await {
        let line = log::warn("evidence.lost").job(id);
        app.log(line.with("error", error.to_string()));
    }
}

/// The records of a job, oldest first.
pub async fn read(app: &App, id: JobId) -> Result<Vec<Evidence>, QueueError> {
    let mut records = Vec::new();
    for key in app.blobs.list(&prefix(id), RECORDS_MAX).await? {
        let bytes = app.blobs.read(&key).await?.unwrap_or_default();
        records.extend(parse::json_bytes::<Evidence>(&bytes).ok());
    }
    Ok(records)
}

fn prefix(id: JobId) -> String {
    format!("evidence/{id}/")
}
