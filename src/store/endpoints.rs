//! What is known of the providers' endpoints beside their jobs.

use serde::Deserialize;

use super::{batch, rows, StoreError};
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

pub const FIND: &str = "-- endpoints::find
SELECT endpoint, paused_at, no_worker_since FROM endpoints WHERE endpoint = ?1";

pub const PAUSE: &str = "-- endpoints::pause
INSERT INTO endpoints (endpoint, paused_at) VALUES (?1, ?2)
ON CONFLICT (endpoint) DO UPDATE SET paused_at = ?2
WHERE (endpoints.paused_at IS NULL) <> (?2 IS NULL)";

pub const NOTE_WORKERS: &str = "-- endpoints::note_workers
INSERT INTO endpoints (endpoint, no_worker_since) VALUES (?1, ?2)
ON CONFLICT (endpoint) DO UPDATE SET no_worker_since = ?2
WHERE (endpoints.no_worker_since IS NULL) <> (?2 IS NULL)";

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct EndpointRow {
    pub endpoint: String,
    /// Since when nothing is submitted to it.
    pub paused_at: Option<UnixMillis>,
    /// Since when it shows no worker although jobs wait.
    pub no_worker_since: Option<UnixMillis>,
}

/// `None`: nothing special is known.
pub async fn find(db: &dyn Db, endpoint: &str) -> Result<Option<EndpointRow>, StoreError> {
    let find = Statement {
        sql: FIND,
        params: vec![endpoint.into()],
    };
    let outcomes = batch(db, vec![find]).await?;
    Ok(rows::<EndpointRow>(FIND, &outcomes[0])?.into_iter().next())
}

/// `None` resumes. True if that changed something.
pub async fn pause(
    db: &dyn Db,
    endpoint: &str,
    paused_at: Option<UnixMillis>,
) -> Result<bool, StoreError> {
    change(db, PAUSE, endpoint, paused_at).await
}

/// `None`: it shows workers. True if that is news.
pub async fn note_workers(
    db: &dyn Db,
    endpoint: &str,
    none_since: Option<UnixMillis>,
) -> Result<bool, StoreError> {
    change(db, NOTE_WORKERS, endpoint, none_since).await
}

async fn change(
    db: &dyn Db,
    sql: &'static str,
    endpoint: &str,
    at: Option<UnixMillis>,
) -> Result<bool, StoreError> {
    let change = Statement {
        sql,
        params: vec![endpoint.into(), at.into()],
    };
    Ok(batch(db, vec![change]).await?[0].changes > 0)
}
