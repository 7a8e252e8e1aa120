//! What is known of the providers' endpoints beside their jobs.

use super::row::from_row;
use super::{ask, StoreError};
use crate::ports::Db;
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointRow {
    pub endpoint: String,
    /// Since when nothing is submitted to it.
    pub paused_at: Option<UnixMillis>,
    /// Since when it shows no worker although jobs wait.
    pub no_worker_since: Option<UnixMillis>,
}
from_row!(EndpointRow {
    endpoint,
    paused_at,
    no_worker_since
});

/// `None`: nothing special is known.
pub async fn find(db: &dyn Db, endpoint: &str) -> Result<Option<EndpointRow>, StoreError> {
    ask(db, FIND, vec![endpoint.into()]).await?.row()
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
    let params = vec![endpoint.into(), at.into()];
    Ok(ask(db, sql, params).await?.changes() > 0)
}
