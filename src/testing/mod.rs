//! The outside world in memory, for tests, simulations and the operator's mocks.

mod answered;
pub mod clock;
pub mod gates;
pub mod golden;
pub mod memory;
pub mod queue;
pub mod receiver;
pub mod runpod;
pub mod sqlite;
mod turnstile;
pub mod watchers;
