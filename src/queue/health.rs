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
    let now = app.now();
    let is_known = app.known_well.get("", now).is_some();
    let named = |ok: bool| if ok { "ok" } else { "unavailable" };
    let found = Found {
        database: named(is_known || store::ping(&*app.db).await.is_ok()),
        object_store: named(is_known || app.blobs.head(ABSENT_KEY).await.is_ok()),
    };
    if found.all_ok() && !is_known {
        app.known_well.keep("", (), now);
    }
    found
}

/// The endpoint's workers, as its provider counted them a moment ago. `None`: it is being asked.
/// Whoever asks often, or all at once, asks the provider once.
pub async fn gpu(app: &App) -> (&'static str, Option<Health>) {
    let provider = &app.providers.current;
    let now = app.now();
    let known = app.known_workers.get("", now);
    if let Some(known) = known {
        return (provider.name(), known);
    }
    app.known_workers.keep("", None, now);
    let found = Some(provider.health().await);
    app.known_workers.keep("", found.clone(), now);
    (provider.name(), found)
}
