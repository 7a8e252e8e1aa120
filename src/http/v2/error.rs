//! Errors in the words of the Comfy API: its envelope, and its names for what we call otherwise.

use litemap::LiteMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{json, Map, Value};

use crate::http::error::{ApiError, Code};
use crate::workflow::violation::Violation;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: Map<String, Value>,
}

#[derive(Serialize)]
struct NodeError<'a> {
    field: &'a str,
    reason: &'a str,
    message: &'a str,
}

pub fn render(error: &ApiError) -> Response {
    let fault = error.fault();
    let mut details = Map::new();
    if let Some(id) = fault.job_id {
        details.insert("job_id".into(), id.to_string().into());
    }
    if let Some(at) = fault.expired_at {
        details.insert("expired_at".into(), at.iso8601().into());
    }
    if !fault.details.is_empty() {
        let nodes = node_errors(&fault.details);
        if !nodes.is_empty() {
            details.insert("node_errors".into(), json!(nodes));
        }
        details.insert("violations".into(), json!(fault.details));
    }
    let envelope = Envelope {
        error: Shown {
            code: code(fault.code, &fault.details),
            message: &fault.message,
            details,
        },
    };
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    let mut response = error.respond("application/json", body);
    if fault.code == Code::Expired {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// The contract's name where it has one, else our own.
fn code(code: Code, details: &[Violation]) -> &'static str {
    let only =
        |prefix: &str| !details.is_empty() && details.iter().all(|v| v.path.starts_with(prefix));
    match code {
        Code::WorkflowInvalid => "invalid_workflow",
        Code::IdempotencyMismatch => "idempotency_key_reuse",
        // The contract has one word for who cannot pay; `Retry-After` tells a budget from credits.
        Code::BudgetExhausted | Code::InsufficientCredits => "insufficient_credits",
        Code::ContractViolation if only("/metadata") => "metadata_invalid",
        Code::ContractViolation if only("/workflow") => "invalid_workflow",
        Code::InvalidRequest if only("/cursor") => "invalid_cursor",
        Code::InvalidRequest if only("/metadata") => "invalid_metadata_filter",
        // The contract knows nothing of what was there once; `expired_at` tells it from the rest.
        Code::Expired => "not_found",
        Code::Internal | Code::Unavailable => "upstream_error",
        other => other.parts().0,
    }
}

/// What is wrong by node, as ComfyUI's own answers have it.
fn node_errors(details: &[Violation]) -> LiteMap<String, Vec<NodeError<'_>>> {
    let mut nodes: LiteMap<String, Vec<NodeError<'_>>> = LiteMap::new();
    for violation in details {
        let Some(rest) = violation.path.strip_prefix("/workflow/") else {
            continue;
        };
        let (node, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let node = node.replace("~1", "/").replace("~0", "~");
        nodes.entry(node).or_default().push(NodeError {
            field: rest.strip_prefix("inputs/").unwrap_or(rest),
            reason: violation.code,
            message: &violation.message,
        });
    }
    nodes
}
