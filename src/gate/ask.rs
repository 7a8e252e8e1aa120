//! What a gate is asked and told, and what it answers.

use serde::{Deserialize, Serialize};

use crate::id::{CallerId, JobId};
use crate::time::UnixMillis;

/// A job that wants to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub job: JobId,
    pub caller: CallerId,
    /// Higher goes first.
    pub priority: i32,
    /// When its round was opened.
    pub since: UnixMillis,
    /// When the endpoint will have forgotten it, if it is handed over now.
    pub gone_at: UnixMillis,
}

/// Why a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    Paused,
    Full,
    TooFast,
    Refusing,
    /// The gate itself did not answer.
    Silent,
}

impl Reason {
    /// As the job shows it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Paused => "submission is paused by the operator",
            Self::Full => "every slot of the endpoint is taken",
            Self::TooFast => "the endpoint takes no more jobs in these seconds",
            Self::Refusing => "the endpoint refuses jobs at the moment; one at a time tries it",
            Self::Silent => "the endpoint's gate did not answer",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// With `tries`, the gate wants to be told how the submit went.
    Granted {
        tries: bool,
    },
    Wait {
        until: UnixMillis,
        reason: Reason,
    },
}

/// What became of a job that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// The endpoint took it.
    Taken,
    /// The endpoint did not take it, and none before the time named.
    PutOff(Option<UnixMillis>),
    /// Nobody knows whether the endpoint took it. From the time named on it counts as not there.
    Unknown(UnixMillis),
    /// It is not at the endpoint any more, and wants nothing.
    Left,
}

/// How an endpoint stands, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub at_endpoint: usize,
    pub waiting: usize,
    pub closed_until: Option<UnixMillis>,
}

/// What a gate is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    Admit(Ticket),
    Tell {
        job: JobId,
        fate: Fate,
    },
    Position(JobId),
    Standing,
    /// What the database says has changed.
    Refresh,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Admission(Admission),
    Position(Option<usize>),
    Standing(Standing),
    Done,
}
