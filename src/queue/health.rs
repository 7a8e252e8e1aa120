//! Health: whether what a job needs answers.

use crate::app::App;
use crate::providers::Health;
use crate::store;

/// An object that never exists: asking for it tells whether the store answers.
const ABSENT_KEY: &str = "health/absent";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// `ok`, or `unavailable`.
    pub database: &'static str,
    pub object_store: &'static str,
}

impl Found {
    pub fn all_ok(&self) -> bool {
        self.database == "ok" && self.object_store == "ok"
    }
}

pub async fn health(app: &App) -> Found {
    let named = |ok: bool| if ok { "ok" } else { "unavailable" };
    Found {
        database: named(store::ping(&*app.db).await.is_ok()),
        object_store: named(app.blobs.head(ABSENT_KEY).await.is_ok()),
    }
}

/// The endpoint's workers, as its provider counts them.
pub async fn gpu(app: &App) -> (&'static str, Health) {
    let provider = &app.providers.current;
    (provider.name(), provider.health().await)
}
