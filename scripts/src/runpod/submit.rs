//! `ops runpod submit`: one request to RunPod and what came of it, word for word, for the record of
//! an incident.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context};
use edge_queue::ports::Method;
use edge_queue::providers::Evidence;
use serde_json::value::RawValue;
use serde_json::{json, Value};

use super::endpoint::{Called, Endpoint};
use crate::admin::waiting;
use crate::clock::{wait, Stopwatch};
use crate::told;
use crate::{exit, files};

/// Between two looks: a person waits for it, and RunPod allows two hundred a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What to send in the place of a record that was cut.
const ANEW: &str = "send a prompt of the same template, as `ops compile` prints it";
/// The limits that the order gets beside its prompt: ten minutes of work, an hour in all.
const POLICY: &str = r#"{"executionTimeout":600000,"ttl":3600000}"#;
/// What an order is at its end.
pub const ENDED: [&str; 4] = ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"];

/// Send one prompt to RunPod past the queue, and print the exact request and answers, redacted
#[derive(clap::Args)]
#[command(after_help = "\
FILE is a prompt in API format, a {task, payload} object, or a whole order {input, ...} as
GET /api/admin/jobs/ID/evidence has it in request_body, which is then sent as it is; one that was
cut there, above 1 MiB, is refused. The order is
followed to its end; one that has not ended in time is canceled, so that nobody pays for it.
Printed are each call's method, URL, headers and body, the submit first and the last look behind it.
RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID come from the environment. The key, the tokens of callbacks
and the keys of Comfy accounts are not in what is printed. It is not known to the queue, and costs
what such a job costs.
Exit status: 0 when the order completed, 1 when it was refused or ended otherwise, 2 when it could
not be sent.

Example:
  export RUNPOD_API_KEY=... RUNPOD_ENDPOINT_ID=...
  ops runpod submit --prompt prompt.json --dry-run
  ops runpod submit --prompt prompt.json > incident.txt")]
pub struct Arguments {
    /// What to send
    #[arg(long, value_name = "FILE")]
    prompt: PathBuf,

    /// Another endpoint than `RUNPOD_ENDPOINT_ID`
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,

    /// How long to follow it
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    within: u64,

    /// Print the request, and send nothing
    #[arg(long)]
    dry_run: bool,

    /// As JSON: {ok, outcome, calls: [{at, method, url, `request_headers`, `request_body`, ...}]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let endpoint = Endpoint::from_environment(arguments.endpoint.as_deref())?;
    let text =
        String::from_utf8(files::read(&arguments.prompt)?).context("the prompt is no text")?;
    let body = order(&text)?;
    let webhook = serde_json::from_str::<Value>(&body)?["webhook"].take();
    let webhook = webhook.as_str();
    if arguments.dry_run {
        let request = endpoint.request(Method::Post, "run", body);
        let record = endpoint.rehearse(&request, webhook);
        tell(arguments, "nothing was sent: --dry-run", true, &[record])?;
        return Ok(ExitCode::SUCCESS);
    }
    let submitted = endpoint.post("run", body, webhook);
    if submitted.status.is_none() {
        let outcome = "nobody knows whether it was taken: do not send it again blindly";
        tell(arguments, outcome, false, &[submitted.record])?;
        return Ok(exit::failed());
    }
    if let Some(why) = submitted.complaint() {
        tell(arguments, &why, false, &[submitted.record])?;
        return Ok(exit::FOUND);
    }
    let Some(id) = submitted.json["id"].as_str().map(str::to_owned) else {
        bail!("RunPod named no id: {}", submitted.record.response_body);
    };
    let last = follow(&endpoint, &id, Duration::from_secs(arguments.within));
    let outcome = last.json["status"].as_str().unwrap_or("unknown").to_owned();
    let is_completed = outcome == "COMPLETED";
    let says = format!("{id} is {outcome}");
    tell(
        arguments,
        &says,
        is_completed,
        &[submitted.record, last.record],
    )?;
    Ok(if is_completed {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// A prompt becomes an order as ours are; an order stays as it is.
pub fn order(text: &str) -> anyhow::Result<String> {
    let text = text.trim();
    if text.ends_with(" bytes]") {
        bail!("the order was cut when it was written down, and cannot be sent again: {ANEW}");
    }
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).context("the prompt is no JSON object")?;
    if members.is_empty() {
        bail!("the prompt is empty: RunPod would start a worker for it, and fail");
    }
    if members.contains_key("input") {
        return Ok(text.to_owned());
    }
    let input = if members.contains_key("task") {
        text.to_owned()
    } else {
        format!("{{\"workflow\":{text}}}")
    };
    Ok(format!("{{\"policy\":{POLICY},\"input\":{input}}}"))
}

/// The last look; or the cancel, when time is up.
pub fn follow(endpoint: &Endpoint, id: &str, within: Duration) -> Called {
    let (watch, bar) = (Stopwatch::start(), waiting("order"));
    loop {
        let look = endpoint.get(&format!("status/{id}"));
        let status = look.json["status"].as_str().unwrap_or("not known yet");
        if ENDED.contains(&status) {
            bar.finish_and_clear();
            return look;
        }
        bar.set_message(status.to_owned());
        if watch.time() >= within {
            bar.finish_and_clear();
            return endpoint.post(&format!("cancel/{id}"), "{}".to_owned(), None);
        }
        wait(LOOK_EVERY);
    }
}

fn tell(
    arguments: &Arguments,
    outcome: &str,
    is_well: bool,
    calls: &[Evidence],
) -> anyhow::Result<()> {
    if arguments.json {
        let told = json!({ "ok": is_well, "outcome": outcome, "calls": calls });
        return told::json(&told);
    }
    for call in calls {
        print!("{}", shown(call));
    }
    println!("{outcome}");
    Ok(())
}

/// As it went over the wire, but for the secrets.
fn shown(call: &Evidence) -> String {
    // A text takes whatever is written to it.
    let mut text = String::new();
    let headers = |text: &mut String, headers: &[(String, String)]| {
        for (name, value) in headers {
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    let _ = writeln!(
        text,
        "--- {}\n{} {}",
        call.at.iso8601(),
        call.method,
        call.url
    );
    headers(&mut text, &call.request_headers);
    if !call.request_body.is_empty() {
        let _ = writeln!(text, "\n{}", call.request_body);
    }
    match call.response_status {
        Some(status) => {
            let _ = writeln!(text, "\n--- answered {status}");
            headers(&mut text, &call.response_headers);
            let _ = writeln!(text, "\n{}\n", call.response_body);
        }
        None => {
            let _ = writeln!(text, "\n--- {}\n", call.error);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_wrapped_and_an_order_is_sent_as_it_is() {
        let prompt = r#"{"1": {"class_type": "SaveImage", "inputs": {"x": 1.0}}}"#;
        let expected = format!("{{\"policy\":{POLICY},\"input\":{{\"workflow\":{prompt}}}}}");
        assert_eq!(order(prompt).unwrap(), expected);
        let task = r#"{"task":"rack_focus","payload":{}}"#;
        let expected = format!("{{\"policy\":{POLICY},\"input\":{task}}}");
        assert_eq!(order(task).unwrap(), expected);
        let whole = r#"{"webhook":"https://a.example/b","input":{"workflow":{}}}"#;
        assert_eq!(order(&format!("{whole}\n")).unwrap(), whole);
        assert!(order("[]").is_err());
        // The usual cause of a 400 is a body that is too large, and of that the record is cut.
        let cut = order(r#"{"input":{"images":["data:[cut: the body has 1048577 bytes]"#);
        assert!(cut
            .unwrap_err()
            .to_string()
            .contains("cannot be sent again"));
        assert!(order("{}").unwrap_err().to_string().contains("empty"));
    }
}
