//! The secret that signs what a key's owner is told. It is derived, not stored: two numbers say
//! which one it is and until when the one before it signs, too.

use super::deliver::{secrets_of, seeds_of, FIRST_SECRET};
use super::{Call, QueueError};
use crate::app::App;
use crate::log;
use crate::notify::{self, ROTATION_MS};
use crate::store::keys::{self, WebhookSecret};
use crate::time::UnixMillis;

/// A secret, shown to whom it belongs.
pub struct Shown {
    pub secret: String,
    /// Until when the one before it signs, too.
    pub old_until: Option<UnixMillis>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum NoSecret {
    /// A browser's session names no webhooks.
    Session,
    /// Callers without a row of their own: their secret changes with the deployment's.
    Fixed,
}

/// Whose secret signs what this caller asks to be told. `None`: it cannot ask.
pub fn key_of(call: &Call) -> Option<&str> {
    let key = call.rights.key.as_deref();
    (!call.rights.public_only).then(|| key.unwrap_or(call.caller.as_str()))
}

pub async fn show(app: &App, call: &Call) -> Result<Result<Shown, NoSecret>, QueueError> {
    let Some(key) = key_of(call) else {
        return Ok(Err(NoSecret::Session));
    };
    let standing = keys::webhook_secret(&*app.db, key).await?;
    Ok(Ok(shown(app, key, standing.unwrap_or(FIRST_SECRET))))
}

/// The public keys of what signs for this caller, newest first.
pub async fn public_keys(
    app: &App,
    call: &Call,
) -> Result<Result<Vec<String>, NoSecret>, QueueError> {
    let Some(key) = key_of(call) else {
        return Ok(Err(NoSecret::Session));
    };
    let standing = keys::webhook_secret(&*app.db, key).await?;
    let mut shown = Vec::new();
    for seed in seeds_of(app, key, standing.unwrap_or(FIRST_SECRET)) {
        let key = app.ed25519.public_key(&seed).await;
        shown.extend(key.as_deref().map(notify::shown_public));
    }
    Ok(Ok(shown))
}

/// Gives the key another secret. The one of before signs, too, for a week; the one before that
/// ends.
pub async fn rotate(app: &App, call: &Call) -> Result<Result<Shown, NoSecret>, QueueError> {
    let Some(key) = key_of(call) else {
        return Ok(Err(NoSecret::Session));
    };
    let Some(seen) = keys::webhook_secret(&*app.db, key).await? else {
        return Ok(Err(NoSecret::Fixed));
    };
    let after = keys::rotate_webhook_secret(&*app.db, key, seen, app.now()).await?;
    app.log(
        log::info("webhook_secret.rotated")
            .with("request_id", call.request_id.as_str())
            .with("key_id", key),
    );
    Ok(Ok(shown(app, key, after.unwrap_or(seen))))
}

fn shown(app: &App, key: &str, standing: WebhookSecret) -> Shown {
    let newest = secrets_of(app, key, standing).into_iter().next();
    let old_until = standing.rotated_at.map(|at| at.plus_ms(ROTATION_MS));
    Shown {
        secret: notify::shown(&newest.unwrap_or_default()),
        old_until: old_until.filter(|until| app.now() < *until),
    }
}
