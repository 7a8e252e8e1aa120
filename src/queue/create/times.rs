//! The moments a caller names, as spans from now: a retry opens its round with the same spans.

use super::Request;
use crate::time::UnixMillis;
use crate::workflow::violation::Violation;

/// How long a job may wait for its start, unless the caller says otherwise.
const START_BY_MS_DEFAULT: u64 = 60 * 60_000;

/// The farthest moment that can be named. RunPod forgets a job after seven days at most, and that
/// must also cover the work itself and the time its result is kept.
const AHEAD_MS_MAX: u64 = 6 * 24 * 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub start_by_ms: u64,
    pub deadline_ms: Option<u64>,
}

/// What is wrong with the moments is added to the request's violations. Nothing starts after its
/// deadline.
pub fn check(request: &mut Request, now: UnixMillis) -> Times {
    let (start_by, deadline) = (request.start_by, request.deadline);
    let start_by_ms = span(request, "/start_by", start_by, now);
    let deadline_ms = span(request, "/deadline", deadline, now);
    let start_by_ms = start_by_ms.unwrap_or(START_BY_MS_DEFAULT);
    Times {
        start_by_ms: deadline_ms.map_or(start_by_ms, |deadline_ms| deadline_ms.min(start_by_ms)),
        deadline_ms,
    }
}

fn span(request: &mut Request, path: &str, at: Option<UnixMillis>, now: UnixMillis) -> Option<u64> {
    let ms = at?.since_ms(now);
    let problem = match ms {
        0 => Some(("in_the_past", "this moment has passed")),
        1..=AHEAD_MS_MAX => None,
        _ => Some(("too_far", "this moment is more than 6 days away")),
    };
    if let Some((code, message)) = problem {
        request.violations.push(Violation::new(path, code, message));
    }
    problem.is_none().then_some(ms)
}
