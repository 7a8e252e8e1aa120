//! The outside world in memory, for tests, simulations and the operator's mocks.

pub mod clock;
pub mod runpod;
