//! How callers are told: the names of events, when a try follows, and the signature, as Standard
//! Webhooks has them (standardwebhooks.com, specification). Pure.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::backoff::Jitter;
use crate::id::JobId;
use crate::job::JobStatus;
use crate::time::UnixMillis;

/// Before each try: the specification's own schedule, ten tries within 75 hours and 36 minutes. Its
/// second try comes after 5 s; ours when the first one has ended for certain.
const DELAYS_MS: [u64; TRIES_MAX as usize] = [
    0,
    30_000,
    5 * 60_000,
    30 * 60_000,
    2 * 3_600_000,
    5 * 3_600_000,
    10 * 3_600_000,
    14 * 3_600_000,
    20 * 3_600_000,
    24 * 3_600_000,
];
pub const TRIES_MAX: u32 = 10;

/// The longest time that a receiver can ask us to wait: the longest that we wait by ourselves.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600_000;

/// How long the secret of before signs, too, after a rotation.
pub const ROTATION_MS: u64 = 7 * 24 * 3_600_000;

/// The statuses that are told, each with what its event is called.
const TYPES: [(JobStatus, &str); 6] = [
    (JobStatus::Queued, "job.queued"),
    (JobStatus::Running, "job.started"),
    (JobStatus::Succeeded, "job.succeeded"),
    (JobStatus::Failed, "job.failed"),
    (JobStatus::Canceled, "job.canceled"),
    (JobStatus::Expired, "job.expired"),
];

/// What the event is called of a job that came to this status. `canceling` is not told.
pub fn event_type(status: JobStatus) -> &'static str {
    let known = TYPES.iter().find(|(of, _)| *of == status);
    known.map_or("job.canceling", |(_, name)| name)
}

/// The status that an event of this name tells.
pub fn status_of(event_type: &str) -> Option<JobStatus> {
    let known = TYPES.iter().find(|(_, name)| *name == event_type);
    known.map(|(status, _)| *status)
}

/// `evt_<job>_<round>_<status>`: the same event has the same id whenever and however often it is
/// told. Without a full stop, which separates what is signed.
pub fn event_id(job: JobId, round: u32, status: JobStatus) -> String {
    format!("evt_{job}_{round}_{}", status.as_str())
}

/// `None`: no event is called so.
pub fn parse_event_id(text: &str) -> Option<(JobId, u32, JobStatus)> {
    let mut parts = text.strip_prefix("evt_")?.splitn(3, '_');
    let job = JobId::parse(parts.next()?)?;
    let round = parts.next()?.parse().ok()?;
    let status = JobStatus::parse(parts.next()?)?;
    Some((job, round, status))
}

/// Until the next try after `tries`, counted from the event or its last replay. `None`: no other
/// follows.
pub fn next_delay_ms(tries: u32, jitter: Jitter) -> Option<u64> {
    let delay_ms = DELAYS_MS.get(usize::try_from(tries).ok()?)?;
    Some(jitter.spread(*delay_ms))
}

/// A secret as receivers are given it.
pub fn shown(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// A public key as receivers are given it.
pub fn shown_public(key: &[u8]) -> String {
    format!("whpk_{}", STANDARD.encode(key))
}

/// What is signed of one try.
pub fn signed_text(event_id: &str, at: UnixMillis, body: &str) -> String {
    format!("{event_id}.{}.{body}", at.get() / 1000)
}

/// Signatures for who shares a secret, one with each. `webhook-signature` has all there are, with a
/// blank between them, and a receiver needs to know one.
pub fn signatures<S: AsRef<[u8]>>(secrets: &[S], signed: &str) -> Vec<String> {
    let one = |secret: &S| {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_ref()).ok()?;
        mac.update(signed.as_bytes());
        let code = STANDARD.encode(mac.finalize().into_bytes());
        Some(format!("v1,{code}"))
    };
    secrets.iter().filter_map(one).collect()
}

/// An Ed25519 signature, which anybody can verify.
pub fn public_signature(signature: &[u8]) -> String {
    format!("v1a,{}", STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_official_libraries() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = UnixMillis::new(1_614_265_330_000);
        let body = "{\"test\": 2432232314}";
        let text = signed_text("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body);
        let signed = signatures(&[secret], &text);
        assert_eq!(signed, ["v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]);
    }

    #[test]
    fn ten_tries_within_seventy_five_hours() {
        let delays: Vec<u64> = (0..).map_while(|n| next_delay_ms(n, Jitter(127))).collect();
        assert_eq!(delays.len(), 10);
        let hours = delays.iter().sum::<u64>() / 3_600_000;
        assert_eq!(hours, 75);
    }

    #[test]
    fn an_event_id_leads_back_to_its_event_and_holds_no_full_stop() {
        let job = JobId::from_bytes([7; 16]);
        for (status, name) in TYPES {
            let id = event_id(job, 12, status);
            assert!(!id.contains('.'), "{id}");
            assert_eq!(parse_event_id(&id), Some((job, 12, status)));
            assert_eq!(status_of(event_type(status)), Some(status), "{name}");
        }
        for wrong in ["", "evt_", "evt_x_1_failed", "job.failed"] {
            assert_eq!(parse_event_id(wrong), None, "{wrong}");
        }
    }
}
