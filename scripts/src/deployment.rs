//! A deployment of the product, spoken to over HTTP with the operator's key.

use std::time::Duration;

use anyhow::{bail, Context};
use serde_json::Value;

/// Longer than any route of the operator's takes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Which deployment, and as whom
#[derive(clap::Args)]
pub struct Deployment {
    /// Origin of the deployment; else `EDGE_QUEUE_URL`, else what `make dev` serves
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
}

impl Deployment {
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = agent()
            .get(self.at(path))
            .header("authorization", &bearer()?);
        read(answer.call().with_context(|| self.unreachable())?)
    }

    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = agent()
            .post(self.at(path))
            .header("authorization", &bearer()?)
            .content_type("application/json");
        let answer = request.send(body.to_string());
        read(answer.with_context(|| self.unreachable())?)
    }

    fn origin(&self) -> String {
        let set = self.url.clone().or_else(|| variable("EDGE_QUEUE_URL"));
        let url = set.unwrap_or_else(|| "http://127.0.0.1:8787".into());
        url.trim_end_matches('/').to_owned()
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    fn unreachable(&self) -> String {
        format!("no answer from {}", self.origin())
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

/// From the environment alone: a command line is seen by every process, and kept in histories.
fn bearer() -> anyhow::Result<String> {
    let key = variable("ADMIN_KEY")
        .context("ADMIN_KEY is not set: the operator's key, or one with the scope admin")?;
    Ok(format!("Bearer {key}"))
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<Value> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    let text = text.context("the answer breaks off")?;
    let body: Value = serde_json::from_str(&text)
        .with_context(|| format!("{status}: not an answer of edge-queue"))?;
    if !status.is_success() {
        bail!("{status}: {}", complaint(&body));
    }
    Ok(body)
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
