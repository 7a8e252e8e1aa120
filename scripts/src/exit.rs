//! How a command ends: 0 done, 1 something is wrong with what it looked at, 2 it could not look.

use std::process::ExitCode;

/// What was looked at is at fault, and the output says where.
pub const FOUND: ExitCode = ExitCode::FAILURE;

/// The command itself could not do its work.
pub fn failed() -> ExitCode {
    ExitCode::from(2)
}
