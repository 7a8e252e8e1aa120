//! Recording a job, exactly once per request key.

use super::record::columns;
use super::{Accepted, Record};
use crate::id::{CallerId, RequestKey};
use crate::ports::{Db, Param, Statement};
use crate::store::credits::Told;
use crate::store::spending::{Paid, Payer};
use crate::store::{ask, batch, deliveries, StoreError};
use crate::time::UnixMillis;

/// Only if what pays for it was charged, and its key has not been revoked.
pub const CREATE: &str = "-- jobs::create
INSERT INTO jobs (id, caller, request_key, fingerprint, template, template_version, template_hash,
  protocol, inputs_json, files_json, outputs_json, labels_json, prompt_hash, prompt_in_blob,
  priority, webhook_url, webhook_events, provider, endpoint, created_at, execution_limit_ms,
  usual_ms, opened_at, start_by_ms, due_at, deadline_ms, inventory_hash, webhook_key, credits)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
  ?21, ?22, ?20, ?23, ?24, ?25, ?26, ?27,
  (SELECT ?31 FROM credits WHERE owner = ?2 AND charge = ?29)
WHERE (?28 IS NULL OR EXISTS (SELECT 1 FROM spending WHERE account = ?28 AND charge = ?29))
  AND (?30 IS NULL OR EXISTS (SELECT 1 FROM api_keys WHERE id = ?30 AND revoked_at IS NULL))
  AND (?31 IS NULL OR NOT EXISTS (SELECT 1 FROM credits WHERE owner = ?2 AND charge <> ?29))
ON CONFLICT DO NOTHING";

/// Only beside the job that this very create recorded.
pub const CREATE_PROMPT: &str = "-- jobs::create (prompt)
INSERT INTO prompts (job_id, body)
SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?1)
ON CONFLICT DO NOTHING";

/// The job that stands: the new one, or the one that had the request key before.
pub const FIND_CREATED: &str = concat!(
    "-- jobs::create (what stands)\nSELECT ",
    columns!(),
    " FROM jobs WHERE id = ?1 \
     UNION ALL SELECT ",
    columns!(),
    " FROM jobs WHERE caller = ?2 AND request_key = ?3 AND id <> ?1"
);

pub const FIND_BY_KEY: &str = concat!(
    "-- jobs::find_by_key\nSELECT ",
    columns!(),
    " FROM jobs WHERE caller = ?1 AND request_key = ?2"
);

/// The job that a caller's key names already.
pub async fn find_by_key(
    db: &dyn Db,
    caller: &CallerId,
    key: &RequestKey,
) -> Result<Option<Record>, StoreError> {
    let params = vec![caller.as_str().into(), key.as_str().into()];
    ask(db, FIND_BY_KEY, params).await?.row()
}

/// A job to be recorded.
pub struct Recording<'a> {
    pub accepted: &'a Accepted,
    /// `None`: it lies in the object store.
    pub prompt: Option<&'a str>,
    pub due_at: UnixMillis,
    pub payer: Payer<'a>,
}

/// What came of it.
#[derive(Debug)]
pub struct Recorded {
    /// The job that stands. `None`: nothing was recorded, because what is told forbids it.
    pub record: Option<Record>,
    pub told: Told,
}

/// Records `accepted`, unless its request key names a job already or its payer may not. The job
/// that stands has the id of `accepted` if this call, or an unanswered repeat of it, recorded it.
pub async fn create(db: &dyn Db, recording: &Recording<'_>) -> Result<Recorded, StoreError> {
    let Recording {
        accepted, payer, ..
    } = recording;
    let prompt = recording.prompt.map(|body| Statement {
        sql: CREATE_PROMPT,
        params: vec![accepted.id.into(), body.into()],
    });
    let find = Statement {
        sql: FIND_CREATED,
        params: vec![
            accepted.id.into(),
            accepted.caller.as_str().into(),
            request_key(accepted),
        ],
    };
    let paid = Paid::Job(accepted.id, accepted.request_key.as_ref());
    let insert = Statement {
        sql: CREATE,
        params: params(accepted, recording.due_at, payer),
    };
    let event = accepted.webhook_url.as_ref();
    let event = event.map(|_| deliveries::record(accepted.id, accepted.created_at));
    let changes = [
        payer.reserve(paid),
        payer.charge(paid),
        Some(insert),
        prompt,
        event,
    ];
    let mut statements: Vec<Statement> = changes.into_iter().flatten().collect();
    let told_from = statements.len();
    statements.push(find);
    statements.extend(Told::asked(payer));
    let answers = batch(db, statements).await?;
    Ok(Recorded {
        record: answers[told_from].row()?,
        told: Told::read(payer, &answers[told_from + 1..])?,
    })
}

fn request_key(accepted: &Accepted) -> Param {
    accepted.request_key.as_ref().map(RequestKey::as_str).into()
}

fn params(accepted: &Accepted, due_at: UnixMillis, payer: &Payer<'_>) -> Vec<Param> {
    let mut params = vec![
        accepted.id.into(),
        accepted.caller.as_str().into(),
        request_key(accepted),
        accepted.fingerprint.as_str().into(),
        accepted.template.as_str().into(),
        accepted.template_version.as_str().into(),
        accepted.template_hash.as_str().into(),
        accepted.protocol.as_str().into(),
        accepted.inputs.get().into(),
        json(&accepted.files),
        json(&accepted.outputs),
        json(&accepted.labels),
        accepted.prompt_hash.as_str().into(),
        i64::from(accepted.prompt_in_blob).into(),
        i64::from(accepted.priority).into(),
        accepted.webhook_url.as_deref().into(),
        accepted.webhook_events.as_deref().into(),
        accepted.provider.as_str().into(),
        accepted.endpoint.as_str().into(),
        accepted.created_at.into(),
        accepted.execution_limit_ms.into(),
        accepted.usual_ms.into(),
        accepted.start_by_ms.into(),
        due_at.into(),
        accepted.deadline_ms.into(),
        accepted.inventory_hash.as_deref().into(),
        accepted.webhook_key.as_deref().into(),
    ];
    params.extend(payer.proof(accepted.id, 1));
    params
}

/// Our own types always serialize: they hold no maps with other keys than text.
pub(in crate::store) fn json<T: serde::Serialize>(value: &T) -> Param {
    Param::Text(serde_json::to_string(value).unwrap_or_else(|_| "null".into()))
}
