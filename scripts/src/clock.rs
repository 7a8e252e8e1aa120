//! The time of this machine: the command line is an edge of the world.

use std::time::{SystemTime, UNIX_EPOCH};

use edge_queue::time::UnixMillis;

#[allow(clippy::disallowed_methods)]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    UnixMillis::new(i64::try_from(ms).unwrap_or(i64::MAX))
}
