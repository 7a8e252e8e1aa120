//! Why a job or an attempt ended without a result.

use serde::{Deserialize, Serialize};

use super::Cause;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The stored prompt no longer fits what the provider takes.
    ContractViolation,
    /// The provider refused the submit, and would refuse it again.
    ProviderRejected,
    /// The provider lost the job, or never told whether it took it.
    ProviderLost,
    /// The work itself failed; node id and class where `ComfyUI` told.
    ExecutionFailed,
    /// The provider says done, and delivered nothing or less than the contract names.
    OutputMissing,
    /// The provider delivered something that is not what it claims to be.
    OutputInvalid,
    /// A limit of time was passed, the job's or the provider's.
    TimedOut,
}

impl FailureCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContractViolation => "contract_violation",
            Self::ProviderRejected => "provider_rejected",
            Self::ProviderLost => "provider_lost",
            Self::ExecutionFailed => "execution_failed",
            Self::OutputMissing => "output_missing",
            Self::OutputInvalid => "output_invalid",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A failure as callers see it. Messages are ours or the worker's, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Failure {
    pub code: FailureCode,
    pub cause: Cause,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_type: Option<String>,
}

impl Failure {
    pub fn of(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            code: cause.code(),
            cause,
            message: message.into(),
            node_id: None,
            class_type: None,
        }
    }
}

/// As rows hold it; rows from before causes were told have none.
#[derive(Deserialize)]
struct Stored {
    code: FailureCode,
    cause: Option<Cause>,
    message: String,
    node_id: Option<String>,
    class_type: Option<String>,
}

impl From<Stored> for Failure {
    fn from(stored: Stored) -> Self {
        Self {
            code: stored.code,
            cause: stored.cause.unwrap_or(stored.code.usual_cause()),
            message: stored.message,
            node_id: stored.node_id,
            class_type: stored.class_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stored_before_causes_were_told_is_still_read() {
        let old = r#"{"code":"provider_lost","message":"gone"}"#;
        let failure: Failure = serde_json::from_str(old).unwrap();
        assert_eq!(failure, Failure::of(Cause::Unconfirmed, "gone"));
        let stored = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&stored).unwrap(), failure);
    }
}
