//! The table `api_keys`: who may call, and how much.

use super::row::{from_row, FromRow, Row};
use super::{ask, batch, StoreError};
use crate::access::{Limits, Scopes};
use crate::id::CallerId;
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

macro_rules! columns {
    () => {
        "id, owner, name, hash, old_hash, old_until, scopes, jobs_per_minute, jobs_per_day, \
         live_jobs, expires_at, created_at, rotated_at, revoked_at"
    };
}

pub const CREATE: &str = concat!(
    "-- keys::create\nINSERT INTO api_keys (",
    columns!(),
    ")\nVALUES (?1, ?2, ?3, ?4, NULL, NULL, ?5, ?6, ?7, ?8, ?9, ?10, NULL, NULL)
ON CONFLICT DO NOTHING"
);

pub const FIND: &str = concat!(
    "-- keys::find\nSELECT ",
    columns!(),
    " FROM api_keys WHERE id = ?1"
);

pub const LIST: &str = concat!(
    "-- keys::list\nSELECT ",
    columns!(),
    " FROM api_keys WHERE id > ?1 ORDER BY id LIMIT ?2"
);

/// The first revocation stands.
pub const REVOKE: &str = "-- keys::revoke
UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";

/// The secret before the last one ends at once: two are good at a time. Twice with one hash is
/// once.
pub const ROTATE: &str = "-- keys::rotate
UPDATE api_keys SET old_hash = hash, old_until = ?3, hash = ?2, rotated_at = ?4
WHERE id = ?1 AND revoked_at IS NULL AND hash <> ?2";

/// Which of the secrets that are derived for a key signs its webhooks.
pub const FIND_WEBHOOK_SECRET: &str = "-- keys::find_webhook_secret
SELECT webhook_secret AS number, webhook_rotated_at AS rotated_at FROM api_keys WHERE id = ?1";

/// Only from the number that was seen: twice is the same as once.
pub const ROTATE_WEBHOOK_SECRET: &str = "-- keys::rotate_webhook_secret
UPDATE api_keys SET webhook_secret = webhook_secret + 1, webhook_rotated_at = ?3
WHERE id = ?1 AND webhook_secret = ?2 AND revoked_at IS NULL";

/// Which secret signs, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookSecret {
    pub number: u32,
    pub rotated_at: Option<UnixMillis>,
}
from_row!(WebhookSecret { number, rotated_at });

/// A key as it is stored: nothing here opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub id: String,
    pub owner: CallerId,
    pub name: String,
    pub hash: String,
    pub old: Option<OldSecret>,
    pub scopes: Scopes,
    pub limits: Limits,
    pub expires_at: Option<UnixMillis>,
    pub created_at: UnixMillis,
    pub rotated_at: Option<UnixMillis>,
    pub revoked_at: Option<UnixMillis>,
}

/// The secret before the last rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    pub hash: String,
    pub until: UnixMillis,
}

impl FromRow for StoredKey {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        let old_hash: Option<String> = row.get("old_hash")?;
        let old_until: Option<UnixMillis> = row.get("old_until")?;
        let old = old_hash.zip(old_until);
        Ok(Self {
            id: row.get("id")?,
            owner: row.get("owner")?,
            name: row.get("name")?,
            hash: row.get("hash")?,
            old: old.map(|(hash, until)| OldSecret { hash, until }),
            scopes: Scopes::read(&row.get::<String>("scopes")?),
            limits: Limits {
                jobs_per_minute: row.get("jobs_per_minute")?,
                jobs_per_day: row.get("jobs_per_day")?,
                live_jobs: row.get("live_jobs")?,
            },
            expires_at: row.get("expires_at")?,
            created_at: row.get("created_at")?,
            rotated_at: row.get("rotated_at")?,
            revoked_at: row.get("revoked_at")?,
        })
    }
}

/// Records a new key, and answers what stands under its id.
pub async fn create(db: &dyn Db, key: &StoredKey) -> Result<Option<StoredKey>, StoreError> {
    let create = Statement {
        sql: CREATE,
        params: vec![
            key.id.as_str().into(),
            key.owner.as_str().into(),
            key.name.as_str().into(),
            key.hash.as_str().into(),
            key.scopes.text().into(),
            key.limits.jobs_per_minute.into(),
            key.limits.jobs_per_day.into(),
            key.limits.live_jobs.into(),
            key.expires_at.into(),
            key.created_at.into(),
        ],
    };
    changed(db, create, &key.id).await
}

pub async fn find(db: &dyn Db, id: &str) -> Result<Option<StoredKey>, StoreError> {
    ask(db, FIND, vec![id.into()]).await?.row()
}

/// Keys with ids after `after`, at most `limit`.
pub async fn list(db: &dyn Db, after: &str, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
    ask(db, LIST, vec![after.into(), limit.into()])
        .await?
        .rows()
}

/// Ends a key, and answers what stands then; twice is the same as once.
pub async fn revoke(
    db: &dyn Db,
    id: &str,
    now: UnixMillis,
) -> Result<Option<StoredKey>, StoreError> {
    let revoke = Statement {
        sql: REVOKE,
        params: vec![id.into(), now.into()],
    };
    changed(db, revoke, id).await
}

/// A new secret of a key.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    pub id: &'a str,
    pub hash: &'a str,
    /// Until when the secret of before is good, too.
    pub old_until: UnixMillis,
}

/// Puts a new secret beside the one of before, and answers what stands then.
pub async fn rotate(
    db: &dyn Db,
    rotation: &Rotation<'_>,
    now: UnixMillis,
) -> Result<Option<StoredKey>, StoreError> {
    let rotate = Statement {
        sql: ROTATE,
        params: vec![
            rotation.id.into(),
            rotation.hash.into(),
            rotation.old_until.into(),
            now.into(),
        ],
    };
    changed(db, rotate, rotation.id).await
}

/// `None`: there is no such key.
pub async fn webhook_secret(db: &dyn Db, id: &str) -> Result<Option<WebhookSecret>, StoreError> {
    ask(db, FIND_WEBHOOK_SECRET, vec![id.into()]).await?.row()
}

/// Puts the next secret in the place of `seen`, and answers what stands then.
pub async fn rotate_webhook_secret(
    db: &dyn Db,
    id: &str,
    seen: WebhookSecret,
    now: UnixMillis,
) -> Result<Option<WebhookSecret>, StoreError> {
    let rotate = Statement {
        sql: ROTATE_WEBHOOK_SECRET,
        params: vec![id.into(), seen.number.into(), now.into()],
    };
    let find = Statement {
        sql: FIND_WEBHOOK_SECRET,
        params: vec![id.into()],
    };
    batch(db, vec![rotate, find]).await?[1].row()
}

async fn changed(
    db: &dyn Db,
    change: Statement,
    id: &str,
) -> Result<Option<StoredKey>, StoreError> {
    let find = Statement {
        sql: FIND,
        params: vec![id.into()],
    };
    batch(db, vec![change, find]).await?[1].row()
}
