//! How long results are kept, and the links that open them without a key.

use crate::app::App;
use crate::store::jobs::Record;
use crate::time::UnixMillis;

/// Result links live a day, and end on the hour: answers made in the same hour are the same, so
/// that their tags hold.
const LINK_MS: u64 = 24 * 3_600_000;
const LINK_WINDOW_MS: i64 = 3_600_000;

/// Until when a job and its results are kept, if it has ended by then.
pub fn expires_at(app: &App, record: &Record) -> UnixMillis {
    let kept_ms = app.config.retention.job_ms;
    record.accepted.created_at.plus_ms(kept_ms)
}

/// A link that opens the bytes without a key, and when it ends: at `expires_at` or before.
pub fn signed(app: &App, key: &str, expires_at: UnixMillis) -> (String, UnixMillis) {
    let ends = app.now().plus_ms(LINK_MS).get();
    let window = UnixMillis::new(ends - ends.rem_euclid(LINK_WINDOW_MS) + LINK_WINDOW_MS);
    let ends_at = window.min(expires_at);
    let query = app.signer.link_query(key, ends_at);
    (format!("/api/result/{key}?{query}"), ends_at)
}
