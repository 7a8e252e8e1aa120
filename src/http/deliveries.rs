//! What callers were told of their jobs: the log of each event, its replay, and what signs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::Answer;
use super::auth::{Caller, Operator};
use super::create_body;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use super::path::Path;
use super::queue::job_id;
use crate::app::App;
use crate::notify::{event_id, event_type, parse_event_id};
use crate::queue::deliveries as verbs;
use crate::queue::webhook_secret::{self, NoSecret, Shown};
use crate::store::deliveries::{Delivery, Event, MissedAfter};
use crate::time::UnixMillis;

const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    event: Option<String>,
    since: Option<String>,
}

#[derive(Serialize)]
struct TryView<'a> {
    n: u32,
    at: String,
    status: Option<u16>,
    duration_ms: u64,
    why: Option<&'a str>,
}

#[derive(Serialize)]
struct DeliveryView<'a> {
    id: String,
    job_id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    state: &'static str,
    happened_at: String,
    tries: u32,
    next_try_at: Option<String>,
    delivered_at: Option<String>,
    missed_at: Option<String>,
    log: Vec<TryView<'a>>,
}

/// `GET /api/queue/deliveries/{id}`: what the caller was told of the job, and every try.
pub async fn of_job(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let found = verbs::of_job(&app, &call, job_id(&id)?).await?;
    let found = found.ok_or_else(ApiError::no_job)?;
    Answer::ok(&json!({ "deliveries": views(&found) }))
}

/// `POST /api/queue/replay/{id}`: tells one event again, or all that nobody took.
pub async fn replay(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Replay = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    let event = asked.event.as_deref().map(event_of).transpose()?;
    let replayed = verbs::replay(&app, &call, job_id(&id)?, event).await?;
    let replayed = replayed.ok_or_else(no_event)?;
    Answer::ok(&json!({ "replayed": replayed }))
}

/// `GET /api/admin/deliveries`: what nobody took, of all jobs.
pub async fn missed(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let after = match query.get("cursor").map(String::as_str) {
        None | Some("") => Some(MissedAfter {
            missed_at: UnixMillis::default(),
            event: None,
        }),
        Some(cursor) => missed_after(cursor),
    };
    let bad_cursor = || {
        let message = "cursor: take next_cursor of the page before, unchanged";
        ApiError::new(Code::InvalidRequest, message)
    };
    let page = verbs::missed(&app, after.ok_or_else(bad_cursor)?).await?;
    let next = page.next.and_then(|next| {
        let event = next.event?;
        Some(format!("{}.{}", next.missed_at.get(), name(&event)))
    });
    Answer::ok(&json!({
        "deliveries": views(&page.missed),
        "has_more": next.is_some(),
        "next_cursor": next,
    }))
}

/// `POST /api/admin/deliveries/replay`: tells a page of what nobody took again.
pub async fn resend(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Replay = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    let since = match asked.since.as_deref() {
        None => UnixMillis::default(),
        Some(text) => create_body::moment(text).ok_or_else(|| {
            let message = create_body::MOMENT_WANTED;
            ApiError::at(Code::InvalidRequest, "/since", "wrong_type", message)
        })?,
    };
    let (replayed, has_more) = verbs::replay_missed(&app, &call, since).await?;
    Answer::ok(&json!({ "replayed": replayed, "has_more": has_more }))
}

/// `GET /api/webhooks/secret`: the secret that signs what the caller's key asks to be told.
pub async fn secret(State(app): State<Arc<App>>, Caller(call): Caller) -> Result<Answer, ApiError> {
    shown(webhook_secret::show(&app, &call).await?)
}

/// `GET /api/webhooks/keys`: what verifies the signatures `v1a` of what this caller is told.
pub async fn public_keys(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
) -> Result<Answer, ApiError> {
    let keys = webhook_secret::public_keys(&app, &call).await?;
    Answer::ok(&json!({ "keys": keys.map_err(|why| no_secret(&why))? }))
}

/// `POST /api/webhooks/secret`: another one; the one of before signs, too, for a week.
pub async fn rotate_secret(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
) -> Result<Answer, ApiError> {
    shown(webhook_secret::rotate(&app, &call).await?)
}

fn shown(found: Result<Shown, NoSecret>) -> Result<Answer, ApiError> {
    match found {
        Ok(Shown { secret, old_until }) => Answer::ok(&json!({
            "secret": secret,
            "old_secret_until": old_until.map(UnixMillis::iso8601),
        })),
        Err(why) => Err(no_secret(&why)),
    }
}

fn no_secret(why: &NoSecret) -> ApiError {
    let (code, message) = match why {
        NoSecret::Session => (
            Code::Forbidden,
            "a browser's session has no webhooks: use a key",
        ),
        NoSecret::Fixed => (
            Code::Conflict,
            "this secret is derived from TOKEN_SECRETS alone, and changes with it",
        ),
    };
    ApiError::new(code, message)
}

fn name(event: &Event) -> String {
    event_id(event.job, event.round, event.status)
}

fn event(text: &str) -> Option<Event> {
    let (job, round, status) = parse_event_id(text)?;
    Some(Event { job, round, status })
}

fn event_of(text: &str) -> Result<Event, ApiError> {
    event(text).ok_or_else(no_event)
}

/// `<missed_at>.<event id>`.
fn missed_after(cursor: &str) -> Option<MissedAfter> {
    let (missed_at, id) = cursor.split_once('.')?;
    Some(MissedAfter {
        missed_at: UnixMillis::new(missed_at.parse().ok()?),
        event: Some(event(id)?),
    })
}

fn no_event() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "there is no such job, or no such event of it, or it was tried 110 times, which is all",
    )
}

fn views(deliveries: &[Delivery]) -> Vec<DeliveryView<'_>> {
    deliveries.iter().map(view).collect()
}

fn view(delivery: &Delivery) -> DeliveryView<'_> {
    let state = match (delivery.delivered_at, delivery.missed_at) {
        (Some(_), _) => "delivered",
        (None, Some(_)) => "missed",
        (None, None) => "pending",
    };
    let tries = delivery.log.iter().map(|one| TryView {
        n: one.n,
        at: one.at.iso8601(),
        status: one.status,
        duration_ms: one.duration_ms,
        why: one.why.as_deref(),
    });
    DeliveryView {
        id: name(&delivery.event),
        job_id: delivery.event.job.to_string(),
        event_type: event_type(delivery.event.status),
        state,
        happened_at: delivery.happened_at.iso8601(),
        tries: delivery.tries,
        next_try_at: delivery.due_at.map(UnixMillis::iso8601),
        delivered_at: delivery.delivered_at.map(UnixMillis::iso8601),
        missed_at: delivery.missed_at.map(UnixMillis::iso8601),
        log: tries.collect(),
    }
}
