//! How a command ends: 0 done, 1 something is wrong with what it looked at, 2 it could not look;
//! of `ops deploy` alone, 3 deployed, but not all of it was seen to work.

use std::process::ExitCode;

/// What was looked at is at fault, and the output says where.
pub const FOUND: ExitCode = ExitCode::FAILURE;

/// The command itself could not do its work.
pub fn failed() -> ExitCode {
    ExitCode::from(2)
}

/// What was done stays done, and a part of it could not be seen to work.
pub fn unproven() -> ExitCode {
    ExitCode::from(3)
}
