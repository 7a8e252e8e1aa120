//! The admin API of a deployment, as the operator's commands call it.

use std::time::Duration;

use anyhow::{bail, Context};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Longer than any page takes; a call that hangs must not hang the operator.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How often a call is repeated that failed on the way or was put off. Every call may run twice.
const REPEATS_MAX: u32 = 3;
const REPEAT_AFTER: Duration = Duration::from_secs(2);

/// Where a deployment is, and the operator's key to it.
#[derive(clap::Args)]
pub struct Access {
    /// Origin of the deployment
    #[arg(long, env = "EDGE_QUEUE_URL", default_value = "http://127.0.0.1:8787")]
    url: String,

    /// The operator's key; better given in the environment than on a command line
    #[arg(long, env = "ADMIN_KEY", hide_env_values = true, default_value = "")]
    key: String,
}

pub struct Admin {
    agent: ureq::Agent,
    origin: String,
    key: String,
}

impl Admin {
    pub fn new(access: &Access) -> Self {
        let settings = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false);
        Self {
            agent: settings.build().into(),
            origin: access.url.trim_end_matches('/').to_owned(),
            key: access.key.clone(),
        }
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(path, Some(body))
    }

    /// What the deployment answered, after some patience with the way to it.
    fn ask(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut repeats = 0;
        loop {
            match self.ask_once(path, body) {
                Ok(Answer::Body(body)) => return Ok(body),
                Ok(Answer::Refused(why)) => bail!("{path}: {why}"),
                Ok(Answer::NotNow(why)) if repeats == REPEATS_MAX => bail!("{path}: {why}"),
                Err(error) if repeats == REPEATS_MAX => {
                    return Err(error).with_context(|| format!("{}{path}", self.origin));
                }
                Ok(Answer::NotNow(_)) | Err(_) => {}
            }
            repeats += 1;
            wait(REPEAT_AFTER);
        }
    }

    fn ask_once(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.origin);
        let bearer = format!("Bearer {}", self.key);
        let mut response = match body {
            None => self
                .agent
                .get(&url)
                .header("authorization", bearer)
                .call()?,
            Some(body) => self
                .agent
                .post(&url)
                .header("authorization", bearer)
                .header("content-type", "application/json")
                .send(body.to_string())?,
        };
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string()?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if answer["ok"] == true {
            return Ok(Answer::Body(answer));
        }
        let said = answer["message"]
            .as_str()
            .unwrap_or("no edge-queue answers there");
        let why = format!("{said} ({status})");
        Ok(if status == 429 || status >= 500 {
            Answer::NotNow(why)
        } else {
            Answer::Refused(why)
        })
    }
}

/// The command line is an edge of the world: an operator's call that was put off waits here.
#[allow(clippy::disallowed_methods)]
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

enum Answer {
    Body(Value),
    /// Asking again may help.
    NotNow(String),
    Refused(String),
}

/// A line that moves while pages are read. It goes to standard error, and only to a terminal.
pub fn progress(what: &'static str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {prefix}: {pos} examined, {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner()
        .with_prefix(what)
        .with_message("none found");
    // The template above is a constant that is understood.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
