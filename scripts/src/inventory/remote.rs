//! Calls to a ComfyUI.

use std::io::Read;
use std::time::Duration;

use anyhow::{bail, Context};

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

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .build();
    config.into()
}
