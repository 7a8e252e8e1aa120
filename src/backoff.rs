//! How long to wait: attempt → delay. Pure; jitter is passed in.

/// Between looks at a job that runs: a quarter of the time it has run, so that a job is noticed
/// late by at most a quarter of its own duration.
const LOOK_MIN_MS: u64 = 2_000;
/// RunPod forgets results after 30 minutes: a look every minute leaves thirty chances.
const LOOK_MAX_MS: u64 = 60_000;

/// A template that usually takes half an hour is looked at sooner all the same: a sixth of the time
/// that RunPod keeps a result.
const FIRST_LOOK_MAX_MS: u64 = 5 * 60_000;

const RETRY_MIN_MS: u64 = 1_000;
const RETRY_MAX_MS: u64 = 60_000;

/// Until the next look at an attempt that was submitted `elapsed_ms` ago.
pub fn look_delay_ms(elapsed_ms: u64, jitter: Jitter) -> u64 {
    jitter.spread((elapsed_ms / 4).clamp(LOOK_MIN_MS, LOOK_MAX_MS))
}

/// Until the first look at an attempt that is expected to be over after `usual_ms`.
pub fn first_look_delay_ms(usual_ms: u64, jitter: Jitter) -> u64 {
    jitter.spread(usual_ms.min(FIRST_LOOK_MAX_MS))
}

/// Until the next attempt after `failures` that ended before it: `wait_ms`, doubling.
pub fn again_delay_ms(wait_ms: u64, failures: u32, jitter: Jitter) -> u64 {
    jitter.spread(wait_ms.saturating_mul(1 << failures.min(16)))
}

/// Until the next submit after `refusals` refusals in a row: doubling, from one second to a minute.
pub fn retry_delay_ms(refusals: u32, jitter: Jitter) -> u64 {
    let doubled = RETRY_MIN_MS.saturating_mul(1 << refusals.saturating_sub(1).min(16));
    jitter.spread(doubled.min(RETRY_MAX_MS))
}

/// A random number that spreads a delay by up to a tenth either way, so that a thousand jobs that
/// failed together do not come back together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter(pub u8);

impl Jitter {
    pub(crate) fn spread(self, ms: u64) -> u64 {
        let tenth = ms / 10;
        ms - tenth + 2 * tenth * u64::from(self.0) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_the_age_of_the_attempt_within_their_limits() {
        let middle = |elapsed| look_delay_ms(elapsed, Jitter(127));
        assert!((1_900..=2_000).contains(&middle(0)));
        assert!((9_900..=10_000).contains(&middle(40_000)));
        assert!((59_000..=60_000).contains(&middle(3_600_000)));
    }

    #[test]
    fn the_first_look_is_at_the_usual_time_and_never_later_than_a_sixth_of_what_runpod_keeps() {
        assert_eq!(first_look_delay_ms(20_000, Jitter(0)), 18_000);
        assert_eq!(first_look_delay_ms(20_000, Jitter(255)), 22_000);
        let latest = first_look_delay_ms(u64::MAX, Jitter(255));
        assert!(latest <= 30 * 60_000 / 5, "{latest}");
    }

    #[test]
    fn each_further_attempt_waits_twice_as_long() {
        let delays: Vec<u64> = (0..3)
            .map(|n| again_delay_ms(5_000, n, Jitter(0)))
            .collect();
        assert_eq!(delays, [4_500, 9_000, 18_000]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        assert_eq!(look_delay_ms(40_000, Jitter(0)), 9_000);
        assert_eq!(look_delay_ms(40_000, Jitter(255)), 11_000);
    }

    #[test]
    fn retries_double_and_stop_growing_at_a_minute() {
        let delays: Vec<u64> = (1..10).map(|n| retry_delay_ms(n, Jitter(0))).collect();
        assert_eq!(delays[..4], [900, 1_800, 3_600, 7_200]);
        assert_eq!(delays[8], 54_000);
        assert_eq!(retry_delay_ms(u32::MAX, Jitter(255)), 66_000);
    }
}
