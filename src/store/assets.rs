//! The table `assets`: files that callers uploaded.

use serde::{Deserialize, Serialize};

use super::{batch, rows, StoreError};
use crate::id::CallerId;
use crate::media::Kind;
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

/// The same bytes by the same caller keep their first place.
pub const PUT: &str = "-- assets::put
INSERT INTO assets (caller, hash, key, content_type, kind, size_bytes, width, height, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO NOTHING";

pub const FIND: &str = "-- assets::find
SELECT hash, key, content_type, kind, size_bytes, width, height FROM assets
WHERE caller = ?1 AND hash IN (SELECT value FROM json_each(?2))";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub hash: String,
    pub key: String,
    pub content_type: String,
    pub kind: Kind,
    pub size_bytes: u64,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// Records an upload and answers the asset that stands: its `key` is another one if the caller had
/// uploaded the same bytes before.
pub async fn put(
    db: &dyn Db,
    caller: &CallerId,
    asset: &Asset,
    now: UnixMillis,
) -> Result<Asset, StoreError> {
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
            now.into(),
        ],
    };
    let outcomes = batch(db, vec![put, select(caller, &[&asset.hash])]).await?;
    let standing = rows::<Asset>(FIND, &outcomes[1])?;
    standing.into_iter().next().ok_or(StoreError::Short(1))
}

/// The caller's own assets among `hashes`, in no order.
pub async fn find(
    db: &dyn Db,
    caller: &CallerId,
    hashes: &[&str],
) -> Result<Vec<Asset>, StoreError> {
    let outcomes = batch(db, vec![select(caller, hashes)]).await?;
    rows(FIND, &outcomes[0])
}

fn select(caller: &CallerId, hashes: &[&str]) -> Statement {
    let list = serde_json::Value::from(hashes.to_vec()).to_string();
    Statement {
        sql: FIND,
        params: vec![caller.as_str().into(), list.into()],
    }
}
