//! Settings, typed, read in one place. Every mistake is reported at once, by name, never by value.

mod access;
mod mail;
mod proxy;
mod reach;
mod retention;
mod runpod;

use std::fmt;

pub use self::access::AccessSettings;
pub use self::mail::MailSettings;
pub use self::proxy::ProxySettings;
use self::reach::is_private;
pub use self::retention::Retention;
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
    /// Whether a provider's callbacks can arrive. RunPod's cloud reaches no address of this machine
    /// or its network; a mock and the simulated GPU do.
    pub hears_callbacks: bool,
    /// Secrets of tokens and links, newest first.
    pub token_secrets: Vec<String>,
    /// The operator's key, with which the first API key is made. `None`: nobody is the operator.
    pub admin_key: Option<String>,
    /// Jobs that are at an endpoint at once; the others wait here, in fair order.
    pub jobs_at_endpoint_max: u32,
    pub access: AccessSettings,
    /// Whom to tell by e-mail how jobs end. `None`: nobody.
    pub mail: Option<MailSettings>,
    /// A ComfyUI that the operator may ask. `None`: there is no such way.
    pub proxy: Option<ProxySettings>,
    pub retention: Retention,
    /// What a second of the endpoint's GPU costs. `None`: costs are not known.
    pub gpu_usd_per_second: Option<f64>,
    /// What the platform calls the code that runs: two deploys of one version are two.
    pub version_id: Option<String>,
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

/// No setting: the platform says it of the code.
pub const VERSION_ID: &str = "VERSION_ID";

/// The endpoint id of a configuration that nobody has filled in yet.
const PLACEHOLDER: &str = "replace-me";

/// An endpoint may always hold so many waiting jobs (docs.runpod.io, Serverless, Job states: it
/// refuses above 50 and above 500 for each of its workers).
const ENDPOINT_JOBS_DEFAULT: u32 = 50;
/// The gate reads them all from the database when it starts.
const ENDPOINT_JOBS_MOST: u32 = 1_000;

/// Ten times the dearest worker (docs.runpod.io, Serverless, Pricing): more is a price per hour.
const USD_PER_SECOND_MOST: f64 = 0.1;

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
        let public_url = self.public_url(environment);
        let in_the_cloud = matches!(&gpu, Gpu::Runpod(runpod) if runpod.base_url == BASE_URL);
        Config {
            environment,
            hears_callbacks: !(in_the_cloud && is_private(&public_url)),
            public_url,
            token_secrets: self.token_secrets(environment),
            admin_key: self.admin_key(environment),
            jobs_at_endpoint_max: self.jobs_at_endpoint_max(),
            access: self.access(environment, gpu.mode()),
            mail: self.mail(),
            proxy: self.proxy(environment),
            retention: self.retention(),
            gpu_usd_per_second: self.gpu_usd_per_second(),
            version_id: self.get(VERSION_ID),
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
    fn gpu_usd_per_second(&mut self) -> Option<f64> {
        let text = self.get("GPU_USD_PER_SECOND")?;
        let price = text.trim().parse().ok();
        let fits = price.filter(|price| (0.0..=USD_PER_SECOND_MOST).contains(price));
        if fits.is_none() {
            let problem = format!("must be a price like 0.00031, at most {USD_PER_SECOND_MOST}");
            self.problem("GPU_USD_PER_SECOND", problem);
        }
        fits
    }

    fn jobs_at_endpoint_max(&mut self) -> u32 {
        let Some(text) = self.get("ENDPOINT_JOBS_MAX") else {
            return ENDPOINT_JOBS_DEFAULT;
        };
        let number = text.trim().parse().ok();
        let fits = number.filter(|number| (1..=ENDPOINT_JOBS_MOST).contains(number));
        if fits.is_none() {
            let problem = format!("must be a whole number from 1 to {ENDPOINT_JOBS_MOST}");
            self.problem("ENDPOINT_JOBS_MAX", problem);
        }
        fits.unwrap_or(ENDPOINT_JOBS_DEFAULT)
    }
}

#[cfg(test)]
mod tests;
