//! Why a job or an attempt ended without a result.

use serde::{Deserialize, Serialize};

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

    /// Whether the same job may well succeed when it is tried again.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::ProviderLost | Self::OutputMissing | Self::OutputInvalid | Self::TimedOut => true,
            Self::ContractViolation | Self::ProviderRejected | Self::ExecutionFailed => false,
        }
    }
}

/// A failure as callers see it. Messages are ours or the worker's, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_type: Option<String>,
}

impl Failure {
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            node_id: None,
            class_type: None,
        }
    }
}
