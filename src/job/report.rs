//! What can be learned of an attempt, in our words: providers translate theirs into these.

use bytes::Bytes;

use super::Failure;

/// One file a provider delivered, not yet fetched or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputData {
    /// Base64 text without a data-URI prefix, not decoded yet, perhaps broken into lines. A slice
    /// of the answer it came in, not a copy: it may be tens of megabytes.
    Base64(Bytes),
    Url(String),
    /// Bytes as they are; the simulated GPU paints them.
    Inline(Bytes),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The worker's file name, if it gave one. Says which node made the file (see
    /// `workflow::compile`).
    pub name: Option<String>,
    pub data: OutputData,
}

/// Times as the provider measured them, where it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Waiting in the provider's queue, cold start included.
    pub delay_ms: Option<u64>,
    pub execution_ms: Option<u64>,
}

/// What a provider says about one of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Queued,
    Running {
        /// Parts of a thousand, where the worker tells.
        progress_permille: Option<u16>,
    },
    /// It says it is done, with these files. Whether that is a success is for `job.rs` to say.
    Done {
        outputs: Vec<Output>,
        times: Times,
    },
    Failed {
        failure: Failure,
        times: Times,
    },
    Canceled {
        times: Times,
    },
}

impl Report {
    /// The files and the times, where the report has them.
    pub fn into_parts(self) -> (Vec<Output>, Times) {
        match self {
            Self::Queued | Self::Running { .. } => (Vec::new(), Times::default()),
            Self::Done { outputs, times } => (outputs, times),
            Self::Failed { times, .. } | Self::Canceled { times } => (Vec::new(), times),
        }
    }
}
