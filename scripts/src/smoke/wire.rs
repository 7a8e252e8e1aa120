//! Calls to a deployment as any caller makes them, none longer than the time that is left.

use std::time::Duration;

use anyhow::{bail, Context};
use serde_json::Value;

use crate::clock::Stopwatch;
use crate::deployment;

/// No call of a healthy deployment takes longer, a held one aside.
const CALL_TIME_MAX: Duration = Duration::from_secs(15);

/// A result of the smoke run's own jobs; a film of a template may be this large.
const BODY_BYTES_MAX: u64 = 256 << 20;

pub struct Wire {
    pub base: String,
    pub bearer: Option<String>,
    agent: ureq::Agent,
    watch: Stopwatch,
    within: Duration,
}

pub struct Answered {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// What the deployment says is wrong, on one line.
    pub fn complaint(&self) -> String {
        let body = self.json();
        let message = body["message"]
            .as_str()
            .unwrap_or("no answer of edge-queue");
        let details = body["details"].as_array().into_iter().flatten();
        let details = details.filter_map(|detail| {
            Some(format!(
                "{} {}",
                detail["path"].as_str()?,
                detail["message"].as_str()?
            ))
        });
        let all: Vec<String> = std::iter::once(message.to_owned()).chain(details).collect();
        format!("{}: {}", self.status, all.join("; "))
    }
}

impl Wire {
    /// As the operator, if `ADMIN_KEY` is set; the time begins now.
    pub fn new(base_url: &str, within: Duration) -> Self {
        Self {
            base: base_url.trim_end_matches('/').to_owned(),
            bearer: deployment::variable("ADMIN_KEY"),
            agent: ureq::Agent::config_builder()
                .max_redirects(0)
                .http_status_as_error(false)
                .build()
                .into(),
            watch: Stopwatch::start(),
            within,
        }
    }

    /// What is waited for takes longer than was known.
    pub fn allow(&mut self, more: Duration) {
        self.within += more;
    }

    pub fn left(&self) -> Duration {
        self.within.saturating_sub(self.watch.time())
    }

    pub fn get(&self, path: &str) -> anyhow::Result<Answered> {
        self.get_with(path, &[], self.bearer.as_deref())
    }

    pub fn get_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        bearer: Option<&str>,
    ) -> anyhow::Result<Answered> {
        let mut request = self.timed(self.agent.get(self.url(path)))?;
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        self.read(request.call())
    }

    pub fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Answered> {
        let mut request = self.timed(self.agent.post(self.url(path)))?;
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        self.read(
            request
                .content_type("application/json")
                .send(body.to_string()),
        )
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn timed<B>(
        &self,
        request: ureq::RequestBuilder<B>,
    ) -> anyhow::Result<ureq::RequestBuilder<B>> {
        let left = self.left();
        if left.is_zero() {
            bail!("no time is left");
        }
        let time = Some(left.min(CALL_TIME_MAX));
        Ok(request.config().timeout_global(time).build())
    }

    fn read(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Answered> {
        let mut answer = answer.with_context(|| format!("no answer from {}", self.base))?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(BODY_BYTES_MAX)
            .read_to_vec();
        let bytes = body.context("the answer breaks off")?;
        Ok(Answered {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            bytes,
        })
    }
}
