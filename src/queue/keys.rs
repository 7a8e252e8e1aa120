//! Keys: what the operator does with API keys. A secret is shown by the call that makes it, and
//! never again: what is stored is its hash.

use super::{Call, QueueError};
use crate::access::{KeyText, Limits, Scopes};
use crate::app::App;
use crate::id::CallerId;
use crate::log;
use crate::store::keys::{self, Rotation, StoredKey};
use crate::time::UnixMillis;

/// Keys of one answer.
pub const PAGE_MAX: u32 = 200;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub owner: CallerId,
    pub name: String,
    pub scopes: Scopes,
    pub limits: Limits,
    pub expires_at: Option<UnixMillis>,
}

/// A key and its secret.
#[derive(Debug)]
pub struct Shown {
    pub key: StoredKey,
    pub secret: KeyText,
}

pub async fn create(app: &App, call: &Call, new: NewKey) -> Result<Shown, QueueError> {
    let id = KeyText::mint_id(app.random());
    let secret = KeyText::mint(&id, app.random());
    let key = StoredKey {
        id,
        owner: new.owner,
        name: new.name,
        hash: secret.hash(),
        old: None,
        scopes: new.scopes,
        limits: new.limits,
        expires_at: new.expires_at,
        created_at: app.now(),
        rotated_at: None,
        revoked_at: None,
    };
    let standing = keys::create(&*app.db, &key).await?;
    match standing.filter(|standing| standing.hash == key.hash) {
        Some(key) => {
            tell(app, call, "key.created", &key);
            Ok(Shown { key, secret })
        }
        None => Err(QueueError::Broken(format!("key id {} is taken", key.id))),
    }
}

/// Keys with ids after `after`, in no order that means anything.
pub async fn list(app: &App, after: &str) -> Result<Vec<StoredKey>, QueueError> {
    Ok(keys::list(&*app.db, after, PAGE_MAX).await?)
}

/// Ends a key; twice is the same as once. `None`: there is no such key.
pub async fn revoke(app: &App, call: &Call, id: &str) -> Result<Option<StoredKey>, QueueError> {
    let after = keys::revoke(&*app.db, id, app.now()).await?;
    app.known_keys.forget(id);
    if let Some(key) = &after {
        tell(app, call, "key.revoked", key);
    }
    Ok(after)
}

#[derive(Debug)]
pub enum Rotated {
    Shown(Box<Shown>),
    Revoked,
    NoKey,
}

/// Gives a key another secret; the one of before is good for `grace_ms` more.
pub async fn rotate(
    app: &App,
    call: &Call,
    id: &str,
    grace_ms: u64,
) -> Result<Rotated, QueueError> {
    let now = app.now();
    let secret = KeyText::mint(id, app.random());
    let hash = secret.hash();
    let rotation = Rotation {
        id,
        hash: &hash,
        old_until: now.plus_ms(grace_ms),
    };
    let after = keys::rotate(&*app.db, &rotation, now).await?;
    app.known_keys.forget(id);
    Ok(match after {
        Some(key) if key.hash == hash => {
            tell(app, call, "key.rotated", &key);
            Rotated::Shown(Box::new(Shown { key, secret }))
        }
        Some(_) => Rotated::Revoked,
        None => Rotated::NoKey,
    })
}

fn tell(app: &App, call: &Call, event: &'static str, key: &StoredKey) {
    app.log(
        log::info(event)
            .with("request_id", call.request_id.as_str())
            .with("by", call.caller.as_str())
            .with("key_id", key.id.as_str())
            .with("owner", key.owner.as_str()),
    );
}
