//! The checks of a job that has ended: how its end was heard, its bytes, its links, its webhook.

use std::time::Duration;

use anyhow::Context;
use serde_json::{json, Value};

use super::checks::{failed, passed, Run};
use super::listener::{Heard, Listener};
use super::Outcome::Absent;
use super::Said;
use crate::clock;

/// A webhook leaves at once; the deployment may have to try twice.
const WEBHOOK_TIME_MAX: Duration = Duration::from_secs(15);

/// Links hold a day, up to the full hour (docs/API.md).
const LINK_HOURS_MAX: i64 = 25;

/// The provider told the end by itself, and nobody else can.
pub fn callback(run: &mut Run) -> anyhow::Result<Said> {
    let forged = run
        .wire
        .post("/api/webhooks/runpod/forged", &[], &json!({"id": "x"}))?;
    if forged.status != 404 {
        return failed(format!(
            "a forged callback was answered {}, not 404",
            forged.status
        ));
    }
    let job = match run.ended() {
        Ok(job) => job,
        Err(said) => return Ok(said),
    };
    let attempts = job["attempts"].as_array();
    let heard = attempts
        .and_then(|all| all.last())
        .map(|last| last["heard_by"].clone());
    match heard.as_ref().and_then(Value::as_str) {
        Some("webhook") => passed("the end came by callback; a forged one is not known"),
        Some(other) => failed(format!(
            "the end came by {other}: no callback arrived. Can the provider reach PUBLIC_URL?"
        )),
        None => failed("the deployment does not say how it heard of the end"),
    }
}

/// The bytes are those that the job promises.
pub fn result(run: &mut Run) -> anyhow::Result<Said> {
    let job = match run.ended() {
        Ok(job) => job,
        Err(said) => return Ok(said),
    };
    let output = &job["outputs"][0];
    let url = output["url"].as_str().context("the job has no result")?;
    // By its link alone.
    let answer = run.wire.get_with(url, &[], None)?;
    let hash = blake3::hash(&answer.bytes).to_hex().to_string();
    if answer.status != 200 || output["hash"].as_str() != Some(&hash) {
        let size = answer.bytes.len();
        return failed(format!(
            "{} with {size} bytes that are not those of {url}",
            answer.status
        ));
    }
    let part = run.wire.get_with(url, &[("range", "bytes=0-3")], None)?;
    if part.status != 206 || part.bytes != answer.bytes[..4.min(answer.bytes.len())] {
        return failed(format!(
            "its first four bytes were answered {}",
            part.status
        ));
    }
    let kind = answer.header("content-type");
    passed(format!(
        "{} bytes of {kind}, with the promised hash",
        answer.bytes.len()
    ))
}

/// A link names its end, and the end cannot be put off. That it opens nothing afterwards is not
/// seen here: no link of a smoke run ends while it runs.
pub fn expiry(run: &mut Run) -> anyhow::Result<Said> {
    let job = match run.ended() {
        Ok(job) => job,
        Err(said) => return Ok(said),
    };
    if run.wire.bearer.is_none() {
        return Ok(Said(
            Absent,
            "without a key or a session everybody owns the job".to_owned(),
        ));
    }
    let url = job["outputs"][0]["url"]
        .as_str()
        .context("the job has no result")?;
    let expiry = url
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("exp="));
    let expiry: i64 = expiry
        .and_then(|text| text.parse().ok())
        .context("the link has no end")?;
    let hours = (expiry - clock::now().get() / 1_000) / 3_600;
    if !(0..=LINK_HOURS_MAX).contains(&hours) {
        return failed(format!("the link ends in {hours} hours"));
    }
    for (other, what) in [
        (expiry + 3_600, "a later end"),
        (1_000_000_000, "an end long past"),
    ] {
        let forged = url.replace(&format!("exp={expiry}"), &format!("exp={other}"));
        let answer = run.wire.get_with(&forged, &[], None)?;
        if answer.status < 400 {
            return failed(format!("a link with {what} was answered {}", answer.status));
        }
    }
    passed(format!(
        "ends in {hours} h, which is signed: with another end it opens nothing. Its end was not \
         waited for"
    ))
}

/// The end of the job is told to its caller's receiver.
pub fn webhook(run: &mut Run) -> anyhow::Result<Said> {
    let absent = |why: &str| Ok(Said(Absent, why.to_owned()));
    if run.webhook_url.is_none() && run.listener.is_none() {
        return absent("not on this machine, and no --webhook-url was given");
    }
    if !run.has_webhooks {
        return absent("this deployment has no outbound webhooks");
    }
    let id = match run.ended() {
        Ok(job) => job["id"].as_str().unwrap_or_default(),
        Err(said) => return Ok(said),
    };
    if let Some(listener) = &run.listener {
        return heard(run, listener, id);
    }
    let answer = run.wire.get(&format!("/api/queue/deliveries/{id}"))?;
    let body = answer.json();
    let deliveries = body["deliveries"]
        .as_array()
        .context("no log of deliveries")?;
    let told = deliveries.iter().find(|one| one["type"] == "job.succeeded");
    match told.and_then(|told| told["state"].as_str()) {
        Some("delivered") => passed("the log says that it was delivered"),
        other => failed(format!(
            "job.succeeded is {}",
            other.unwrap_or("not in the log")
        )),
    }
}

/// Deliveries come in any order; the one of the end is looked for.
fn heard(run: &Run, listener: &Listener, id: &str) -> anyhow::Result<Said> {
    let is_end = |heard: &Heard| {
        let body: Value = serde_json::from_slice(&heard.body).unwrap_or(Value::Null);
        body["type"] == "job.succeeded" && body["data"].to_string().contains(id)
    };
    while let Some(delivery) = listener.wait(run.wire.left().min(WEBHOOK_TIME_MAX)) {
        if !is_end(&delivery) {
            continue;
        }
        let signed = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        return match signed.iter().find(|name| !delivery.has(name)) {
            Some(missing) => failed(format!("the delivery has no {missing}")),
            None => passed("job.succeeded arrived, signed"),
        };
    }
    failed("job.succeeded did not arrive")
}
