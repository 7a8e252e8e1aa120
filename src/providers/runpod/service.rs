//! What RunPod says about itself: why it refuses, how long to wait, and how its workers are.

use std::collections::BTreeMap;

use super::json::Json;
use crate::outgoing;
use crate::parse;
use crate::providers::Health;
use crate::time::UnixMillis;

/// The longest pause we accept from a `Retry-After`: longer ones are somebody's mistake, and
/// RunPod forgets a result after thirty minutes.
const RETRY_AFTER_MS_MAX: u64 = 10 * 60 * 1000;

/// The sentence in an error body (`detail`, or what other layers call it).
pub(super) fn error_detail(body: &[u8]) -> Option<String> {
    let json: Json = parse::json_bytes(body).ok()?;
    ["detail", "error", "message", "title"]
        .iter()
        .find_map(|key| json.get(key)?.text())
        .map(str::to_owned)
}

/// Milliseconds to wait, as RunPod asks and as far as we follow.
pub(super) fn retry_after_ms(headers: &BTreeMap<String, String>, now: UnixMillis) -> Option<u64> {
    let asked = outgoing::retry_after_ms(headers, now);
    asked.map(|ms| ms.min(RETRY_AFTER_MS_MAX))
}

/// `None`: the body is not an object. Documentation and client libraries list different keys, so
/// each may be absent.
pub fn health(body: &[u8]) -> Option<Health> {
    let json: Json = parse::json_bytes(body).ok()?;
    if !matches!(json, Json::Object(_)) {
        return None;
    }
    let count = |group: &str, key: &str| json.get(group)?.get(key)?.whole();
    Some(Health {
        reachable: true,
        workers_idle: count("workers", "idle")
            .or_else(|| count("workers", "ready"))
            .unwrap_or(0),
        workers_running: count("workers", "running").unwrap_or(0),
        workers_throttled: count("workers", "throttled").unwrap_or(0),
        workers_unhealthy: count("workers", "unhealthy").unwrap_or(0),
        workers_starting: count("workers", "initializing").unwrap_or(0),
        jobs_queued: count("jobs", "inQueue").unwrap_or(0),
        jobs_running: count("jobs", "inProgress").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_from_seconds_and_from_a_date() {
        // 1,700,000,000 s is 2023-11-14T22:13:20Z.
        let now = UnixMillis::new(1_700_000_000_000);
        for (text, expected) in [
            ("7", Some(7_000)),
            (" 0 ", Some(0)),
            ("Tue, 14 Nov 2023 22:13:25 GMT", Some(5_000)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", Some(0)),
            ("999999999999999999", Some(RETRY_AFTER_MS_MAX)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let headers = BTreeMap::from([("retry-after".to_owned(), text.to_owned())]);
            assert_eq!(retry_after_ms(&headers, now), expected, "{text}");
        }
    }

    #[test]
    fn health_is_read_with_any_of_its_keys_missing() {
        let full = br#"{"jobs":{"completed":27,"failed":0,"inProgress":2,"inQueue":3,"retried":0},
            "workers":{"idle":1,"initializing":4,"ready":5,"running":6,"throttled":7,
            "unhealthy":8}}"#;
        let expected = Health {
            reachable: true,
            workers_idle: 1,
            workers_running: 6,
            workers_throttled: 7,
            workers_unhealthy: 8,
            workers_starting: 4,
            jobs_queued: 3,
            jobs_running: 2,
        };
        assert_eq!(health(full), Some(expected));
        let reachable = Health {
            reachable: true,
            ..Health::default()
        };
        assert_eq!(health(b"{\"jobs\":null}"), Some(reachable));
        assert_eq!(health(b"<html>"), None);
        assert_eq!(health(b"[]"), None);
    }
}
