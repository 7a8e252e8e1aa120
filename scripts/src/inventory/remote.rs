//! Calls to a ComfyUI and to a deployment of ours.

use std::io::Read;
use std::time::Duration;

use anyhow::{bail, Context};
use serde_json::Value;

/// A ComfyUI that has many nodes to describe takes seconds; a tunnel to it takes more.
const LIMIT: Duration = Duration::from_mins(2);

/// Far more than any server answers; what is too much for an inventory is told with reasons later.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// What a server answers to a GET.
pub fn get(url: &str) -> anyhow::Result<Vec<u8>> {
    let answer = agent().get(url).call();
    let mut answer = answer.with_context(|| format!("cannot reach {url}"))?;
    if !answer.status().is_success() {
        bail!("{url} answered {}", answer.status());
    }
    let mut bytes = Vec::new();
    let reader = answer.body_mut().as_reader();
    reader
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{url} broke off"))?;
    Ok(bytes)
}

/// Puts JSON as the operator, and answers what the deployment says. A refusal is an error with the
/// deployment's own words.
pub fn put(url: &str, key: &str, json: &str) -> anyhow::Result<Value> {
    let request = agent()
        .put(url)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let answer = request.send(json);
    let mut answer = answer.with_context(|| format!("cannot reach {url}"))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(said);
    }
    let mut message = format!("{url} answered {status}");
    if let Some(why) = said["message"].as_str() {
        message = format!("{message}: {why}");
    }
    for detail in said["details"].as_array().into_iter().flatten() {
        let part = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
        message = format!("{message}\n  {} {}", part("path"), part("message"));
    }
    bail!(message)
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .build();
    config.into()
}
