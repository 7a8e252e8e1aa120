//! The table `assets`: files that callers uploaded.

use serde::Serialize;

use super::row::from_row;
use super::{ask, batch, StoreError};
use crate::id::CallerId;
use crate::media::Kind;
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

/// The same bytes by the same caller keep their first place, and are kept as long as if they were
/// new: who is told that they are here will use them. Others find their place only while the caller
/// has fewer than it may.
pub const PUT: &str = "-- assets::put
INSERT INTO assets
  (caller, hash, key, content_type, kind, size_bytes, width, height, name, created_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
WHERE ?11 IS NULL OR EXISTS (SELECT 1 FROM assets WHERE caller = ?1 AND hash = ?2)
  OR (SELECT count(*) FROM (SELECT 1 FROM assets WHERE caller = ?1 LIMIT ?11)) < ?11
ON CONFLICT (caller, hash) DO UPDATE SET name = coalesce(?9, name), created_at = ?10";

pub const FIND: &str = "-- assets::find
SELECT hash, key, content_type, kind, size_bytes, width, height, name, created_at FROM assets
WHERE caller = ?1 AND hash IN (SELECT value FROM json_each(?2))";

/// All uploads, in the order of their callers.
pub const PAGE: &str = "-- assets::page
SELECT caller, hash, key, created_at FROM assets
WHERE (caller, hash) > (?1, ?2) ORDER BY caller, hash LIMIT ?3";

/// Only while it still points where it did: the same bytes may have come again.
pub const FORGET: &str = "-- assets::forget
DELETE FROM assets WHERE caller = ?1 AND hash = ?2 AND key = ?3";

/// The hashes that begin as the caller's asset id says: one, or none.
pub const FIND_BEGINNING: &str = "-- assets::find_beginning
SELECT hash, key, content_type, kind, size_bytes, width, height, name, created_at FROM assets
WHERE caller = ?1 AND hash >= ?2 AND hash < ?2 || 'g'";

/// As if they were uploaded now.
pub const RENEW: &str = "-- assets::renew
UPDATE assets SET name = coalesce(?3, name), created_at = ?4 WHERE caller = ?1 AND hash = ?2
RETURNING hash, key, content_type, kind, size_bytes, width, height, name, created_at";

/// Not while a job that has not ended may still send it.
pub const DELETE: &str = "-- assets::delete
DELETE FROM assets WHERE caller = ?1 AND hash = ?2 AND NOT EXISTS (
  SELECT 1 FROM jobs, json_each(jobs.files_json) AS file
  WHERE jobs.due_at IS NOT NULL AND jobs.caller = ?1
    AND jobs.status IN ('queued', 'running', 'canceling')
    AND file.value ->> '$.key' = assets.key)";

/// The oldest first, and none that a job which has not ended may still send.
pub const PURGE: &str = "-- assets::purge
DELETE FROM assets WHERE (caller, hash) IN
  (SELECT caller, hash FROM assets WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)
AND NOT EXISTS (
  SELECT 1 FROM jobs, json_each(jobs.files_json) AS file
  WHERE jobs.due_at IS NOT NULL AND jobs.caller = assets.caller
    AND jobs.status IN ('queued', 'running', 'canceling')
    AND file.value ->> '$.key' = assets.key)
RETURNING key";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asset {
    pub hash: String,
    pub key: String,
    pub content_type: String,
    pub kind: Kind,
    pub size_bytes: u64,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// The name that its uploader gave it last.
    pub name: Option<String>,
    pub created_at: UnixMillis,
}
from_row!(Asset {
    hash,
    key,
    content_type,
    kind,
    size_bytes,
    width,
    height,
    name,
    created_at
});

/// Records an upload and answers the asset that stands: its `key` is another one if the caller had
/// uploaded the same bytes before. `None`: it has `most` others.
pub async fn put(
    db: &dyn Db,
    caller: &CallerId,
    asset: &Asset,
    most: Option<u32>,
) -> Result<Option<Asset>, StoreError> {
    let put = Statement {
        sql: PUT,
        params: vec![
            caller.as_str().into(),
            asset.hash.as_str().into(),
            asset.key.as_str().into(),
            asset.content_type.as_str().into(),
            asset.kind.as_str().into(),
            asset.size_bytes.into(),
            asset.width.into(),
            asset.height.into(),
            asset.name.as_deref().into(),
            asset.created_at.into(),
            most.into(),
        ],
    };
    let answers = batch(db, vec![put, select(caller, &[&asset.hash])]).await?;
    answers[1].row()
}

/// The caller's own assets among `hashes`, in no order.
pub async fn find(
    db: &dyn Db,
    caller: &CallerId,
    hashes: &[&str],
) -> Result<Vec<Asset>, StoreError> {
    batch(db, vec![select(caller, hashes)]).await?[0].rows()
}

/// The caller's own assets whose hash begins so.
pub async fn find_beginning(
    db: &dyn Db,
    caller: &CallerId,
    begins: &str,
) -> Result<Vec<Asset>, StoreError> {
    let params = vec![caller.as_str().into(), begins.into()];
    ask(db, FIND_BEGINNING, params).await?.rows()
}

/// The asset as it stands then, if there is one.
pub async fn renew(
    db: &dyn Db,
    caller: &CallerId,
    hash: &str,
    name: Option<&str>,
    now: UnixMillis,
) -> Result<Option<Asset>, StoreError> {
    let params = vec![caller.as_str().into(), hash.into(), name.into(), now.into()];
    ask(db, RENEW, params).await?.row()
}

/// Answers what is left: nothing, or the asset that a job still needs.
pub async fn delete(
    db: &dyn Db,
    caller: &CallerId,
    hash: &str,
) -> Result<Option<Asset>, StoreError> {
    let delete = Statement {
        sql: DELETE,
        params: vec![caller.as_str().into(), hash.into()],
    };
    batch(db, vec![delete, select(caller, &[hash])]).await?[1].row()
}

/// Deletes the rows of uploads made before `before`; answers where their bytes are.
pub async fn purge(db: &dyn Db, before: UnixMillis, limit: u32) -> Result<Vec<String>, StoreError> {
    ask(db, PURGE, vec![before.into(), limit.into()])
        .await?
        .rows()
}

fn select(caller: &CallerId, hashes: &[&str]) -> Statement {
    let list = serde_json::Value::from(hashes.to_vec()).to_string();
    Statement {
        sql: FIND,
        params: vec![caller.as_str().into(), list.into()],
    }
}

/// An upload as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub caller: String,
    pub hash: String,
    pub key: String,
    pub created_at: UnixMillis,
}
from_row!(Upload {
    caller,
    hash,
    key,
    created_at
});

/// Uploads after the one of this caller and hash; empty texts are before all of them.
pub async fn page(
    db: &dyn Db,
    (caller, hash): (&str, &str),
    limit: u32,
) -> Result<Vec<Upload>, StoreError> {
    let params = vec![caller.into(), hash.into(), limit.into()];
    ask(db, PAGE, params).await?.rows()
}

/// Forgets an upload whose object is gone. False: it is another one by now.
pub async fn forget(db: &dyn Db, upload: &Upload) -> Result<bool, StoreError> {
    let Upload {
        caller, hash, key, ..
    } = upload;
    let params = [caller, hash, key].map(|text| text.as_str().into());
    Ok(ask(db, FORGET, params.to_vec()).await?.changes() > 0)
}
