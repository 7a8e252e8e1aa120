//! A deployment of the product, spoken to over HTTP with the operator's key.

use std::time::Duration;

use anyhow::{bail, Context};
use serde_json::Value;

/// An inventory of some megabytes takes longest, over a slow line.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Which deployment
#[derive(clap::Args)]
pub struct Origin {
    /// Origin of the deployment; else `EDGE_QUEUE_URL`, else what `make dev` serves
    #[arg(long, visible_alias = "base-url", global = true, value_name = "URL")]
    url: Option<String>,
}

impl Origin {
    pub fn get(&self) -> anyhow::Result<String> {
        let set = self.url.clone().or_else(|| variable("EDGE_QUEUE_URL"));
        let url = set.unwrap_or_else(|| "http://127.0.0.1:8787".into());
        if !url.starts_with("https://") && !url.starts_with("http://") {
            bail!("{url} is no origin: one begins with https://");
        }
        Ok(url.trim_end_matches('/').to_owned())
    }
}

/// Which deployment, and as whom
#[derive(clap::Args)]
pub struct Deployment {
    #[command(flatten)]
    origin: Origin,

    /// Instead of `ADMIN_KEY`.
    #[arg(skip)]
    key: Option<String>,
}

/// The deployment understood, and said no.
#[derive(Debug)]
pub struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

pub enum Call<'a> {
    Get,
    Post(&'a Value),
    Put(String),
}

/// What a deployment answered.
pub enum Answer {
    Body(Value),
    /// Asking again may help.
    NotNow(String),
    Refused(String),
}

impl Deployment {
    pub fn of(url: &str, key: &str) -> Self {
        Self {
            origin: Origin {
                url: Some(url.to_owned()),
            },
            key: Some(key.to_owned()),
        }
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        body(self.call(path, Call::Get)?)
    }

    pub fn post(&self, path: &str, asked: &Value) -> anyhow::Result<Value> {
        body(self.call(path, Call::Post(asked))?)
    }

    /// A document that may be megabytes long.
    pub fn put(&self, path: &str, json: String) -> anyhow::Result<Value> {
        body(self.call(path, Call::Put(json))?)
    }

    pub fn call(&self, path: &str, call: Call<'_>) -> anyhow::Result<Answer> {
        let (origin, bearer) = (self.origin.get()?, self.bearer()?);
        let url = format!("{origin}{path}");
        let with_body = |request: ureq::RequestBuilder<_>, json: String| {
            let request = request.header("authorization", &bearer);
            request.content_type("application/json").send(json)
        };
        let answer = match call {
            Call::Get => agent().get(&url).header("authorization", &bearer).call(),
            Call::Post(asked) => with_body(agent().post(&url), asked.to_string()),
            Call::Put(json) => with_body(agent().put(&url), json),
        };
        read(answer.with_context(|| format!("no answer from {origin}"))?)
    }

    pub fn origin(&self) -> anyhow::Result<String> {
        self.origin.get()
    }

    /// Whether what only this machine can say is there: asking again would not bring it.
    pub fn expect_settings(&self) -> anyhow::Result<()> {
        self.origin.get().and(self.bearer()).map(drop)
    }

    /// From the environment alone: a command line is seen by every process, and kept in histories.
    fn bearer(&self) -> anyhow::Result<String> {
        let key = self.key.clone().or_else(|| variable("ADMIN_KEY"));
        let key =
            key.context("ADMIN_KEY is not set: the operator's key, or one with the scope admin")?;
        Ok(format!("Bearer {key}"))
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        // A redirect would take the key somewhere else.
        .max_redirects(0)
        .http_status_as_error(false);
    config.build().into()
}

pub fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    let text = text.context("the answer breaks off")?;
    let body: Value = serde_json::from_str(&text)
        .with_context(|| format!("{status}: not an answer of edge-queue"))?;
    let why = format!("{status}: {}", complaint(&body));
    Ok(match status.as_u16() {
        200..=299 => Answer::Body(body),
        429 | 500.. => Answer::NotNow(why),
        _ => Answer::Refused(why),
    })
}

fn body(answer: Answer) -> anyhow::Result<Value> {
    match answer {
        Answer::Body(body) => Ok(body),
        Answer::NotNow(why) => bail!(why),
        Answer::Refused(why) => Err(Refused(why).into()),
    }
}

/// The message, and what each detail says.
fn complaint(body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let details = body["details"].as_array().into_iter().flatten();
    let details =
        details.map(|one| format!("\n  {}: {}", text(&one["path"]), text(&one["message"])));
    format!("{}{}", text(&body["message"]), details.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `http: invalid format` was all that was said, five times.
    #[test]
    fn what_is_no_origin_is_said_to_be_none() {
        let origin = |url: &str| Origin {
            url: Some(url.to_owned()),
        };
        let why = origin("queue.example.com").get().unwrap_err();
        assert!(why.to_string().contains("no origin"), "{why}");
        let given = origin("https://queue.example.com/").get().unwrap();
        assert_eq!(given, "https://queue.example.com");
    }

    #[test]
    fn a_refusal_is_told_with_all_its_details() {
        let body = json!({
            "message": "2 things are wrong",
            "details": [
                {"path": "/owner", "message": "too long"},
                {"path": "/name", "message": "empty"},
            ],
        });
        let expected = "2 things are wrong\n  /owner: too long\n  /name: empty";
        assert_eq!(complaint(&body), expected);
        assert_eq!(complaint(&json!({"message": "no"})), "no");
    }
}
