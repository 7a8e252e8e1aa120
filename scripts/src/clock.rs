//! The time of this machine: the command line is an edge of the world.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use edge_queue::time::UnixMillis;

#[allow(clippy::disallowed_methods)]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    UnixMillis::new(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// What its user waits for is waited for here.
#[allow(clippy::disallowed_methods)]
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// What its user waits for is measured here.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods)]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn time(&self) -> Duration {
        self.0.elapsed()
    }

    pub fn ms(&self) -> u64 {
        u64::try_from(self.time().as_millis()).unwrap_or(u64::MAX)
    }
}
