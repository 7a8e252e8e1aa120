//! One endpoint of RunPod's job API. Every call is written down, without its secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use edge_queue::config::BASE_URL;
use edge_queue::outgoing::HttpResponse;
use edge_queue::ports::{HttpError, HttpRequest, Method};
use edge_queue::providers::runpod::{record, Secrets};
use edge_queue::providers::Evidence;
use serde_json::Value;

use crate::clock;
use crate::deployment::variable;

/// As the Worker waits for a submit: ten mebibytes over a slow line take forty seconds.
const CALL_TIME_MS: u32 = 60_000;
/// Twice what RunPod keeps of a result.
const ANSWER_BYTES_MAX: u64 = 40 << 20;

#[derive(Clone)]
pub struct Endpoint {
    base_url: String,
    pub id: String,
    key: String,
}

/// A call that ended, and its record.
pub struct Called {
    /// `None`: nobody answered.
    pub status: Option<u16>,
    pub json: Value,
    pub record: Evidence,
}

impl Endpoint {
    /// As the environment names it; `id` is from the command line.
    pub fn from_environment(id: Option<&str>) -> anyhow::Result<Self> {
        let id = id
            .map(str::to_owned)
            .or_else(|| variable("RUNPOD_ENDPOINT_ID"));
        let id = id.context("RUNPOD_ENDPOINT_ID is not set: the id of the endpoint")?;
        let key = variable("RUNPOD_API_KEY");
        let key = key.context("RUNPOD_API_KEY is not set: the key that opens the endpoint")?;
        Ok(Self::new(id, key))
    }

    pub fn new(id: String, key: String) -> Self {
        let base_url = variable("RUNPOD_BASE_URL").unwrap_or_else(|| BASE_URL.to_owned());
        Self::at(&base_url, id, key)
    }

    pub fn at(base_url: &str, id: String, key: String) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { base_url, id, key }
    }

    pub fn url(&self, operation: &str) -> String {
        format!("{}/{}/{operation}", self.base_url, self.id)
    }

    /// Whether it is a mock on this machine, which can reach a receiver on this machine.
    pub fn is_here(&self) -> bool {
        ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
            .iter()
            .any(|here| self.base_url.starts_with(here))
    }

    pub fn get(&self, operation: &str) -> Called {
        self.call(&self.request(Method::Get, operation, String::new()), None)
    }

    /// `callback_url` is what in the body is secret.
    pub fn post(&self, operation: &str, body: String, callback_url: Option<&str>) -> Called {
        self.call(&self.request(Method::Post, operation, body), callback_url)
    }

    pub fn request(&self, method: Method, operation: &str, body: String) -> HttpRequest {
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), format!("Bearer {}", self.key)),
        ];
        if method == Method::Post {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        HttpRequest {
            method,
            url: self.url(operation),
            headers,
            body: body.into(),
            timeout_ms: CALL_TIME_MS,
        }
    }

    /// What would be written down of a request that is not sent.
    pub fn rehearse(&self, request: &HttpRequest, callback_url: Option<&str>) -> Evidence {
        let unsent = Err(HttpError::NotSent("--dry-run".to_owned()));
        record(&self.secrets(callback_url), clock::now(), request, &unsent)
    }

    fn call(&self, request: &HttpRequest, callback_url: Option<&str>) -> Called {
        let answer = send(request);
        let record = record(&self.secrets(callback_url), clock::now(), request, &answer);
        let answer = answer.ok();
        let body = answer.as_ref().map_or(&b""[..], |answer| &answer.body);
        Called {
            status: answer.as_ref().map(|answer| answer.status),
            json: serde_json::from_slice(body).unwrap_or(Value::Null),
            record,
        }
    }

    fn secrets<'s>(&'s self, callback_url: Option<&'s str>) -> Secrets<'s> {
        Secrets {
            api_key: &self.key,
            callback_url,
        }
    }
}

impl Called {
    /// What is wrong with it, in a sentence; `None` for 200.
    pub fn complaint(&self) -> Option<String> {
        let detail = ["detail", "error", "message", "title"]
            .iter()
            .find_map(|name| self.json[*name].as_str());
        let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
        let why = match self.status {
            Some(200) => return None,
            None => return Some(self.record.error.clone()),
            Some(400) => "the request is at fault",
            Some(401 | 403) => "the key does not open it",
            Some(404) => "there is no such endpoint, or the key is another account's",
            Some(429) => "too many requests: lower ENDPOINT_JOBS_MAX",
            Some(500..) => "RunPod is in trouble",
            Some(_) => "it is not well",
        };
        let status = self.status.unwrap_or_default();
        Some(format!("RunPod answered {status}: {why}{detail}"))
    }
}

fn send(request: &HttpRequest) -> Result<HttpResponse, HttpError> {
    let time = Duration::from_millis(u64::from(request.timeout_ms));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(time))
        // A redirect would take the key somewhere else.
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    let mut call = ureq::http::Request::builder()
        .uri(&request.url)
        .method(match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        });
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    let call = call.body(request.body.to_vec());
    let call = call.map_err(|error| HttpError::NotSent(error.to_string()))?;
    let answer = agent.run(call);
    let mut answer = answer.map_err(|error| match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            HttpError::NotSent(error.to_string())
        }
        other => HttpError::Unknown(other.to_string()),
    })?;
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let body = body
        .read_to_vec()
        .map_err(|error| HttpError::Unknown(error.to_string()))?;
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
    let headers = answer.headers().iter();
    let headers: BTreeMap<String, String> = headers
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    Ok(HttpResponse {
        status: answer.status().as_u16(),
        headers,
        body: body.into(),
    })
}
