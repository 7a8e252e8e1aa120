//! A clock that only moves when told to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use crate::ports::Clock;
use crate::time::UnixMillis;

/// Starts where it is told and stands still until moved.
#[derive(Debug, Default)]
pub struct ManualClock {
    at: AtomicI64,
    wrong_by_ms: AtomicI64,
}

impl ManualClock {
    pub fn new(at: UnixMillis) -> Self {
        Self {
            at: AtomicI64::new(at.get()),
            wrong_by_ms: AtomicI64::default(),
        }
    }

    pub fn set(&self, at: UnixMillis) {
        self.at.store(at.get(), Ordering::SeqCst);
    }

    pub fn advance_ms(&self, ms: u64) {
        self.set(self.right().plus_ms(ms));
    }

    /// From now on it shows another time than it is, as the clock of one isolate may beside
    /// another's.
    pub fn be_wrong_by(&self, ms: i64) {
        self.wrong_by_ms.store(ms, Ordering::SeqCst);
    }

    /// The time as it is.
    pub fn right(&self) -> UnixMillis {
        UnixMillis::new(self.at.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        let wrong_by_ms = self.wrong_by_ms.load(Ordering::SeqCst);
        UnixMillis::new(self.right().get() + wrong_by_ms)
    }
}

/// The clock of everybody else: of the provider, the alarms, the object store.
pub struct RightClock(pub Arc<ManualClock>);

impl Clock for RightClock {
    fn now(&self) -> UnixMillis {
        self.0.right()
    }
}
