//! `/api/admin/inventory`: what the ComfyUI behind an endpoint has.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;

use super::answer::Answer;
use super::auth::Operator;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use crate::app::App;
use crate::queue::inventory::{self as verb, Put};
use crate::store::inventories::Stored;
use crate::workflow::inventory::INVENTORY_BYTES_MAX;

/// RunPod's have 14 characters.
const ENDPOINT_LENGTH_MAX: usize = 64;

#[derive(Serialize)]
struct Shown<'a> {
    inventory: View<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

#[derive(Serialize)]
struct View<'a> {
    endpoint: &'a str,
    hash: &'a str,
    classes: u64,
    lists: u64,
    lists_left_out: &'a [String],
    size_bytes: u64,
    put_at: String,
    put_at_ms: i64,
}

/// `GET /api/admin/inventory`: what is known of an endpoint's inventory.
pub async fn show(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let stored = verb::show(&app, endpoint(&query)?).await?;
    let nothing = || {
        let message = "there is no inventory of this endpoint; `ops inventory pull` brings one";
        ApiError::new(Code::NotFound, message)
    };
    answer(&stored.ok_or_else(nothing)?, None)
}

/// `PUT /api/admin/inventory`: what a ComfyUI server answers to `GET /object_info`.
pub async fn put(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let endpoint = endpoint(&query)?;
    let held = Bodies::of(&app, &call.rights)
        .read(&headers, body, INVENTORY_BYTES_MAX)
        .await?;
    let Put { stored, changed } = verb::put(&app, endpoint, &held).await?;
    answer(&stored, Some(changed))
}

/// `?endpoint=`, the current provider's if it is not given.
fn endpoint(query: &BTreeMap<String, String>) -> Result<Option<&str>, ApiError> {
    let wrong = |path: String, message: &str| {
        ApiError::at(Code::InvalidRequest, &path, "wrong_type", message)
    };
    if let Some(name) = query.keys().find(|name| *name != "endpoint") {
        return Err(wrong(format!("/{name}"), "no such parameter"));
    }
    let Some(name) = query.get("endpoint").map(String::as_str) else {
        return Ok(None);
    };
    let is_plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !is_plain || !(1..=ENDPOINT_LENGTH_MAX).contains(&name.len()) {
        let message = "an endpoint's id is 1 to 64 of A-Z, a-z, 0-9, _, . and -";
        return Err(wrong("/endpoint".into(), message));
    }
    Ok(Some(name))
}

fn answer(stored: &Stored, changed: Option<bool>) -> Result<Answer, ApiError> {
    Answer::ok(&Shown {
        inventory: View {
            endpoint: &stored.endpoint,
            hash: &stored.hash,
            classes: stored.classes,
            lists: stored.lists,
            lists_left_out: &stored.lists_left_out,
            size_bytes: stored.size_bytes,
            put_at: stored.put_at.iso8601(),
            put_at_ms: stored.put_at.get(),
        },
        changed,
    })
}
