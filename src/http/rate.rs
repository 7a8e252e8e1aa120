//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), for counters that
//! are exact.

use axum::http::{HeaderName, HeaderValue};

use crate::access::Window;
use crate::queue::allow::Meter;

pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Both headers, with an item for each window that is limited.
pub fn headers(meter: &Meter) -> Vec<(HeaderName, HeaderValue)> {
    let (limits, counted) = (&meter.limits, &meter.standing);
    let windows = [
        (
            "minute",
            Window::Minute,
            limits.jobs_per_minute,
            counted.minute_jobs,
        ),
        ("day", Window::Day, limits.jobs_per_day, counted.day_jobs),
    ];
    let limited: Vec<_> = windows
        .into_iter()
        .filter_map(|(name, window, limit, count)| Some((name, window, limit?, count)))
        .collect();
    if limited.is_empty() {
        return Vec::new();
    }
    let policy = limited.iter().map(|(name, window, limit, _)| {
        format!("\"{name}\";q={limit};w={}", window.length_ms() / 1000)
    });
    let standing = limited.iter().map(|(name, window, limit, count)| {
        let left = limit.saturating_sub(*count);
        format!("\"{name}\";r={left};t={}", window.ends_in_s(meter.at))
    });
    let told = [
        (POLICY, policy.collect::<Vec<_>>().join(", ")),
        (LIMIT, standing.collect::<Vec<_>>().join(", ")),
    ];
    let sent = told.map(|(name, text)| HeaderValue::from_str(&text).ok().map(|text| (name, text)));
    sent.into_iter().flatten().collect()
}
