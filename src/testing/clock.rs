//! A clock that only moves when told to.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::ports::Clock;
use crate::time::UnixMillis;

/// Starts where it is told and stands still until moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new(at: UnixMillis) -> Self {
        Self(AtomicI64::new(at.get()))
    }

    pub fn set(&self, at: UnixMillis) {
        self.0.store(at.get(), Ordering::SeqCst);
    }

    pub fn advance_ms(&self, ms: u64) {
        self.set(self.now().plus_ms(ms));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::SeqCst))
    }
}
