//! A row of `jobs`, as the rest of the crate sees it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::id::{CallerId, JobId, RequestKey};
use crate::job::{Attempt, Failure, Job};
use crate::media::Kind;
use crate::store::row::{from_row, FromRow, Row};
use crate::time::UnixMillis;
use crate::workflow::compile::ExpectedOutput;
use crate::workflow::contract::Protocol;

/// The columns of a [`Record`], in every statement that reads one.
macro_rules! columns {
    () => {
        "id, caller, request_key, fingerprint, template, template_version, template_hash, \
         protocol, inputs_json, files_json, outputs_json, labels_json, prompt_hash, \
         prompt_in_blob, priority, webhook_url, webhook_events, provider, endpoint, \
         created_at, execution_limit_ms, usual_ms, round, opened_at, start_by_ms, status, \
         phase, version, started_at, completed_at, error_json, settle_nonce, delay_ms, \
         execution_ms, attempt, attempt_nonce, attempt_begun_at, attempt_ended_at, \
         provider_id, retry_at, refusals, wait_reason, deadline_ms, failures, canceled_through, \
         inventory_hash, webhook_key"
    };
}
pub(super) use columns;

/// An input file of a job, in the object store since before the job was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// The contract's input that it was given for; null for a file of a caller's own workflow.
    pub input: Option<String>,
    /// The name its `LoadImage` node asks for.
    pub name: String,
    pub key: String,
    pub content_type: String,
    pub size_bytes: u64,
    pub hash: String,
}
from_row!(InputFile {
    input,
    name,
    key,
    content_type,
    size_bytes,
    hash
});

/// What was accepted. Never changes, whatever is deployed later.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub id: JobId,
    pub caller: CallerId,
    pub request_key: Option<RequestKey>,
    pub fingerprint: String,
    pub template: String,
    pub template_version: String,
    pub template_hash: String,
    pub protocol: Protocol,
    pub inputs: Box<RawValue>,
    pub files: Vec<InputFile>,
    pub outputs: Vec<ExpectedOutput>,
    pub labels: BTreeMap<String, String>,
    pub prompt_hash: String,
    pub prompt_in_blob: bool,
    pub priority: i32,
    pub webhook_url: Option<String>,
    pub webhook_events: Option<String>,
    pub provider: String,
    pub endpoint: String,
    pub created_at: UnixMillis,
    pub execution_limit_ms: u64,
    pub usual_ms: u64,
    /// How long a round may wait for its start.
    pub start_by_ms: u64,
    /// How long a round may take in all. `None`: only the other limits hold.
    pub deadline_ms: Option<u64>,
    /// The inventory that a caller's own workflow was checked against.
    pub inventory_hash: Option<String>,
    /// Whose secret signs what is told of it: an API key's id, or the caller's name.
    pub webhook_key: Option<String>,
}

/// A job: what decisions are made of, what was accepted, and how it ended.
#[derive(Clone, Debug)]
pub struct Record {
    pub job: Job,
    pub accepted: Accepted,
    pub completed_at: Option<UnixMillis>,
    pub error: Option<Failure>,
    pub settle_nonce: Option<String>,
    pub attempt_nonce: Option<String>,
    /// When the newest attempt began, live or ended.
    pub attempt_begun_at: Option<UnixMillis>,
    pub attempt_ended_at: Option<UnixMillis>,
    pub delay_ms: Option<u64>,
    pub execution_ms: Option<u64>,
    pub wait_reason: Option<String>,
}

/// One stored file of a succeeded job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputRow {
    pub i: u32,
    pub key: String,
    pub kind: Kind,
    pub content_type: String,
    pub size_bytes: u64,
    pub hash: String,
    pub name: String,
    pub node_id: Option<String>,
    pub label: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}
from_row!(OutputRow {
    i,
    key,
    kind,
    content_type,
    size_bytes,
    hash,
    name,
    node_id,
    label,
    width,
    height
});

/// One attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    pub n: u32,
    pub provider: String,
    pub provider_id: Option<String>,
    pub begun_at: UnixMillis,
    pub ended_at: UnixMillis,
    pub outcome: String,
    pub heard_by: String,
    pub error_json: Option<Failure>,
    pub delay_ms: Option<u64>,
    pub execution_ms: Option<u64>,
}
from_row!(AttemptRow {
    n,
    provider,
    provider_id,
    begun_at,
    ended_at,
    outcome,
    heard_by,
    error_json: json,
    delay_ms,
    execution_ms
});

/// A job with everything a caller may see of it.
#[derive(Clone, Debug)]
pub struct Full {
    pub record: Record,
    pub outputs: Vec<OutputRow>,
    pub attempts: Vec<AttemptRow>,
}

impl Full {
    /// A job as lists show it.
    pub const fn bare(record: Record) -> Self {
        Self {
            record,
            outputs: Vec::new(),
            attempts: Vec::new(),
        }
    }
}

impl FromRow for Full {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            record: Record::from_row(row)?,
            outputs: row.list("outputs")?,
            attempts: row.list("attempts")?,
        })
    }
}

impl FromRow for Record {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        let accepted = Accepted::from_row(row)?;
        let attempt_begun_at = row.get("attempt_begun_at")?;
        let attempt_ended_at = row.get("attempt_ended_at")?;
        let live = live(row, attempt_begun_at, attempt_ended_at)?;
        Ok(Self {
            job: job(row, &accepted, live)?,
            accepted,
            completed_at: row.get("completed_at")?,
            error: row.json("error_json")?,
            settle_nonce: row.get("settle_nonce")?,
            attempt_nonce: row.get("attempt_nonce")?,
            attempt_begun_at,
            attempt_ended_at,
            delay_ms: row.get("delay_ms")?,
            execution_ms: row.get("execution_ms")?,
            wait_reason: row.get("wait_reason")?,
        })
    }
}

impl FromRow for Accepted {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: row.get("id")?,
            caller: row.get("caller")?,
            request_key: row.get("request_key")?,
            fingerprint: row.get("fingerprint")?,
            template: row.get("template")?,
            template_version: row.get("template_version")?,
            template_hash: row.get("template_hash")?,
            protocol: row.get("protocol")?,
            inputs: row.json("inputs_json")?,
            files: row.list("files_json")?,
            outputs: row.json("outputs_json")?,
            labels: row.json("labels_json")?,
            prompt_hash: row.get("prompt_hash")?,
            prompt_in_blob: row.flag("prompt_in_blob")?,
            priority: row.get("priority")?,
            webhook_url: row.get("webhook_url")?,
            webhook_events: row.get("webhook_events")?,
            provider: row.get("provider")?,
            endpoint: row.get("endpoint")?,
            created_at: row.get("created_at")?,
            execution_limit_ms: row.get("execution_limit_ms")?,
            usual_ms: row.get("usual_ms")?,
            start_by_ms: row.get("start_by_ms")?,
            deadline_ms: row.get("deadline_ms")?,
            inventory_hash: row.get("inventory_hash")?,
            webhook_key: row.get("webhook_key")?,
        })
    }
}

fn live(
    row: &mut Row<'_>,
    begun_at: Option<UnixMillis>,
    ended_at: Option<UnixMillis>,
) -> Result<Option<Attempt>, serde_json::Error> {
    let attempt = Attempt {
        n: row.get("attempt")?,
        begun_at: begun_at.unwrap_or_default(),
        provider_id: row.get("provider_id")?,
    };
    Ok((begun_at.is_some() && ended_at.is_none()).then_some(attempt))
}

fn job(
    row: &mut Row<'_>,
    accepted: &Accepted,
    live: Option<Attempt>,
) -> Result<Job, serde_json::Error> {
    let opened_at: UnixMillis = row.get("opened_at")?;
    Ok(Job {
        id: accepted.id,
        status: row.get("status")?,
        phase: row.get("phase")?,
        version: row.get("version")?,
        round: row.get("round")?,
        opened_at,
        start_by_at: opened_at.plus_ms(accepted.start_by_ms),
        deadline_at: accepted.deadline_ms.map(|ms| opened_at.plus_ms(ms)),
        execution_limit_ms: accepted.execution_limit_ms,
        attempts_begun: row.get("attempt")?,
        failures: row.get("failures")?,
        canceled_through: row.get("canceled_through")?,
        live,
        retry_at: row.get("retry_at")?,
        refusals: row.get("refusals")?,
        started_at: row.get("started_at")?,
        outputs_expected: accepted.outputs.len(),
    })
}
