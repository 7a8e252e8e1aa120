//! What the queue does, one verb per file. Verbs do not call each other; what several need is a
//! file beside them, like [`settle`], through which every way of hearing an end goes.

pub mod advance;
pub mod allow;
pub mod assets;
mod best_effort;
pub mod cancel;
pub mod create;
pub mod credits;
pub mod deliver;
pub mod deliveries;
pub mod endpoints;
pub mod evidence;
pub mod gate;
pub mod health;
pub mod hear;
pub mod identify;
pub mod inputs;
pub mod intake;
pub mod inventory;
pub mod keys;
pub mod links;
pub mod listen;
mod mail;
pub mod metrics;
pub mod objects;
pub mod purge;
pub mod read;
pub mod reconcile;
pub mod recover;
pub mod retry;
pub mod session;
pub mod settle;
pub mod sweep;
pub mod tell;
pub mod webhook_secret;

use thiserror::Error;

use crate::access::Rights;
use crate::id::CallerId;
use crate::ports::{BlobError, DbError, GateError, WatcherError};
use crate::store::StoreError;
use crate::time::UnixMillis;

/// Who asks, and under which name the answer can be found in the log.
#[derive(Clone, Debug)]
pub struct Call {
    pub request_id: String,
    pub caller: CallerId,
    pub rights: Rights,
}

/// What goes wrong on our side of a verb.
#[derive(Debug, Error)]
pub enum QueueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Watcher(#[from] WatcherError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("the challenge could not be verified")]
    Challenge,
    /// This isolate holds too many large bodies at once.
    #[error("too many large bodies at once")]
    NoRoom,
    /// It was kept as long as it is kept.
    #[error("kept until {}", .0.iso8601())]
    Expired(UnixMillis),
    #[error("{0}")]
    Broken(String),
}

impl QueueError {
    /// Whether the same call may well succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store(StoreError::Db(DbError::Unknown(_) | DbError::Overloaded(_)))
            | Self::Blob(_)
            | Self::Gate(_)
            | Self::Watcher(_)
            | Self::Challenge
            | Self::NoRoom => true,
            Self::Store(_) | Self::Expired(_) | Self::Broken(_) => false,
        }
    }
}

/// A job that has not ended this long after it was expected to is looked after by the sweep.
pub(crate) const DUE_MARGIN_MS: u64 = 5 * 60_000;
