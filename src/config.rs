//! Settings, typed, read in one place. Every mistake is reported at once, by name, never by value.

mod access;
mod runpod;

use std::fmt;

pub use self::access::AccessSettings;
pub use self::runpod::{RunpodSettings, BASE_URL};

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

/// What jobs are given to.
#[derive(Clone)]
pub enum Gpu {
    /// New jobs are simulated; those of an endpoint that is still configured are looked after.
    Simulated {
        beside: Option<RunpodSettings>,
    },
    Runpod(RunpodSettings),
}

impl Gpu {
    const fn mode(&self) -> Mode {
        match self {
            Self::Simulated { .. } => Mode::Simulated,
            Self::Runpod(_) => Mode::Live,
        }
    }
}

#[derive(Clone)]
pub struct Config {
    pub environment: Environment,
    pub gpu: Gpu,
    /// Origin of callback URLs and absolute links, without a trailing slash. Never taken from
    /// `Host`.
    pub public_url: String,
    /// Secrets of tokens and links, newest first.
    pub token_secrets: Vec<String>,
    /// The operator's key, with which the first API key is made. `None`: nobody is the operator.
    pub admin_key: Option<String>,
    pub access: AccessSettings,
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

    pub const fn mode(&self) -> Mode {
        self.gpu.mode()
    }
}

struct Reader<'a> {
    var: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let environment = self.environment();
        let gpu = self.gpu(environment);
        Config {
            environment,
            public_url: self.public_url(environment),
            token_secrets: self.token_secrets(environment),
            admin_key: self.admin_key(environment),
            access: self.access(environment, gpu.mode()),
            gpu,
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
        let base_url = base_url.unwrap_or_else(|| BASE_URL.into());
        let settings = RunpodSettings {
            base_url: base_url.trim_end_matches('/').to_owned(),
            endpoint_id,
            api_key,
        };
        self.problems.extend(settings.problems());
        Some(settings)
    }

    /// `PROVIDER` decides; else a real endpoint and key mean live; else simulated.
    fn gpu(&mut self, environment: Environment) -> Gpu {
        let runpod = self.runpod(environment);
        match (self.get("PROVIDER").as_deref(), runpod) {
            (None | Some("runpod"), Some(settings)) => return Gpu::Runpod(settings),
            (Some("runpod"), None) => self.missing_runpod(),
            (None | Some("simulated"), beside) => {
                if environment != Environment::Production {
                    return Gpu::Simulated { beside };
                }
                self.problem("PROVIDER", "production must not run on the simulated GPU");
                if beside.is_none() {
                    self.missing_runpod();
                }
            }
            (Some(_), _) => self.problem("PROVIDER", "must be simulated or runpod"),
        }
        // Never used: what brought us here was reported as a problem.
        Gpu::Simulated { beside: None }
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
        assert_eq!(config.mode(), Mode::Live);
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
    fn every_mistake_in_who_may_call_is_named_at_once() {
        let wrong = &[
            ("ADMIN_KEY", "short"),
            ("ALLOWED_ORIGINS", "https://a.example, *"),
            ("SESSION_JOBS_PER_DAY", "many"),
            ("TURNSTILE_SECRET", "1x0000000000000000000000000000000AA"),
            ("BACKLOG_MAX", "-1"),
        ];
        let expected = [
            "ADMIN_KEY",
            "ALLOWED_ORIGINS",
            "SESSION_JOBS_PER_DAY",
            "TURNSTILE_SECRET",
            "BACKLOG_MAX",
        ];
        check(PRODUCTION, wrong, &expected);
    }

    /// Strangers' jobs cost money: nobody who only wanted keys should find that pages spend it.
    #[test]
    fn a_live_deployment_gives_sessions_only_when_it_is_told_to() {
        let jobs = |change: &[(&str, &str)]| {
            let config = read(PRODUCTION, change).unwrap_or_else(|p| panic!("{p:?}"));
            config.access.session_jobs_per_day
        };
        assert_eq!(jobs(&[]), 0);
        assert_eq!(jobs(&[("SESSION_JOBS_PER_DAY", "500")]), 500);
    }

    #[test]
    fn every_mistake_in_a_runpod_setting_is_named_at_once() {
        let wrong = &[
            ("RUNPOD_ENDPOINT_ID", "a/b"),
            ("RUNPOD_API_KEY", "key\nkey"),
            ("PUBLIC_URL", "nowhere"),
        ];
        let expected = ["RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY", "PUBLIC_URL"];
        check(PRODUCTION, wrong, &expected);
    }

    #[test]
    fn a_mock_is_found_with_and_without_a_slash() {
        let mock = &[
            ("ENVIRONMENT", "local"),
            ("RUNPOD_BASE_URL", "http://127.0.0.1:9/v2/"),
        ];
        match read(PRODUCTION, mock).map(|config| config.gpu) {
            Ok(Gpu::Runpod(settings)) => assert_eq!(settings.base_url, "http://127.0.0.1:9/v2"),
            _ => panic!("the mock is refused"),
        }
    }

    #[test]
    fn a_laptop_needs_nothing() {
        let local = &[
            ("ENVIRONMENT", "local"),
            ("RUNPOD_ENDPOINT_ID", "replace-me"),
        ];
        let config = read(local, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(config.mode(), Mode::Simulated);
        check(
            local,
            &[("PROVIDER", "runpod")],
            &["RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"],
        );
    }
}
