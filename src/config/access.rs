//! Settings of who may call, and how much.

use super::{Environment, Mode, Reader};

/// What callers without an API key of their own are given.
#[derive(Clone)]
pub struct AccessSettings {
    /// Whether a deployment outside this machine takes callers without a key.
    pub is_open: bool,
    /// Origins whose pages may call, besides our own.
    pub allowed_origins: Vec<String>,
    /// Jobs a day of all browser sessions together. 0: there are no sessions.
    pub session_jobs_per_day: u32,
    /// Cloudflare Turnstile's secret. `None`: sessions are given without a challenge.
    pub turnstile_secret: Option<String>,
    /// What Cloudflare's widget is shown with on our own pages. `None`: they show none.
    pub turnstile_site_key: Option<String>,
    /// Jobs that have not ended, of all callers, before creates are turned away.
    pub backlog_max: u32,
    /// What a session begins with, in credits. `None`: nobody pays with credits.
    pub session_credits: Option<u32>,
}

/// A shorter secret could be guessed off line from one link.
const SECRET_LENGTH_MIN: usize = 32;

/// Local work needs no secret of its own; nothing outside loopback ever sees what it signs.
const LOCAL_SECRET: &str = "local development only, refused everywhere else";

/// A simulated GPU spends nothing, and here nothing else does.
const LOCAL_JOBS_PER_DAY: u32 = 10_000;
/// Its rows and files are somebody's: enough for everybody who looks, and cents a day if somebody
/// tries to use up all of it.
const SIMULATED_JOBS_PER_DAY: u32 = 1_000;

/// One of each thing that the pages make, nearly: the first person to look can make a video, too.
const SIMULATED_CREDITS: u32 = 20;

/// More than an endpoint of some twenty workers does in the hour that a job waits at most.
const BACKLOG_MAX_DEFAULT: u32 = 10_000;

/// Each is compared with every request's `Origin`.
const ORIGINS_MAX: usize = 32;

impl Reader<'_> {
    pub(super) fn access(&mut self, environment: Environment, mode: Mode) -> AccessSettings {
        let sessions = match (mode, environment) {
            (Mode::Simulated, Environment::Local) => LOCAL_JOBS_PER_DAY,
            (Mode::Simulated, Environment::Staging | Environment::Production) => {
                SIMULATED_JOBS_PER_DAY
            }
            (Mode::Live, _) => 0,
        };
        AccessSettings {
            is_open: self.is_open(environment, mode),
            allowed_origins: self.allowed_origins(),
            session_jobs_per_day: self.whole("SESSION_JOBS_PER_DAY", sessions),
            turnstile_site_key: self.turnstile_site_key(),
            turnstile_secret: self.turnstile_secret(environment),
            backlog_max: self.whole("BACKLOG_MAX", BACKLOG_MAX_DEFAULT),
            session_credits: self.session_credits(mode),
        }
    }

    /// A simulated GPU spends nothing, but its database and its object store are somebody's.
    fn is_open(&mut self, environment: Environment, mode: Mode) -> bool {
        let is_asked = match self.get("KEYLESS").as_deref() {
            None | Some("off") => false,
            Some("on") => true,
            Some(_) => {
                self.problem("KEYLESS", "must be on or off");
                false
            }
        };
        let may_be = environment != Environment::Production && mode == Mode::Simulated;
        if is_asked && !may_be {
            let problem = "may be on only where the GPU is simulated, and not in production";
            self.problem("KEYLESS", problem);
        }
        is_asked && may_be
    }

    /// Asked for where the GPU is simulated, so that the pages show them; live only on request.
    fn session_credits(&mut self, mode: Mode) -> Option<u32> {
        let begins = match mode {
            Mode::Simulated => SIMULATED_CREDITS,
            Mode::Live => 0,
        };
        let begins = self.whole("SESSION_CREDITS", begins);
        let is_on = match self.get("CREDITS").as_deref() {
            None => mode == Mode::Simulated,
            Some("on") => true,
            Some("off") => false,
            Some(_) => {
                self.problem("CREDITS", "must be on or off");
                false
            }
        };
        is_on.then_some(begins)
    }

    fn whole(&mut self, setting: &'static str, default: u32) -> u32 {
        let Some(text) = self.get(setting) else {
            return default;
        };
        text.trim().parse().unwrap_or_else(|_| {
            self.problem(setting, "must be a whole number, 0 to 4294967295");
            default
        })
    }

    fn allowed_origins(&mut self) -> Vec<String> {
        let list = self.get("ALLOWED_ORIGINS").unwrap_or_default();
        let origins: Vec<String> = list
            .split(',')
            .map(|origin| origin.trim().to_owned())
            .filter(|origin| !origin.is_empty())
            .collect();
        if origins.len() > ORIGINS_MAX || !origins.iter().all(|origin| is_origin(origin)) {
            let problem = format!(
                "must be at most {ORIGINS_MAX} origins as a browser sends them, separated by \
                 commas: https://shop.example.com, without a path or a slash at the end"
            );
            self.problem("ALLOWED_ORIGINS", problem);
        }
        origins
    }

    fn turnstile_site_key(&mut self) -> Option<String> {
        let key = self.get("TURNSTILE_SITE_KEY")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        if !key.bytes().all(plain) {
            let problem = "has other characters than letters, digits, _ and -";
            self.problem("TURNSTILE_SITE_KEY", problem);
        }
        if self.get("TURNSTILE_SECRET").is_none() {
            let problem = "is of no use without TURNSTILE_SECRET: nobody would verify it";
            self.problem("TURNSTILE_SITE_KEY", problem);
        }
        Some(key)
    }

    fn turnstile_secret(&mut self, environment: Environment) -> Option<String> {
        let secret = self.get("TURNSTILE_SECRET")?;
        // Cloudflare's documentation, Turnstile, Testing: `1x000…`, `2x000…` and `3x000…`.
        let is_test = secret
            .get(1..)
            .is_some_and(|rest| rest.starts_with("x00000"));
        if is_test && environment == Environment::Production {
            self.problem(
                "TURNSTILE_SECRET",
                "is one of Cloudflare's for tests: it proves nothing",
            );
        }
        Some(secret)
    }

    pub(super) fn token_secrets(&mut self, environment: Environment) -> Vec<String> {
        let Some(list) = self.get("TOKEN_SECRETS") else {
            if environment != Environment::Local {
                self.problem(
                    "TOKEN_SECRETS",
                    "is not set: one secret, or two during a change",
                );
            }
            return vec![LOCAL_SECRET.into()];
        };
        let secrets: Vec<String> = list.split(',').map(|s| s.trim().to_owned()).collect();
        if secrets
            .iter()
            .any(|secret| secret.len() < SECRET_LENGTH_MIN)
        {
            let problem = format!("every secret needs at least {SECRET_LENGTH_MIN} characters");
            self.problem("TOKEN_SECRETS", problem);
        }
        secrets
    }

    pub(super) fn admin_key(&mut self, environment: Environment) -> Option<String> {
        let key = self.get("ADMIN_KEY");
        match &key {
            Some(key) if key.len() < SECRET_LENGTH_MIN && environment != Environment::Local => {
                let problem = format!("needs at least {SECRET_LENGTH_MIN} characters");
                self.problem("ADMIN_KEY", problem);
            }
            None if environment == Environment::Production => {
                self.problem(
                    "ADMIN_KEY",
                    "is not set: nobody could call, or make a key for others",
                );
            }
            _ => {}
        }
        key
    }
}

/// As a browser writes an origin. Plain HTTP is for pages on this machine.
fn is_origin(text: &str) -> bool {
    let host = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(host), _) => host,
        (None, Some(host)) if ["localhost", "127.0.0.1"].contains(&bare(host)) => host,
        _ => return false,
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
    !host.is_empty() && host.bytes().all(plain)
}

fn bare(host: &str) -> &str {
    host.split(':').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in [
            "https://shop.example.com",
            "https://a.example:8443",
            "http://localhost:3000",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "http://a.example",
            "https://A.example",
            "https://a@b.example",
            "https://*.example",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
