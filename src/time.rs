//! Moments in time. The core never reads a clock: `now` comes in through [`crate::ports::Clock`].

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

pub const DAY_MS: u64 = 24 * 3_600_000;

/// Milliseconds since 1970-01-01T00:00:00Z. Fits a JavaScript number until the year 287396.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(i64);

impl UnixMillis {
    pub const fn new(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// The moment `ms` later; the far end of time instead of an overflow.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this moment; 0 when the clock went backwards.
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// ISO 8601 with milliseconds and `Z`, as in every answer of the API.
    pub fn iso8601(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_iso_8601() {
        assert_eq!(
            UnixMillis::new(1_763_668_952_123).iso8601(),
            "2025-11-20T20:02:32.123Z"
        );
    }

    #[test]
    fn time_never_overflows_and_never_runs_backwards() {
        assert_eq!(UnixMillis::new(5).since_ms(UnixMillis::new(9)), 0);
        assert_eq!(UnixMillis::new(1).plus_ms(u64::MAX).get(), i64::MAX);
    }
}
