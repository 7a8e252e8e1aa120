//! `/api/admin/keys`: API keys, for the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::Answer;
use super::auth::Operator;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use super::path::Path;
use crate::access::{Limits, Scope};
use crate::app::App;
use crate::id::CallerId;
use crate::queue::keys::{self as verbs, NewKey, Rotated, Shown, PAGE_MAX};
use crate::store::keys::StoredKey;
use crate::time::UnixMillis;
use crate::workflow::violation::Violation;

const BODY_BYTES_MAX: usize = 4 << 10;
const NAME_BYTES_MAX: usize = 100;
const OWNER_LENGTH_MAX: usize = 64;
/// Owners that are not anybody's.
const RESERVED: [&str; 2] = ["anonymous", "operator"];
/// Long enough to bring a new secret to where the old one is used.
const GRACE_S_DEFAULT: u64 = 24 * 3_600;
const GRACE_S_MAX: u64 = 30 * 24 * 3_600;
const LIFE_S_MAX: u64 = 10 * 366 * 24 * 3_600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    owner: String,
    name: String,
    scopes: Vec<String>,
    jobs_per_minute: Option<u32>,
    jobs_per_day: Option<u32>,
    live_jobs: Option<u32>,
    expires_in_s: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    grace_s: Option<u64>,
}

/// A key without anything that opens.
#[derive(Serialize)]
struct KeyView<'a> {
    id: &'a str,
    owner: &'a str,
    name: &'a str,
    scopes: Vec<&'static str>,
    jobs_per_minute: Option<u32>,
    jobs_per_day: Option<u32>,
    live_jobs: Option<u32>,
    created_at: String,
    expires_at: Option<String>,
    rotated_at: Option<String>,
    old_secret_until: Option<String>,
    revoked_at: Option<String>,
}

/// `GET /api/admin/keys`: every key, by pages.
pub async fn list(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let after = query.get("cursor").map_or("", String::as_str);
    let found = verbs::list(&app, after).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= PAGE_MAX);
    let next = found.last().filter(|_| is_full).map(|key| key.id.as_str());
    Answer::ok(&json!({
        "data": found.iter().map(view).collect::<Vec<_>>(),
        "has_more": next.is_some(),
        "next_cursor": next,
    }))
}

/// `POST /api/admin/keys`: a new key; the answer alone holds its text.
pub async fn create(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Asked = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    let new = checked(asked, app.now())?;
    shown(&verbs::create(&app, &call, new).await?)
}

/// `POST /api/admin/keys/{id}/revoke`: good for nothing from now on.
pub async fn revoke(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let key = verbs::revoke(&app, &call, &id).await?;
    let key = key.ok_or_else(no_key)?;
    Answer::ok(&json!({ "key": view(&key) }))
}

/// `POST /api/admin/keys/{id}/rotate`: another secret; the one of before is good for a while.
pub async fn rotate(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Rotation = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    let grace_s = asked.grace_s.unwrap_or(GRACE_S_DEFAULT);
    if grace_s > GRACE_S_MAX {
        let message = "at most 2592000 seconds, 30 days";
        return Err(ApiError::at(
            Code::InvalidRequest,
            "/grace_s",
            "above_max",
            message,
        ));
    }
    match verbs::rotate(&app, &call, &id, grace_s * 1000).await? {
        Rotated::Shown(made) => shown(&made),
        Rotated::Revoked => Err(ApiError::new(Code::Conflict, "the key has been revoked")),
        Rotated::NoKey => Err(no_key()),
    }
}

fn shown(made: &Shown) -> Result<Answer, ApiError> {
    Answer::ok(&json!({ "key": view(&made.key), "secret": made.secret.reveal() }))
}

fn checked(asked: Asked, now: UnixMillis) -> Result<NewKey, ApiError> {
    let mut wrong = Vec::new();
    let mut note = |path: String, code: &'static str, message: &str| {
        wrong.push(Violation::new(path, code, message));
    };
    if !owner_fits(&asked.owner) {
        let message = "1 to 64 of a-z, 0-9, ., _ and -, a letter or digit first; not anonymous, \
             not operator";
        note("/owner".into(), "bad_owner", message);
    }
    let is_plain = !asked.name.chars().any(char::is_control);
    if asked.name.trim().is_empty() || asked.name.len() > NAME_BYTES_MAX || !is_plain {
        let message = "1 to 100 bytes without control characters";
        note("/name".into(), "bad_name", message);
    }
    if asked.scopes.is_empty() {
        note("/scopes".into(), "too_few", "at least one scope");
    }
    for (i, text) in asked.scopes.iter().enumerate() {
        if Scope::parse(text).is_none() {
            let message = "jobs:write, jobs:read, workflows:raw or admin";
            note(format!("/scopes/{i}"), "not_in_list", message);
        }
    }
    let limits = [
        ("/jobs_per_minute", asked.jobs_per_minute),
        ("/jobs_per_day", asked.jobs_per_day),
        ("/live_jobs", asked.live_jobs),
    ];
    for (path, limit) in limits {
        if limit == Some(0) {
            let message = "1 at least; to end a key, revoke it";
            note(path.into(), "below_min", message);
        }
    }
    let life_s = asked.expires_in_s;
    if life_s.is_some_and(|life_s| life_s == 0 || life_s > LIFE_S_MAX) {
        let message = "1 second to 10 years; leave it out for a key that does not expire";
        note("/expires_in_s".into(), "out_of_range", message);
    }
    if !wrong.is_empty() {
        return Err(ApiError::violations(Code::InvalidRequest, wrong));
    }
    Ok(NewKey {
        owner: CallerId::new(asked.owner),
        name: asked.name,
        scopes: asked
            .scopes
            .iter()
            .filter_map(|t| Scope::parse(t))
            .collect(),
        limits: Limits {
            jobs_per_minute: asked.jobs_per_minute,
            jobs_per_day: asked.jobs_per_day,
            live_jobs: asked.live_jobs,
        },
        expires_at: life_s.map(|life_s| now.plus_ms(life_s * 1000)),
    })
}

/// No colon: `session:…` is a browser's.
fn owner_fits(owner: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = (1..=OWNER_LENGTH_MAX).contains(&owner.len());
    let begins = owner.bytes().next().is_some_and(plain);
    let whole = owner.bytes().all(|b| plain(b) || b"._-".contains(&b));
    fits && begins && whole && !RESERVED.contains(&owner)
}

fn view(key: &StoredKey) -> KeyView<'_> {
    let shown = |at: Option<UnixMillis>| at.map(UnixMillis::iso8601);
    KeyView {
        id: &key.id,
        owner: key.owner.as_str(),
        name: &key.name,
        scopes: key.scopes.iter().map(Scope::as_str).collect(),
        jobs_per_minute: key.limits.jobs_per_minute,
        jobs_per_day: key.limits.jobs_per_day,
        live_jobs: key.limits.live_jobs,
        created_at: key.created_at.iso8601(),
        expires_at: shown(key.expires_at),
        rotated_at: shown(key.rotated_at),
        old_secret_until: shown(key.old.as_ref().map(|old| old.until)),
        revoked_at: shown(key.revoked_at),
    }
}

fn no_key() -> ApiError {
    ApiError::new(Code::NotFound, "there is no such key")
}
