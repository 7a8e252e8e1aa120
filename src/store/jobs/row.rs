//! A row of `jobs`, as the rest of the crate sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::id::{CallerId, JobId, ProviderId, RequestKey};
use crate::job::{Attempt, Failure, Job, JobStatus, Phase};
use crate::media::Kind;
use crate::parse;
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
         inventory_hash, webhook_key, credits"
    };
}
pub(super) use columns;

/// An input file of a job, in the object store since before the job was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What this round costs in credits, if its caller pays with them.
    pub credits: Option<u32>,
}

/// One stored file of a succeeded job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// One attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AttemptRow {
    pub n: u32,
    pub provider: String,
    pub provider_id: Option<String>,
    pub begun_at: UnixMillis,
    pub ended_at: UnixMillis,
    pub outcome: String,
    pub heard_by: String,
    #[serde(deserialize_with = "json_text")]
    pub error_json: Option<Failure>,
    pub delay_ms: Option<u64>,
    pub execution_ms: Option<u64>,
}

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

/// The row as the database answers it.
#[derive(Deserialize)]
pub(super) struct Row {
    id: JobId,
    caller: CallerId,
    request_key: Option<RequestKey>,
    fingerprint: String,
    template: String,
    template_version: String,
    template_hash: String,
    protocol: Protocol,
    #[serde(deserialize_with = "json_text")]
    inputs_json: Box<RawValue>,
    #[serde(deserialize_with = "json_text")]
    files_json: Vec<InputFile>,
    #[serde(deserialize_with = "json_text")]
    outputs_json: Vec<ExpectedOutput>,
    #[serde(deserialize_with = "json_text")]
    labels_json: BTreeMap<String, String>,
    prompt_hash: String,
    #[serde(deserialize_with = "flag")]
    prompt_in_blob: bool,
    priority: i32,
    webhook_url: Option<String>,
    webhook_events: Option<String>,
    provider: String,
    endpoint: String,
    created_at: UnixMillis,
    execution_limit_ms: u64,
    usual_ms: u64,
    round: u32,
    opened_at: UnixMillis,
    start_by_ms: u64,
    status: JobStatus,
    phase: Phase,
    version: u64,
    started_at: Option<UnixMillis>,
    completed_at: Option<UnixMillis>,
    #[serde(deserialize_with = "json_text")]
    error_json: Option<Failure>,
    settle_nonce: Option<String>,
    delay_ms: Option<u64>,
    execution_ms: Option<u64>,
    attempt: u32,
    attempt_nonce: Option<String>,
    attempt_begun_at: Option<UnixMillis>,
    attempt_ended_at: Option<UnixMillis>,
    provider_id: Option<ProviderId>,
    retry_at: Option<UnixMillis>,
    refusals: u32,
    wait_reason: Option<String>,
    deadline_ms: Option<u64>,
    failures: u32,
    canceled_through: u32,
    inventory_hash: Option<String>,
    webhook_key: Option<String>,
    credits: Option<u32>,
    /// Only in what reads a [`Full`].
    #[serde(default, deserialize_with = "json_text")]
    outputs: Vec<OutputRow>,
    #[serde(default, deserialize_with = "json_text")]
    attempts: Vec<AttemptRow>,
}

/// SQLite knows no booleans: 0 or 1.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(u8::deserialize(deserializer)? == 1)
}

/// A column of JSON text; null reads as the type's own null.
pub(in crate::store) fn json_text<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    parse::json(text.as_deref().unwrap_or("null")).map_err(serde::de::Error::custom)
}

impl From<Row> for Full {
    fn from(mut row: Row) -> Self {
        Self {
            outputs: std::mem::take(&mut row.outputs),
            attempts: std::mem::take(&mut row.attempts),
            record: row.into(),
        }
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        let live = row.live();
        let outputs_expected = row.outputs_json.len();
        Self {
            job: Job {
                id: row.id,
                status: row.status,
                phase: row.phase,
                version: row.version,
                round: row.round,
                opened_at: row.opened_at,
                start_by_at: row.opened_at.plus_ms(row.start_by_ms),
                deadline_at: row.deadline_ms.map(|ms| row.opened_at.plus_ms(ms)),
                execution_limit_ms: row.execution_limit_ms,
                attempts_begun: row.attempt,
                failures: row.failures,
                canceled_through: row.canceled_through,
                live,
                retry_at: row.retry_at,
                refusals: row.refusals,
                started_at: row.started_at,
                outputs_expected,
            },
            accepted: Accepted {
                id: row.id,
                caller: row.caller,
                request_key: row.request_key,
                fingerprint: row.fingerprint,
                template: row.template,
                template_version: row.template_version,
                template_hash: row.template_hash,
                protocol: row.protocol,
                inputs: row.inputs_json,
                files: row.files_json,
                outputs: row.outputs_json,
                labels: row.labels_json,
                prompt_hash: row.prompt_hash,
                prompt_in_blob: row.prompt_in_blob,
                priority: row.priority,
                webhook_url: row.webhook_url,
                webhook_events: row.webhook_events,
                provider: row.provider,
                endpoint: row.endpoint,
                created_at: row.created_at,
                execution_limit_ms: row.execution_limit_ms,
                usual_ms: row.usual_ms,
                start_by_ms: row.start_by_ms,
                deadline_ms: row.deadline_ms,
                inventory_hash: row.inventory_hash,
                webhook_key: row.webhook_key,
            },
            completed_at: row.completed_at,
            error: row.error_json,
            settle_nonce: row.settle_nonce,
            attempt_nonce: row.attempt_nonce,
            attempt_begun_at: row.attempt_begun_at,
            attempt_ended_at: row.attempt_ended_at,
            delay_ms: row.delay_ms,
            execution_ms: row.execution_ms,
            wait_reason: row.wait_reason,
            credits: row.credits,
        }
    }
}

impl Row {
    fn live(&self) -> Option<Attempt> {
        let begun_at = self.attempt_begun_at?;
        self.attempt_ended_at.is_none().then(|| Attempt {
            n: self.attempt,
            begun_at,
            provider_id: self.provider_id.clone(),
        })
    }
}
