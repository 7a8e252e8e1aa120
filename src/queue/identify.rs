//! Identify: who calls, told by what it shows.
//!
//! An API key is read from the database once in [`crate::app::KEY_KEEP_MS`] by each isolate. So a
//! revoked key may read for as long; it creates nothing from the moment of its revocation, because
//! the batch that records a job asks for the key again. Nor does it operate: where `admin` is asked
//! for, the row is, or a stolen key could make another one after it was revoked.

use subtle::ConstantTimeEq;
use thiserror::Error;

use super::session;
use super::QueueError;
use crate::access::{Account, Credits, Presented, Rights};
use crate::app::App;
use crate::config::Environment;
use crate::id::CallerId;
use crate::ports::Rate;
use crate::store::keys::{self, StoredKey};
use crate::token::is_session;

#[derive(Clone, Debug)]
pub struct Identity {
    pub caller: CallerId,
    pub rights: Rights,
}

/// Why a caller is nobody.
#[derive(Debug, Error)]
pub enum Stranger {
    /// For the caller to read.
    #[error("{0}")]
    Refused(&'static str),
    #[error("too many requests")]
    TooMany,
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What is asked whether a key is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// What this isolate read a moment ago, if it did.
    Memory,
    /// The key's row, as it is now.
    Row,
}

const UNKNOWN: Stranger = Stranger::Refused("the key is not known here");

/// Whoever shows `shown`, calling from `address`.
pub async fn bearer(
    app: &App,
    shown: &str,
    address: &str,
    trust: Trust,
) -> Result<Identity, Stranger> {
    if is_operator(app, shown) {
        return Ok(Identity {
            caller: CallerId::new("operator"),
            rights: Rights::operator(),
        });
    }
    if is_session(shown) {
        let Some(identity) = session::identity(app, shown, address) else {
            let message = "the session has ended or is not ours: POST /api/session gives one";
            return Err(Stranger::Refused(message));
        };
        // By address: who wants more than one session has it.
        return within(app, Rate::Session, address, identity).await;
    }
    if Presented::is_meant(shown) {
        // Refused unread: whoever invents keys costs no read.
        let Some(presented) = Presented::parse(shown) else {
            let message = "this is no key of ours: a character is missing or wrong";
            return Err(Stranger::Refused(message));
        };
        let key = known_key(app, &presented, address, trust).await?;
        return within(app, Rate::Key, &presented.id, identity(app, key)).await;
    }
    slow_down(app, address).await?;
    Err(UNKNOWN)
}

/// A caller that shows nothing, where nothing is asked for. On one's own machine it is not counted;
/// elsewhere it has the share of the day that a session would have from there.
pub async fn anonymous(app: &App, address: &str) -> Result<Identity, Stranger> {
    let mut rights = Rights::open();
    if app.config.environment != Environment::Local {
        slow_down(app, address).await?;
        rights.account = Some(session::account(app, address, None));
    }
    let caller = CallerId::anonymous();
    Ok(Identity { caller, rights })
}

fn is_operator(app: &App, shown: &str) -> bool {
    // Hashes have one length, so the comparison does not tell how long the key is.
    let same = |known: &str| {
        let (known, given) = (
            blake3::hash(known.as_bytes()),
            blake3::hash(shown.as_bytes()),
        );
        known.as_bytes().ct_eq(given.as_bytes()).into()
    };
    app.config.admin_key.as_deref().is_some_and(same)
}

async fn known_key(
    app: &App,
    presented: &Presented,
    address: &str,
    trust: Trust,
) -> Result<StoredKey, Stranger> {
    let now = app.now();
    let remembered = app.known_keys.get(&presented.id, now);
    match (remembered.filter(|key| opens(app, key, presented)), trust) {
        (Some(key), Trust::Memory) => return Ok(key),
        // No stranger: its own counter damps it.
        (Some(_), Trust::Row) => {}
        // Also for a key that is known with another secret: it may just have been rotated.
        (None, _) => slow_down(app, address).await?,
    }
    let found = keys::find(&*app.db, &presented.id).await;
    let found = found.map_err(QueueError::from)?;
    let key = found.filter(|key| opens(app, key, presented));
    let Some(key) = key else {
        return Err(UNKNOWN);
    };
    app.known_keys.keep(&presented.id, key.clone(), now);
    Ok(key)
}

fn opens(app: &App, key: &StoredKey, presented: &Presented) -> bool {
    let now = app.now();
    // Both are compared, so that the time does not tell which one was meant.
    let is_new = presented.is(&key.hash);
    let is_old = key
        .old
        .as_ref()
        .is_some_and(|old| presented.is(&old.hash) && now < old.until);
    let is_alive = key.revoked_at.is_none() && key.expires_at.is_none_or(|at| now < at);
    (is_new || is_old) && is_alive
}

fn identity(app: &App, key: StoredKey) -> Identity {
    let account = key.limits.any().then(|| Account {
        name: key.id.clone(),
        limits: key.limits,
    });
    Identity {
        caller: key.owner,
        rights: Rights {
            scopes: key.scopes,
            public_only: false,
            key: Some(key.id),
            account,
            credits: match app.config.access.session_credits {
                Some(_) => Credits::IfGranted,
                None => Credits::Free,
            },
        },
    }
}

async fn within(
    app: &App,
    rate: Rate,
    who: &str,
    identity: Identity,
) -> Result<Identity, Stranger> {
    if app.limiter.allow(rate, who).await {
        Ok(identity)
    } else {
        Err(Stranger::TooMany)
    }
}

async fn slow_down(app: &App, address: &str) -> Result<(), Stranger> {
    if app.limiter.allow(Rate::Address, address).await {
        Ok(())
    } else {
        Err(Stranger::TooMany)
    }
}
