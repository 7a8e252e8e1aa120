//! `/api/credits`: what a caller may still spend on jobs, and how it gets more.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{json, Value};

use super::answer::Answer;
use super::auth::{Caller, Operator};
use super::error::{ApiError, Code};
use super::limits::Bodies;
use crate::access::Window;
use crate::app::App;
use crate::id::{CallerId, RequestKey};
use crate::queue::credits::{self as verbs, Given, NoGrant};
use crate::store::credits::Balance;
use crate::workflow::violation::Violation;

const BODY_BYTES_MAX: usize = 4 << 10;
/// A grant of more is a slip of the hand; and totals stay far below what a number holds exactly.
const CREDITS_MAX: u32 = 1_000_000;
/// Enough to try everything; a simulated purchase is for looking, not for hoarding.
const PURCHASE_MAX: u32 = 1_000;
const WHY_BYTES_MAX: usize = 100;
/// As long as the names of callers that are there.
const OWNER_LENGTH_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    credits: u32,
    owner: Option<String>,
    id: Option<String>,
    why: Option<String>,
}

/// How credits are come by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the caller, for itself.
    Purchase,
    /// By the operator, for an owner that it names.
    Grant,
}

/// `GET /api/credits`: how the caller stands, and what came of its credits.
pub async fn show(State(app): State<Arc<App>>, Caller(call): Caller) -> Result<Answer, ApiError> {
    let books = verbs::show(&app, &call).await?;
    Answer::ok(&json!({
        "credits": books.balance.map(|balance| view(&balance)),
        "entries": books.entries,
        "can_purchase": books.can_purchase,
    }))
}

/// `POST /api/credits/purchase`: a purchase that costs nothing, where the GPU is simulated.
pub async fn purchase(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Asked = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    check(&asked, Way::Purchase)?;
    let bought = verbs::purchase(&app, &call, asked.credits, asked.id.as_deref()).await?;
    Answer::ok(&json!({ "credits": view(&bought) }))
}

/// `POST /api/admin/credits`: credits for an owner of keys, or for a session.
pub async fn grant(
    State(app): State<Arc<App>>,
    Operator(call): Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let asked: Asked = Bodies::of(&app, &call.rights)
        .small_json(&headers, body, BODY_BYTES_MAX)
        .await?;
    check(&asked, Way::Grant)?;
    let owner = CallerId::new(asked.owner.unwrap_or_default());
    let given = Given {
        credits: asked.credits,
        id: asked.id.as_deref().unwrap_or_default(),
        why: asked.why.as_deref().unwrap_or("operator"),
    };
    let balance = verbs::give(&app, &call, &owner, given).await?;
    Answer::ok(&json!({ "owner": owner.as_str(), "credits": view(&balance) }))
}

fn view(balance: &Balance) -> Value {
    json!({
        "left": balance.left(),
        "granted": balance.granted,
        "spent": balance.spent,
        "reserved": balance.reserved,
    })
}

fn check(asked: &Asked, way: Way) -> Result<(), ApiError> {
    let is_grant = way == Way::Grant;
    let most = if is_grant { CREDITS_MAX } else { PURCHASE_MAX };
    let owner = asked.owner.as_deref();
    let owner_fits = owner.is_some_and(|owner| {
        let visible = owner.bytes().all(|b| b.is_ascii_graphic());
        let is_nobody = ["", "anonymous", "operator"].contains(&owner);
        visible && !is_nobody && owner.len() <= OWNER_LENGTH_MAX
    });
    let id = asked.id.as_deref();
    let id_fits = id.map_or(!is_grant, |id| RequestKey::parse(id).is_some());
    let why_fits = asked.why.as_ref().is_none_or(|why| {
        is_grant && why.len() <= WHY_BYTES_MAX && !why.chars().any(char::is_control)
    });
    let rules = [
        (
            (1..=most).contains(&asked.credits),
            "/credits",
            format!("a whole number from 1 to {most}"),
        ),
        (
            owner_fits == is_grant && owner.is_some() == is_grant,
            "/owner",
            "the owner of the keys, or session:<subject>; in a grant only".into(),
        ),
        (
            id_fits,
            "/id",
            "the payment's own name, 1 to 255 printable ASCII characters".into(),
        ),
        (
            why_fits,
            "/why",
            "at most 100 bytes without control characters; in a grant only".into(),
        ),
    ];
    let wrong = rules.into_iter().filter(|(fits, ..)| !fits);
    let wrong: Vec<Violation> = wrong
        .map(|(_, path, message)| Violation::new(path, "out_of_range", message))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ApiError::violations(Code::InvalidRequest, wrong))
    }
}

impl From<NoGrant> for ApiError {
    fn from(refusal: NoGrant) -> Self {
        match refusal {
            NoGrant::Free => {
                let message =
                    "no credits are asked for here: CREDITS is off, or the caller is free";
                Self::new(Code::Forbidden, message)
            }
            NoGrant::NotSold => {
                let message = "credits are not sold here: the operator grants them with \
                     POST /api/admin/credits";
                Self::new(Code::Forbidden, message)
            }
            NoGrant::Spent(at) => {
                let seconds = Window::Day.ends_in_s(at);
                Self::later(Code::BudgetExhausted, refusal.to_string(), seconds)
            }
            NoGrant::Queue(error) => error.into(),
        }
    }
}
