//! Recording a job, exactly once per request key.

use super::row::{columns, Row};
use super::{Accepted, Record};
use crate::id::{CallerId, RequestKey};
use crate::ports::{Db, Param, Statement};
use crate::store::{batch, rows, StoreError};
use crate::time::UnixMillis;

pub const CREATE: &str = "-- jobs::create
INSERT INTO jobs (id, caller, request_key, fingerprint, template, template_version, template_hash,
  protocol, inputs_json, files_json, outputs_json, labels_json, prompt_hash, prompt_in_blob,
  priority, webhook_url, webhook_events, provider, endpoint, created_at, execution_limit_ms,
  usual_ms, opened_at, start_by_ms, due_at, inventory_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
  ?21, ?22, ?20, ?23, ?24, ?25)
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
    let find = Statement {
        sql: FIND_BY_KEY,
        params: vec![caller.as_str().into(), key.as_str().into()],
    };
    let outcomes = batch(db, vec![find]).await?;
    let row = rows::<Row>(FIND_BY_KEY, &outcomes[0])?.into_iter().next();
    Ok(row.map(Into::into))
}

/// Records `accepted`, unless its request key names a job already. Answers the job that stands: it
/// has the id of `accepted` if this call, or an unanswered repeat of it, recorded it.
pub async fn create(
    db: &dyn Db,
    accepted: &Accepted,
    prompt: Option<&str>,
    due_at: UnixMillis,
) -> Result<Record, StoreError> {
    let mut statements = vec![Statement {
        sql: CREATE,
        params: params(accepted, due_at),
    }];
    statements.extend(prompt.map(|body| Statement {
        sql: CREATE_PROMPT,
        params: vec![accepted.id.into(), body.into()],
    }));
    statements.push(Statement {
        sql: FIND_CREATED,
        params: vec![
            accepted.id.into(),
            accepted.caller.as_str().into(),
            request_key(accepted),
        ],
    });
    let outcomes = batch(db, statements).await?;
    let standing = outcomes.last().ok_or(StoreError::Short(1))?;
    let row = rows::<Row>(FIND_CREATED, standing)?.into_iter().next();
    row.map(Into::into).ok_or(StoreError::Short(1))
}

fn request_key(accepted: &Accepted) -> Param {
    accepted.request_key.as_ref().map(RequestKey::as_str).into()
}

fn params(accepted: &Accepted, due_at: UnixMillis) -> Vec<Param> {
    vec![
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
        accepted.inventory_hash.as_deref().into(),
    ]
}

/// Our own types always serialize: they hold no maps with other keys than text.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Param {
    Param::Text(serde_json::to_string(value).unwrap_or_else(|_| "null".into()))
}
