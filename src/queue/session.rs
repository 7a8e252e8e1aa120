//! Session: what a browser gets instead of a key. Nothing is stored: the token says it all.
//!
//! All sessions together may create so many jobs a day, because anybody can have as many sessions
//! as addresses. The day is cut into shares by a hash of the address: whoever uses up one leaves
//! the others to the others, and nothing has to be kept of anybody. Each session may have a few
//! jobs at a time.

use serde::Deserialize;
use thiserror::Error;

use super::identify::Identity;
use super::QueueError;
use crate::access::{Account, Credits, Limits, Rights, Scope};
use crate::app::App;
use crate::id::{CallerId, JobId};
use crate::log;
use crate::parse;
use crate::ports::{HttpRequest, Method, Rate};
use crate::time::{UnixMillis, DAY_MS};
use crate::token::SessionClaim;

/// A token's life: short, because nothing can revoke it.
const SESSION_MS: u64 = 3_600_000;
/// How long after its end a token still proves whose the gallery is.
pub const RENEWABLE_MS: u64 = 30 * DAY_MS;
/// How old a session may become, however often it is renewed: a token that was taken from its
/// browser is not good for ever.
pub const AGE_MS_MAX: u64 = 180 * DAY_MS;
/// Into so many shares the day's jobs are cut, and no more than there are jobs.
const SHARES: u32 = 8;
/// Jobs of one session at a time.
const LIVE_JOBS_MAX: u32 = 3;
/// What the name of a session's caller begins with; no owner of a key can have it.
const PREFIX: &str = "session:";

/// Cloudflare's documentation, Turnstile, Server-side validation.
const SITEVERIFY: &str = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
/// Its answer has some two hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const TIMEOUT_MS: u32 = 5_000;
/// Cloudflare's documentation: a token has at most 2,048 characters.
pub const CHALLENGE_LENGTH_MAX: usize = 2_048;

#[derive(Debug, Error)]
pub enum NoSession {
    #[error("this deployment gives no sessions")]
    Off,
    #[error("too many sessions")]
    TooMany,
    #[error("the challenge was not passed")]
    Challenge {
        /// By us, to whoever asks.
        is_shown: bool,
    },
    /// Turnstile cannot be asked.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What a browser shows to get a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor<'a> {
    pub address: &'a str,
    /// Its last token, which may have ended.
    pub last: Option<&'a str>,
    /// What Turnstile's widget gave.
    pub challenge: Option<&'a str>,
}

#[derive(Debug)]
pub struct Session {
    pub token: String,
    pub expires_at: UnixMillis,
    pub renewable_until: UnixMillis,
    /// The subject is that of the last token.
    pub renewed: bool,
}

/// Gives a token: of the last one's subject if that is ours and not too old, else of a new one.
pub async fn mint(app: &App, visitor: Visitor<'_>) -> Result<Session, NoSession> {
    if app.config.access.session_jobs_per_day == 0 {
        return Err(NoSession::Off);
    }
    if !app.limiter.allow(Rate::Mint, visitor.address).await {
        return Err(NoSession::TooMany);
    }
    if let Some(secret) = &app.config.access.turnstile_secret {
        let passed = match visitor.challenge {
            Some(response) => is_passed(app, secret, response).await?,
            None => false,
        };
        if !passed {
            let is_shown = app.config.access.turnstile_site_key.is_some();
            return Err(NoSession::Challenge { is_shown });
        }
    }
    let now = app.now();
    let last = visitor
        .last
        .and_then(|token| app.signer.verify_session(token))
        .filter(|claim| now < renewable_until(*claim));
    let expires_at = now.plus_ms(SESSION_MS);
    let claim = SessionClaim {
        // A subject says when it was born, as a job's id does.
        subject: last.map_or_else(|| *app.mint_job_id().as_bytes(), |claim| claim.subject),
        expires_at,
    };
    Ok(Session {
        token: app.signer.session(claim),
        expires_at,
        renewable_until: renewable_until(claim),
        renewed: last.is_some(),
    })
}

fn renewable_until(claim: SessionClaim) -> UnixMillis {
    let born_at = JobId::from_bytes(claim.subject).minted_at();
    if born_at > claim.expires_at {
        // From before subjects said it.
        return UnixMillis::default();
    }
    let until = claim.expires_at.plus_ms(RENEWABLE_MS);
    until.min(born_at.plus_ms(AGE_MS_MAX))
}

/// Who shows this token, calling from `address`. `None`: nobody, any more.
pub(super) fn identity(app: &App, token: &str, address: &str) -> Option<Identity> {
    let claim = app.signer.verify_session(token)?;
    if app.config.access.session_jobs_per_day == 0 || app.now() >= claim.expires_at {
        return None;
    }
    Some(Identity {
        caller: CallerId::new(name(claim.subject)),
        rights: Rights {
            scopes: [Scope::JobsWrite, Scope::JobsRead].into_iter().collect(),
            public_only: true,
            key: None,
            account: Some(account(app, address, Some(LIVE_JOBS_MAX))),
            credits: credits(app),
        },
    })
}

/// Where strangers who call from `address` are counted.
pub(super) fn account(app: &App, address: &str, live_jobs: Option<u32>) -> Account {
    let (share, jobs_per_day) = share(address, app.config.access.session_jobs_per_day);
    Account {
        name: format!("sessions:{share}"),
        limits: Limits {
            jobs_per_minute: None,
            jobs_per_day: Some(jobs_per_day),
            live_jobs,
        },
    }
}

fn name(subject: [u8; 16]) -> String {
    format!("{PREFIX}{:032x}", u128::from_be_bytes(subject))
}

/// Between which names sessions are that were born before then.
pub(super) fn names_before(at: UnixMillis) -> [String; 2] {
    [
        PREFIX.to_owned(),
        name(*JobId::mint(at, [0; 10]).as_bytes()),
    ]
}

/// Which share of the day an address has, and how many of all jobs it is.
fn share(address: &str, jobs: u32) -> (u32, u32) {
    let shares = SHARES.min(jobs).max(1);
    let [a, b, c, d, ..] = *blake3::hash(address.as_bytes()).as_bytes();
    let share = u32::from_be_bytes([a, b, c, d]) % shares;
    (share, jobs / shares + u32::from(share < jobs % shares))
}

/// Who stands in line for a caller: all sessions are one, because anybody can have any number.
pub(super) fn neighbour(caller: &CallerId) -> &str {
    if owns(caller) {
        PREFIX
    } else {
        caller.as_str()
    }
}

/// How sessions pay.
pub(super) fn credits(app: &App) -> Credits {
    let begins = app.config.access.session_credits;
    begins.map_or(Credits::Free, Credits::Begins)
}

/// Whether this is a browser's session.
pub(super) fn owns(caller: &CallerId) -> bool {
    caller.as_str().starts_with(PREFIX)
}

/// Asks Turnstile. A challenge counts once: it tells a second use, too.
async fn is_passed(app: &App, secret: &str, response: &str) -> Result<bool, NoSession> {
    #[derive(Deserialize)]
    struct Verdict {
        success: bool,
    }
    let body = serde_json::json!({
        "secret": secret, "response": response,
    });
    let asked = HttpRequest {
        method: Method::Post,
        url: SITEVERIFY.into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
        timeout_ms: TIMEOUT_MS,
    };
    let answer = app.outgoing.send(asked, ANSWER_BYTES_MAX).await;
    let verdict = answer
        .map_err(|error| error.to_string())
        .and_then(|answer| {
            parse::json_bytes::<Verdict>(&answer.body).map_err(|error| error.to_string())
        });
    match verdict {
        Ok(verdict) => Ok(verdict.success),
        Err(error) => {
            // Neither the secret nor the response is in these words.
            app.log(log::warn("challenge.unanswered").with("error", error));
            Err(NoSession::Queue(QueueError::Challenge))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_day_are_the_day_and_each_address_has_one() {
        for jobs in [1, 5, 8, 100, 10_001] {
            let addresses = (0..10_000).map(|n| share(&n.to_string(), jobs));
            let mut shares: Vec<_> = addresses.collect();
            shares.sort_unstable();
            shares.dedup();
            assert_eq!(shares.len(), usize::try_from(jobs.min(SHARES)).unwrap());
            assert_eq!(shares.iter().map(|(_, jobs)| jobs).sum::<u32>(), jobs);
        }
    }
}
