//! Settings, typed, read in one place. Every mistake is reported at once, by name, never by value.

mod reach;

use std::fmt;

use self::reach::is_private;

/// Where the product runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Local,
    Staging,
    Production,
}

impl Environment {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Who runs the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A GPU that is not there: pictures are painted, nothing is spent.
    Simulated,
    Live,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Live => "live",
        }
    }
}

/// A RunPod endpoint and the key that opens it.
#[derive(Clone)]
pub struct RunpodSettings {
    /// Another job API than RunPod's own: a mock. Refused in production.
    pub base_url: Option<String>,
    pub endpoint_id: String,
    pub api_key: String,
}

#[derive(Clone)]
pub struct Config {
    pub environment: Environment,
    pub mode: Mode,
    /// Origin of callback URLs and absolute links, without a trailing slash. Never taken from
    /// `Host`.
    pub public_url: String,
    /// Whether a provider's callbacks can arrive. RunPod's cloud reaches no address of this machine
    /// or its network; a mock and the simulated GPU do.
    pub hears_callbacks: bool,
    pub runpod: Option<RunpodSettings>,
    /// Secrets of tokens and links, newest first.
    pub token_secrets: Vec<String>,
    /// The operator's key. `None`: nobody is the operator.
    pub admin_key: Option<String>,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub setting: &'static str,
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

/// The endpoint id of a configuration that nobody has filled in yet.
const PLACEHOLDER: &str = "replace-me";

/// A shorter secret could be guessed off line from one link.
const SECRET_LENGTH_MIN: usize = 32;

/// Local work needs no secret of its own; nothing outside loopback ever sees what it signs.
const LOCAL_SECRET: &str = "local development only, refused everywhere else";

impl Config {
    /// Reads every setting through `var`, which answers `None` for what is not set.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            var: &var,
            problems: Vec::new(),
        };
        let config = reader.config();
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(reader.problems)
        }
    }
}

struct Reader<'a> {
    var: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let environment = self.environment();
        let runpod = self.runpod(environment);
        let mode = self.mode(environment, runpod.is_some());
        let public_url = self.public_url(environment);
        let in_the_cloud = runpod
            .as_ref()
            .is_some_and(|runpod| runpod.base_url.is_none());
        Config {
            environment,
            mode,
            hears_callbacks: !(mode == Mode::Live && in_the_cloud && is_private(&public_url)),
            public_url,
            runpod,
            token_secrets: self.token_secrets(environment),
            admin_key: self.admin_key(environment),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.var)(name).filter(|value| !value.trim().is_empty())
    }

    fn problem(&mut self, setting: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem {
            setting,
            problem: problem.into(),
        });
    }

    fn environment(&mut self) -> Environment {
        match self.get("ENVIRONMENT").as_deref() {
            Some("local") => Environment::Local,
            Some("staging") => Environment::Staging,
            Some("production") => Environment::Production,
            Some(_) => {
                self.problem("ENVIRONMENT", "must be local, staging or production");
                Environment::Production
            }
            None => {
                self.problem("ENVIRONMENT", "is not set: local, staging or production");
                Environment::Production
            }
        }
    }

    fn runpod(&mut self, environment: Environment) -> Option<RunpodSettings> {
        let endpoint_id = self
            .get("RUNPOD_ENDPOINT_ID")
            .filter(|id| id != PLACEHOLDER)?;
        let api_key = self.get("RUNPOD_API_KEY")?;
        let base_url = self.get("RUNPOD_BASE_URL");
        if base_url.is_some() && environment == Environment::Production {
            self.problem("RUNPOD_BASE_URL", "must not be set in production");
        }
        Some(RunpodSettings {
            base_url,
            endpoint_id,
            api_key,
        })
    }

    /// `PROVIDER` decides; else a real endpoint and key mean live; else simulated.
    fn mode(&mut self, environment: Environment, has_runpod: bool) -> Mode {
        let mode = match self.get("PROVIDER").as_deref() {
            Some("simulated") => Mode::Simulated,
            Some("runpod") => Mode::Live,
            Some(_) => {
                self.problem("PROVIDER", "must be simulated or runpod");
                Mode::Live
            }
            None if has_runpod => Mode::Live,
            None => Mode::Simulated,
        };
        if mode == Mode::Live && !has_runpod {
            self.missing_runpod();
        }
        if mode == Mode::Simulated && environment == Environment::Production {
            self.problem("PROVIDER", "production must not run on the simulated GPU");
            if !has_runpod {
                self.missing_runpod();
            }
        }
        mode
    }

    fn missing_runpod(&mut self) {
        if self
            .get("RUNPOD_ENDPOINT_ID")
            .is_none_or(|id| id == PLACEHOLDER)
        {
            self.problem("RUNPOD_ENDPOINT_ID", "is not set to a real endpoint");
        }
        if self.get("RUNPOD_API_KEY").is_none() {
            self.problem("RUNPOD_API_KEY", "is not set");
        }
    }

    fn public_url(&mut self, environment: Environment) -> String {
        let Some(url) = self.get("PUBLIC_URL") else {
            if environment != Environment::Local {
                self.problem("PUBLIC_URL", "is not set: callbacks and links need it");
            }
            return "http://127.0.0.1:8787".into();
        };
        let url = url.trim_end_matches('/').to_owned();
        let origin = url.strip_prefix("https://").or_else(|| {
            (environment == Environment::Local)
                .then(|| url.strip_prefix("http://"))
                .flatten()
        });
        if !origin.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']))
        {
            self.problem("PUBLIC_URL", "must be an https origin without a path");
        }
        url
    }

    fn token_secrets(&mut self, environment: Environment) -> Vec<String> {
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

    fn admin_key(&mut self, environment: Environment) -> Option<String> {
        let key = self.get("ADMIN_KEY");
        match &key {
            Some(key) if key.len() < SECRET_LENGTH_MIN && environment != Environment::Local => {
                let problem = format!("needs at least {SECRET_LENGTH_MIN} characters");
                self.problem("ADMIN_KEY", problem);
            }
            None if environment == Environment::Production => {
                self.problem("ADMIN_KEY", "is not set: nobody could call");
            }
            _ => {}
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const PRODUCTION: &[(&str, &str)] = &[
        ("ENVIRONMENT", "production"),
        ("PUBLIC_URL", "https://queue.example.com/"),
        ("RUNPOD_ENDPOINT_ID", "abc123"),
        ("RUNPOD_API_KEY", "key"),
        ("TOKEN_SECRETS", SECRET),
        ("ADMIN_KEY", SECRET),
    ];

    fn read(base: &[(&str, &str)], change: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        Config::from_vars(|name| {
            let find = |vars: &[(&str, &str)]| {
                vars.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            find(change).or_else(|| find(base))
        })
    }

    fn check(base: &[(&str, &str)], change: &[(&str, &str)], expected: &[&str]) {
        let problems = read(base, change).err().unwrap_or_default();
        let settings: Vec<&str> = problems.iter().map(|problem| problem.setting).collect();
        assert_eq!(settings, expected, "{change:?}");
    }

    #[test]
    fn a_complete_production_is_live() {
        let config = read(PRODUCTION, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(config.mode, Mode::Live);
        assert_eq!(config.public_url, "https://queue.example.com");
    }

    #[test]
    fn production_refuses_everything_that_is_missing_at_once() {
        let expected = [
            "PROVIDER",
            "RUNPOD_ENDPOINT_ID",
            "RUNPOD_API_KEY",
            "PUBLIC_URL",
            "TOKEN_SECRETS",
            "ADMIN_KEY",
        ];
        check(&[("ENVIRONMENT", "production")], &[], &expected);
        check(
            &[],
            &[],
            &[
                "ENVIRONMENT",
                "PROVIDER",
                "RUNPOD_ENDPOINT_ID",
                "RUNPOD_API_KEY",
                "PUBLIC_URL",
                "TOKEN_SECRETS",
                "ADMIN_KEY",
            ],
        );
    }

    #[test]
    fn production_refuses_the_simulation_and_another_runpod() {
        check(PRODUCTION, &[("PROVIDER", "simulated")], &["PROVIDER"]);
        check(
            PRODUCTION,
            &[("RUNPOD_ENDPOINT_ID", "replace-me")],
            &["PROVIDER", "RUNPOD_ENDPOINT_ID"],
        );
        check(
            PRODUCTION,
            &[("RUNPOD_BASE_URL", "http://127.0.0.1:1")],
            &["RUNPOD_BASE_URL"],
        );
        check(
            PRODUCTION,
            &[("PUBLIC_URL", "http://a.example")],
            &["PUBLIC_URL"],
        );
        check(
            PRODUCTION,
            &[("TOKEN_SECRETS", "short")],
            &["TOKEN_SECRETS"],
        );
        check(PRODUCTION, &[("PROVIDER", "vast")], &["PROVIDER"]);
    }

    #[test]
    fn a_laptop_needs_nothing() {
        let local = &[
            ("ENVIRONMENT", "local"),
            ("RUNPOD_ENDPOINT_ID", "replace-me"),
        ];
        let config = read(local, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(config.mode, Mode::Simulated);
        check(
            local,
            &[("PROVIDER", "runpod")],
            &["RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"],
        );
    }
}
