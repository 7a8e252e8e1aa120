//! Long work over a deployment's admin API: calls that may be repeated, and a line that moves.

use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{json, Value};

use crate::clock::wait;
use crate::deployment::{Answer, Call, Deployment};
use crate::told;

/// How often a call is repeated that failed on the way or was put off. Every call here may run
/// twice.
const REPEATS_MAX: u32 = 3;
const REPEAT_AFTER: Duration = Duration::from_secs(2);

pub struct Admin<'a>(pub &'a Deployment);

/// Whom to ask, and how to tell what was answered
#[derive(clap::Args)]
pub struct Asked {
    #[command(flatten)]
    pub deployment: Deployment,

    /// The answer as JSON, on one line
    #[arg(long, global = true)]
    pub json: bool,
}

impl Asked {
    /// To standard output, which a reader may close at any time.
    pub fn tell(&self, answer: &Value, shown: impl Fn(&Value) -> String) -> anyhow::Result<()> {
        if self.json {
            return told::json(answer);
        }
        let text = match answer["would_post"].as_str() {
            Some(path) => format!("would POST {path} {}\n", answer["body"]),
            None => shown(answer),
        };
        Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
    }
}

/// The same for what may change something
#[derive(clap::Args)]
pub struct Changing {
    #[command(flatten)]
    pub asked: Asked,

    /// Say what would be changed, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
}

impl Changing {
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        if self.dry_run {
            return Ok(json!({ "dry_run": true, "would_post": path, "body": body }));
        }
        self.asked.deployment.post(path, body)
    }
}

impl Admin<'_> {
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(path, || Call::Get)
    }

    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(path, || Call::Post(body))
    }

    /// What the deployment answered, after some patience with the way to it.
    fn ask<'c>(&self, path: &str, call: impl Fn() -> Call<'c>) -> anyhow::Result<Value> {
        self.0.expect_settings()?;
        let mut repeats = 0;
        loop {
            match self.0.call(path, call()) {
                Ok(Answer::Body(body)) => return Ok(body),
                Ok(Answer::Refused(why)) => bail!("{path}: {why}"),
                Ok(Answer::NotNow(why)) if repeats == REPEATS_MAX => bail!("{path}: {why}"),
                Err(error) if repeats == REPEATS_MAX => return Err(error),
                Ok(Answer::NotNow(_)) | Err(_) => {}
            }
            repeats += 1;
            wait(REPEAT_AFTER);
        }
    }
}

/// What all pages of a list hold under `name`; `seen` hears of it after each.
pub fn pages(
    get: impl Fn(&str) -> anyhow::Result<Value>,
    path: &str,
    name: &str,
    seen: impl Fn(&[Value]),
) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut page = get(path)?;
    loop {
        let found = page[name].as_array_mut().map(std::mem::take);
        all.extend(found.unwrap_or_default());
        seen(&all);
        let Some(cursor) = page["next_cursor"].as_str() else {
            return Ok(all);
        };
        page = get(&format!("{path}?cursor={cursor}"))?;
    }
}

/// A line that moves while pages are read. It goes to standard error, and only to a terminal.
pub fn progress(what: &'static str) -> ProgressBar {
    let template = "{spinner} {prefix}: {pos} examined, {msg} ({elapsed})";
    moving(template, what, "none found")
}

/// The same while something takes its time.
pub fn waiting(what: &'static str) -> ProgressBar {
    moving("{spinner} {prefix}: {msg} ({elapsed})", what, "sent")
}

fn moving(template: &str, what: &'static str, says: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new_spinner()
        .with_prefix(what)
        .with_message(says);
    // The templates are constants that are understood.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
