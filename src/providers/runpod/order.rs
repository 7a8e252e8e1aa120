//! What RunPod is asked to do: the body of `POST /run`.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::providers::{Order, OrderFile, Protocol};

/// RunPod refuses a body above 10 MiB, counted over the whole JSON (`exceeded max body size of
/// 10MiB`), sometimes with a 502 that says nothing. So a larger body is never sent.
pub(super) const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Room for the fixed parts of the body: keys, brackets and the two limits.
const FRAME_BYTES: usize = 256;

/// Around each file: keys, quotes, and the escapes of an unusual name.
const FILE_FRAME_BYTES: usize = 64;

/// The bounds of `policy.executionTimeout` and `policy.ttl`
/// (docs.runpod.io, Serverless, Send requests): 5 s and 10 s to seven days.
const EXECUTION_TIMEOUT_MS_MIN: u64 = 5_000;
const TTL_MS_MIN: u64 = 10_000;
const POLICY_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum OrderError {
    /// RunPod strips an empty input, starts a worker for it, waits and fails: it would be paid.
    #[error("the prompt is not a JSON object with anything in it")]
    Empty,
    #[error("the order is {0} bytes, and RunPod takes {BODY_BYTES_MAX}")]
    TooLarge(usize),
    #[error("the order cannot be written: {0}")]
    Unwritable(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    execution_timeout: u64,
    ttl: u64,
}

/// The files come last, so that a record of the body that had to be cut still shows all the rest.
/// Base64 goes straight into the buffer that is sent.
pub(super) fn body(order: &Order) -> Result<String, OrderError> {
    let prompt = order.prompt.get();
    if !is_filled_object(&order.prompt) {
        return Err(OrderError::Empty);
    }
    let mut body = String::with_capacity(estimate(order));
    body.push_str("{\"webhook\":");
    push_json(&mut body, &order.callback_url)?;
    body.push_str(",\"policy\":");
    push_json(&mut body, &policy(order))?;
    body.push_str(",\"input\":");
    match order.protocol {
        Protocol::Comfyui => {
            body.push_str("{\"workflow\":");
            body.push_str(prompt);
            // The stock worker ignores keys that it does not know; ours may tell how far it is.
            body.push_str(",\"progress_url\":");
            push_json(&mut body, &order.progress_url)?;
            if let Some(key) = &order.partner_key {
                body.push_str(",\"comfy_org_api_key\":");
                push_json(&mut body, &key.reveal())?;
            }
            push_files(&mut body, &order.files)?;
            body.push('}');
        }
        Protocol::Task => body.push_str(prompt),
    }
    body.push('}');
    if body.len() > BODY_BYTES_MAX {
        return Err(OrderError::TooLarge(body.len()));
    }
    Ok(body)
}

fn policy(order: &Order) -> Policy {
    let execution_timeout = order
        .execution_limit_ms
        .clamp(EXECUTION_TIMEOUT_MS_MIN, POLICY_MS_MAX);
    Policy {
        execution_timeout,
        ttl: order.ttl_ms.clamp(TTL_MS_MIN, POLICY_MS_MAX),
    }
}

fn push_files(body: &mut String, files: &[OrderFile]) -> Result<(), OrderError> {
    if files.is_empty() {
        return Ok(());
    }
    body.push_str(",\"images\":[");
    for (index, file) in files.iter().enumerate() {
        body.push_str(if index == 0 {
            "{\"name\":"
        } else {
            ",{\"name\":"
        });
        push_json(body, &file.name)?;
        body.push_str(",\"image\":\"");
        // Bare base64: workers before 4.1 do not take data URIs, and all take this.
        STANDARD.encode_string(&file.bytes, body);
        body.push_str("\"}");
    }
    body.push(']');
    Ok(())
}

fn push_json<T: Serialize>(body: &mut String, value: &T) -> Result<(), OrderError> {
    let text =
        serde_json::to_string(value).map_err(|error| OrderError::Unwritable(error.to_string()))?;
    body.push_str(&text);
    Ok(())
}

fn is_filled_object(prompt: &RawValue) -> bool {
    let inside = prompt.get().strip_prefix('{');
    inside.is_some_and(|rest| !rest.trim_start().starts_with('}'))
}

fn estimate(order: &Order) -> usize {
    let files = order.files.iter().map(|file| {
        let base64 = file.bytes.len().div_ceil(3).saturating_mul(4);
        base64 + file.name.len() + FILE_FRAME_BYTES
    });
    let urls = order.callback_url.len() + order.progress_url.len();
    FRAME_BYTES + urls + order.prompt.get().len() + files.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{json, Value};

    use super::*;
    use crate::id::JobId;

    fn order(protocol: Protocol, prompt: &str) -> Order {
        Order {
            job: JobId::from_bytes([1; 16]),
            attempt: 1,
            endpoint: "mock".into(),
            protocol,
            prompt: RawValue::from_string(prompt.to_owned()).unwrap(),
            prompt_hash: String::new(),
            files: Vec::new(),
            outputs: Vec::new(),
            callback_url: "https://q.example/api/webhooks/runpod/t0ken".into(),
            progress_url: "https://q.example/api/progress/t0ken".into(),
            execution_limit_ms: 600_000,
            ttl_ms: 86_400_000,
            partner_key: None,
            simulate: None,
        }
    }

    fn check(order: &Order, expected: &Value) {
        let body = body(order).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), *expected);
        assert!(body.capacity() >= body.len());
    }

    #[test]
    fn a_prompt_travels_as_the_workflow_with_its_files_beside_it() {
        let mut order = order(Protocol::Comfyui, r#"{"3":{"class_type":"A","inputs":{}}}"#);
        order.files.push(OrderFile {
            name: "in \"1\".png".into(),
            content_type: "image/png".into(),
            bytes: Bytes::from_static(b"hi"),
        });
        check(
            &order,
            &json!({
                "input": {
                    "workflow": {"3": {"class_type": "A", "inputs": {}}},
                    "progress_url": "https://q.example/api/progress/t0ken",
                    "images": [{"name": "in \"1\".png", "image": "aGk="}],
                },
                "webhook": "https://q.example/api/webhooks/runpod/t0ken",
                "policy": {"executionTimeout": 600_000, "ttl": 86_400_000},
            }),
        );
    }

    #[test]
    fn a_task_is_the_input_itself_and_limits_stay_within_what_runpod_takes() {
        let mut order = order(Protocol::Task, r#"{"task":"rack_focus","payload":{}}"#);
        order.execution_limit_ms = 1;
        order.ttl_ms = u64::MAX;
        check(
            &order,
            &json!({
                "input": {"task": "rack_focus", "payload": {}},
                "webhook": "https://q.example/api/webhooks/runpod/t0ken",
                "policy": {"executionTimeout": 5_000, "ttl": 604_800_000},
            }),
        );
    }

    #[test]
    fn an_empty_input_is_never_written() {
        for prompt in ["{}", "{ \n }", "null", "[]", "\"text\"", "7"] {
            let order = order(Protocol::Task, prompt);
            assert_eq!(body(&order), Err(OrderError::Empty), "{prompt}");
        }
    }

    #[test]
    fn a_body_above_ten_mebibytes_is_never_written() {
        let mut order = order(Protocol::Comfyui, r#"{"3":{}}"#);
        order.files.push(OrderFile {
            name: "big.png".into(),
            content_type: "image/png".into(),
            bytes: Bytes::from(vec![0; 8 * 1024 * 1024]),
        });
        assert!(matches!(body(&order), Err(OrderError::TooLarge(_))));
    }
}
