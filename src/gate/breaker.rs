//! The breaker: an endpoint that refuses is tried by one job at a time.

use std::collections::VecDeque;

use crate::id::JobId;
use crate::time::UnixMillis;

/// So many failed submits within [`TROUBLE_MS`] close the gate for everybody else.
const TROUBLES_MAX: usize = 3;
const TROUBLE_MS: u64 = 60_000;
/// How long the gate stays closed: doubled with every attempt that fails again.
const CLOSED_MS_MIN: u64 = 2_000;
const CLOSED_MS_MAX: u64 = 60_000;

#[derive(Default)]
pub(super) struct Breaker {
    troubles: VecDeque<UnixMillis>,
    /// Closures since the last submit that was taken.
    closures: u32,
    pub(super) closed_until: Option<UnixMillis>,
    /// The one job that tries.
    pub(super) trying: Option<JobId>,
}

impl Breaker {
    /// A submit failed; the endpoint may have said how long it takes none.
    pub(super) fn trouble(&mut self, until: Option<UnixMillis>, now: UnixMillis) {
        self.troubles.push_back(now);
        while self
            .troubles
            .front()
            .is_some_and(|at| now.since_ms(*at) >= TROUBLE_MS)
        {
            self.troubles.pop_front();
        }
        let was_trying = self.closed_until.is_some_and(|until| until <= now);
        if until.is_none() && !was_trying && self.troubles.len() < TROUBLES_MAX {
            return;
        }
        let doubled = CLOSED_MS_MIN.saturating_mul(1 << self.closures.min(16));
        self.closures += 1;
        let own = now.plus_ms(doubled.min(CLOSED_MS_MAX));
        let asked = until.unwrap_or(own);
        self.closed_until = self.closed_until.max(Some(own.max(asked)));
    }
}
