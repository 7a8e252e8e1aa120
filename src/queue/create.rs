//! Create: check, compile, record, wake. The provider is never on this path.
//!
//! Accepted is durable: the row is committed before the answer. The compiled prompt is stored with
//! it and never compiled again, whatever is deployed later.

mod foreign;
mod plan;
mod raw;
mod references;
mod request;
mod times;
mod told;

use bytes::Bytes;
use serde_json::value::{to_raw_value, RawValue};
use serde_json::Map;
use thiserror::Error;

use super::allow::{Denied, Meter};
use super::{best_effort, webhook_secret, Call, QueueError, DUE_MARGIN_MS};
use crate::app::App;
use crate::id::JobId;
use crate::log;
use crate::ports::{BlobLabel, DbError};
use crate::store::credits::Told;
use crate::store::jobs::{self, Accepted, InputFile, Record, Recorded, Recording};
use crate::store::StoreError;
use crate::workflow::violation::Violation;

use plan::Plan;
pub use references::restore;
pub use request::{Request, Upload, Work};
use times::Times;

/// A prompt up to this size lies in the database, a larger one in the object store: rows must stay
/// far below D1's 2 MB.
const PROMPT_ROW_BYTES_MAX: usize = 256 << 10;

/// What stands for the name of a template where a caller brought a workflow.
pub const RAW: &str = "raw";

#[derive(Debug, Error)]
pub enum CreateError {
    #[error("the inputs do not fit the contract")]
    Violations(Vec<Violation>),
    #[error("the workflow cannot run")]
    Workflow(Box<Unfit>),
    /// One that cannot be converted here, or in which there is nothing to convert.
    #[error("the workflow is an editor graph, not an API-format prompt")]
    EditorGraph { is_empty: bool },
    #[error("the workflow names files that are not the caller's")]
    MissingAssets(Vec<Violation>),
    #[error("the job is larger than the provider takes")]
    TooLarge { path: String, message: String },
    #[error("the request key names another request")]
    Mismatch { job: JobId },
    /// The commit is in doubt: a repeat with the same key finds out.
    #[error("job {job} may or may not have been recorded")]
    Unsure { job: JobId },
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What is wrong with a workflow.
#[derive(Debug)]
pub struct Unfit {
    pub violations: Vec<Violation>,
    /// As ComfyUI would answer it: empty where the prompt as a whole is wrong.
    pub node_errors: Option<Box<RawValue>>,
}

impl CreateError {
    fn unfit(violations: Vec<Violation>) -> Self {
        Self::Workflow(Box::new(Unfit {
            violations,
            // An empty map always serializes.
            node_errors: to_raw_value(&Map::new()).ok(),
        }))
    }
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Queue(error.into())
    }
}

#[derive(Debug)]
pub struct Created {
    pub record: Record,
    /// The key was used before: this is the answer of then.
    pub replayed: bool,
    /// How the caller stands now, if it is counted.
    pub meter: Option<Meter>,
}

/// Records a job, or finds the one that the key names already.
pub async fn create(app: &App, call: &Call, mut request: Request) -> Result<Created, CreateError> {
    let times = times::check(&mut request, app.now());
    told::check(app, call, &mut request);
    // Whoever opens a page goes before nobody.
    if call.rights.public_only && request.priority > 0 {
        let message = "a browser's session has 0 at the most";
        let wrong = Violation::new("/priority", "not_allowed", message);
        request.violations.push(wrong);
    }
    let planned = match call.may_do(app, request.work.template()) {
        Ok(()) => {
            let work = request.work.take();
            plan::plan(app, call, &request, work).await
        }
        Err(denied) => Err(denied.into()),
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(refused) => return replay(app, call, &request, refused).await,
    };
    if let Some(answer) = foreseen(app, call, &request, &plan).await? {
        return Ok(answer);
    }
    let id = app.mint_job_id();
    if let Some(key) = &request.partner_key {
        // Before the row: a job that can be dispatched has what it needs.
        let kept = app.watchers.keep(id, key).await;
        kept.map_err(QueueError::from)?;
    }
    let files = store_files(app, id, &plan).await?;
    let accepted = accepted(app, call, &request, &plan, (id, times), files);
    store_prompt(app, &accepted, &plan.prompt).await?;
    let recorded = record(app, call, &accepted, &plan).await?;
    let meter = call.meter(recorded.told.standing, accepted.created_at);
    let Some(record) = recorded.record else {
        discard(app, &accepted).await;
        let payer = call.payer(app, accepted.created_at, &accepted.template);
        return Err(call.denied(app, &payer, &recorded.told).into());
    };
    let replayed = record.job.id != id;
    if replayed {
        discard(app, &accepted).await;
    }
    let created = created(app, call, &request, record, replayed).await?;
    Ok(Created { meter, ..created })
}

/// What is stored before the batch is paid for, whether the batch records anything or not: whoever
/// is counted is asked first what it has left, and a repeat stores nothing. The batch asks again.
async fn foreseen(
    app: &App,
    call: &Call,
    request: &Request,
    plan: &Plan,
) -> Result<Option<Created>, CreateError> {
    let payer = call.payer(app, app.now(), &plan.template);
    let is_counted = call.rights.account.is_some() || payer.price.is_some();
    let stores = plan.files.iter().any(|file| file.bytes.is_some())
        || plan.prompt.len() > PROMPT_ROW_BYTES_MAX
        || request.partner_key.is_some();
    if !(is_counted && stores) {
        return Ok(None);
    }
    if let Some(key) = &request.key {
        if let Some(record) = jobs::find_by_key(&*app.db, &call.caller, key).await? {
            return created(app, call, request, record, true).await.map(Some);
        }
    }
    let told = Told::ask(&*app.db, &payer).await?;
    Call::learn(app, &told);
    match call.obstacle(app, &payer, &told) {
        Some(denied) => Err(denied.into()),
        None => Ok(None),
    }
}

/// What is refused today may have been accepted before today's contract: then the key still names
/// its job. What was never accepted burns no key.
async fn replay(
    app: &App,
    call: &Call,
    request: &Request,
    refused: CreateError,
) -> Result<Created, CreateError> {
    let Some(key) = &request.key else {
        return Err(refused);
    };
    match jobs::find_by_key(&*app.db, &call.caller, key).await? {
        Some(record) => created(app, call, request, record, true).await,
        None => Err(refused),
    }
}

async fn created(
    app: &App,
    call: &Call,
    request: &Request,
    record: Record,
    replayed: bool,
) -> Result<Created, CreateError> {
    let id = record.job.id;
    if replayed && record.accepted.fingerprint != request.fingerprint {
        return Err(CreateError::Mismatch { job: id });
    }
    let event = if replayed {
        "job.replayed"
    } else {
        "job.created"
    };
    app.log(
        log::info(event)
            .job(id)
            .with("request_id", call.request_id.as_str())
            .with("caller", call.caller.as_str())
            .with("template", record.accepted.template.as_str())
            .with("provider", record.accepted.provider.as_str()),
    );
    // A job that has begun has a watcher that comes by itself: a repeat must not hurry it to the
    // provider.
    let is_followed = replayed && record.job.attempts_begun > 0;
    if !record.job.status.is_terminal() && !is_followed {
        best_effort::wake(app, id).await;
    }
    Ok(Created {
        record,
        replayed,
        meter: None,
    })
}

async fn record(
    app: &App,
    call: &Call,
    accepted: &Accepted,
    plan: &Plan,
) -> Result<Recorded, CreateError> {
    let now = app.now();
    let recording = Recording {
        accepted,
        prompt: (!accepted.prompt_in_blob).then_some(plan.prompt.as_str()),
        due_at: now.plus_ms(accepted.usual_ms + DUE_MARGIN_MS),
        payer: call.payer(app, accepted.created_at, &accepted.template),
    };
    let error = match jobs::create(&*app.db, &recording).await {
        Ok(recorded) => {
            Call::learn(app, &recorded.told);
            return Ok(recorded);
        }
        Err(error) => error,
    };
    match error {
        StoreError::Db(DbError::Refused(_) | DbError::Overloaded(_)) => {
            discard(app, accepted).await;
            Err(error.into())
        }
        // It may stand: what it needs stays, and its watcher finds out.
        StoreError::Db(DbError::Unknown(_)) | StoreError::Row { .. } | StoreError::Short(_) => {
            best_effort::wake(app, accepted.id).await;
            Err(CreateError::Unsure { job: accepted.id })
        }
    }
}

fn accepted(
    app: &App,
    call: &Call,
    request: &Request,
    plan: &Plan,
    (id, times): (JobId, Times),
    files: Vec<InputFile>,
) -> Accepted {
    let now = app.now();
    let provider = &app.providers.current;
    Accepted {
        id,
        caller: call.caller.clone(),
        request_key: request.key.clone(),
        fingerprint: request.fingerprint.clone(),
        template: plan.template.clone(),
        template_version: plan.template_version.clone(),
        template_hash: plan.template_hash.clone(),
        protocol: plan.protocol,
        inputs: plan.inputs.clone(),
        files,
        outputs: plan.outputs.clone(),
        labels: request.labels.clone(),
        prompt_hash: plan.prompt_hash.clone(),
        prompt_in_blob: plan.prompt.len() > PROMPT_ROW_BYTES_MAX,
        priority: request.priority,
        webhook_url: request.webhook_url.clone(),
        webhook_events: request.webhook_events.clone(),
        provider: provider.name().to_owned(),
        endpoint: provider.endpoint().to_owned(),
        created_at: now,
        execution_limit_ms: plan.execution_limit_ms,
        usual_ms: plan.usual_ms,
        start_by_ms: times.start_by_ms,
        deadline_ms: times.deadline_ms,
        inventory_hash: plan.inventory_hash.clone(),
        webhook_key: request
            .webhook_url
            .as_ref()
            .and_then(|_| webhook_secret::key_of(call))
            .map(str::to_owned),
    }
}

/// Files that came with the request become objects of the job; uploads stay where they are.
async fn store_files(app: &App, id: JobId, plan: &Plan) -> Result<Vec<InputFile>, CreateError> {
    let mut files = Vec::new();
    for (i, file) in plan.files.iter().enumerate() {
        let mut row = InputFile {
            input: file.input.clone(),
            name: file.name.clone(),
            key: file.key.clone().unwrap_or_default(),
            content_type: file.content_type.clone(),
            size_bytes: file.size_bytes,
            hash: file.hash.clone(),
        };
        if let Some(bytes) = &file.bytes {
            row.key = format!("{}{i}", inputs_prefix(id));
            let label = BlobLabel {
                content_type: row.content_type.clone(),
                name: row.name.clone(),
                hash: Some(row.hash.clone()),
            };
            let put = app.blobs.put(&row.key, bytes.clone(), &label).await;
            put.map_err(QueueError::from)?;
        }
        files.push(row);
    }
    Ok(files)
}

async fn store_prompt(app: &App, accepted: &Accepted, prompt: &str) -> Result<(), CreateError> {
    if !accepted.prompt_in_blob {
        return Ok(());
    }
    let label = BlobLabel {
        content_type: "application/json".into(),
        name: "prompt.json".into(),
        hash: Some(accepted.prompt_hash.clone()),
    };
    let bytes = Bytes::copy_from_slice(prompt.as_bytes());
    let put = app.blobs.put(&prompt_key(accepted.id), bytes, &label).await;
    put.map_err(QueueError::from)?;
    Ok(())
}

/// Where a prompt lies that is too large for a row.
pub fn prompt_key(id: JobId) -> String {
    format!("prompts/{id}.json")
}

fn inputs_prefix(id: JobId) -> String {
    format!("inputs/{id}/")
}

/// Deletes what was stored for a job that was not recorded.
async fn discard(app: &App, accepted: &Accepted) {
    let prefix = inputs_prefix(accepted.id);
    let own = accepted
        .files
        .iter()
        .filter(|file| file.key.starts_with(&prefix));
    let mut keys: Vec<String> = own.map(|file| file.key.clone()).collect();
    if accepted.prompt_in_blob {
        keys.push(prompt_key(accepted.id));
    }
    best_effort::discard(app, keys).await;
}
