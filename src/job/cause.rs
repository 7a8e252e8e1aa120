//! Why an attempt failed, and what we do about it by ourselves: the one table of retry classes.
//!
//! Always true: another attempt is begun only after the provider has *reported* how the one before
//! it ended. What it forgot, never answered or never confirmed may have run, or may still run: that
//! is for the caller to repeat, never for us, and no timer of ours ever does.

use serde::{Deserialize, Serialize};

use super::FailureCode;

/// Finer than the code that callers decide by: each cause has a class of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// What the job needs is gone from the object store, or its order cannot be sent.
    Unsendable,
    /// The provider refused the submit, and would refuse it again.
    Refused,
    /// The provider reports that its worker died, or never came up.
    WorkerLost,
    /// The provider never told whether it took the job, or how it ended.
    Unconfirmed,
    /// The provider knew the job, and knows it no longer.
    Forgotten,
    /// Somebody else stopped the job at the provider.
    StoppedElsewhere,
    /// The GPU's memory, or the machine's, was too small for the work.
    OutOfMemory,
    /// A node failed while it worked.
    NodeFailed,
    /// ComfyUI found the workflow wrong before it began.
    WorkflowRefused,
    /// A model file that the workflow names is not on the worker.
    ModelMissing,
    /// A node class that the workflow names is not on the worker.
    NodeMissing,
    /// The worker failed in a way that we do not know.
    WorkerFailed,
    /// Reported done, and delivered nothing.
    OutputMissing,
    /// Reported done, and delivered less than the contract names.
    OutputIncomplete,
    /// A file is not what it claims to be.
    OutputInvalid,
    /// A file is behind a link that is not followed: how the worker is set up, not how it went.
    OutputForbidden,
    /// A file is larger than we take.
    OutputTooLarge,
    /// It worked for as long as it may.
    ExecutionTimeout,
    /// The provider gave it up before a worker took it.
    QueueTimeout,
    /// The moment by which the caller wanted an end has passed.
    DeadlinePassed,
}

/// What a cause means for the job.
struct Class {
    code: FailureCode,
    /// Whether the same job may well succeed when the caller tries it again.
    is_retryable: bool,
    /// Attempts in one round before such a failure is final; 1: we never repeat it ourselves.
    attempts_max: u32,
    /// Before the second attempt; doubles before each further one.
    wait_ms: u64,
}

/// We repeat it ourselves.
const fn again(code: FailureCode, attempts_max: u32, wait_ms: u64) -> Class {
    Class {
        code,
        is_retryable: true,
        attempts_max,
        wait_ms,
    }
}

/// The caller may repeat it.
const fn caller(code: FailureCode) -> Class {
    again(code, 1, 0)
}

/// Nobody should: the same job fails again.
const fn never(code: FailureCode) -> Class {
    Class {
        is_retryable: false,
        ..again(code, 1, 0)
    }
}

impl Cause {
    pub const ALL: [Self; 20] = [
        Self::Unsendable,
        Self::Refused,
        Self::WorkerLost,
        Self::Unconfirmed,
        Self::Forgotten,
        Self::StoppedElsewhere,
        Self::OutOfMemory,
        Self::NodeFailed,
        Self::WorkflowRefused,
        Self::ModelMissing,
        Self::NodeMissing,
        Self::WorkerFailed,
        Self::OutputMissing,
        Self::OutputIncomplete,
        Self::OutputInvalid,
        Self::OutputForbidden,
        Self::OutputTooLarge,
        Self::ExecutionTimeout,
        Self::QueueTimeout,
        Self::DeadlinePassed,
    ];

    const fn class(self) -> Class {
        use FailureCode as Code;
        match self {
            Self::Unsendable => never(Code::ContractViolation),
            Self::Refused => never(Code::ProviderRejected),
            // Another worker takes the next attempt; three dead ones in a row are no accident.
            Self::WorkerLost => again(Code::ProviderLost, 3, 5_000),
            // It may have run, or may still run: paying again is not ours to decide.
            Self::Unconfirmed | Self::Forgotten | Self::StoppedElsewhere => {
                caller(Code::ProviderLost)
            }
            // Another machine may be larger, and this one freer in half a minute.
            Self::OutOfMemory => again(Code::ExecutionFailed, 2, 30_000),
            Self::NodeFailed
            | Self::WorkflowRefused
            | Self::ModelMissing
            | Self::NodeMissing
            | Self::WorkerFailed => never(Code::ExecutionFailed),
            // Results get lost between worker and platform; twice means that they are too large.
            Self::OutputMissing => again(Code::OutputMissing, 2, 5_000),
            // ComfyUI skips the same broken output each time.
            Self::OutputIncomplete => caller(Code::OutputMissing),
            Self::OutputInvalid => again(Code::OutputInvalid, 2, 5_000),
            // Another run is paid for and puts its files behind the same kind of link.
            Self::OutputForbidden | Self::OutputTooLarge => never(Code::OutputInvalid),
            // The whole limit was paid once, and the same work takes as long again.
            Self::ExecutionTimeout | Self::DeadlinePassed => caller(Code::TimedOut),
            // Nothing ran and nothing was paid.
            Self::QueueTimeout => again(Code::TimedOut, 2, 5_000),
        }
    }

    pub const fn code(self) -> FailureCode {
        self.class().code
    }

    pub const fn is_retryable(self) -> bool {
        self.class().is_retryable
    }

    pub const fn attempts_max(self) -> u32 {
        self.class().attempts_max
    }

    pub const fn wait_ms(self) -> u64 {
        self.class().wait_ms
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsendable => "unsendable",
            Self::Refused => "refused",
            Self::WorkerLost => "worker_lost",
            Self::Unconfirmed => "unconfirmed",
            Self::Forgotten => "forgotten",
            Self::StoppedElsewhere => "stopped_elsewhere",
            Self::OutOfMemory => "out_of_memory",
            Self::NodeFailed => "node_failed",
            Self::WorkflowRefused => "workflow_refused",
            Self::ModelMissing => "model_missing",
            Self::NodeMissing => "node_missing",
            Self::WorkerFailed => "worker_failed",
            Self::OutputMissing => "output_missing",
            Self::OutputIncomplete => "output_incomplete",
            Self::OutputInvalid => "output_invalid",
            Self::OutputForbidden => "output_forbidden",
            Self::OutputTooLarge => "output_too_large",
            Self::ExecutionTimeout => "execution_timeout",
            Self::QueueTimeout => "queue_timeout",
            Self::DeadlinePassed => "deadline_passed",
        }
    }
}

impl FailureCode {
    /// The cause of a failure of which only the code is known.
    pub(super) const fn usual_cause(self) -> Cause {
        match self {
            Self::ContractViolation => Cause::Unsendable,
            Self::ProviderRejected => Cause::Refused,
            Self::ProviderLost => Cause::Unconfirmed,
            Self::ExecutionFailed => Cause::WorkerFailed,
            Self::OutputMissing => Cause::OutputMissing,
            Self::OutputInvalid => Cause::OutputInvalid,
            Self::TimedOut => Cause::ExecutionTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_named_as_it_is_stored_and_keeps_its_code() {
        for cause in Cause::ALL {
            let stored = serde_json::to_string(&cause).unwrap();
            assert_eq!(stored, format!("\"{}\"", cause.as_str()));
            assert_eq!(cause.code().usual_cause().code(), cause.code());
        }
    }

    #[test]
    fn what_may_have_run_unseen_is_never_repeated_by_ourselves() {
        for cause in [
            Cause::Unconfirmed,
            Cause::Forgotten,
            Cause::StoppedElsewhere,
        ] {
            assert_eq!(cause.attempts_max(), 1, "{cause:?}");
            assert!(cause.is_retryable(), "{cause:?}: the caller may");
        }
    }

    #[test]
    fn what_we_repeat_the_caller_may_repeat_too_and_it_waits_first() {
        for cause in Cause::ALL {
            let ours = cause.attempts_max() > 1;
            assert!(!ours || cause.is_retryable(), "{cause:?}");
            assert_eq!(ours, cause.wait_ms() > 0, "{cause:?}");
            assert!((1..=3).contains(&cause.attempts_max()), "{cause:?}");
        }
    }
}
