//! What verbs refuse, as errors of the API.

use super::{ApiError, Code};
use crate::access::Window;
use crate::queue::allow::Denied;
use crate::queue::create::{CreateError, Unfit};
use crate::queue::identify::Stranger;
use crate::queue::inventory::PutError;
use crate::queue::session::NoSession;
use crate::queue::QueueError;
use crate::workflow::inventory::InventoryError;

/// A job of the shortest kind has ended by then.
const BUSY_RETRY_AFTER_S: u32 = 5;
/// A backlog does not go away in seconds.
const FULL_RETRY_AFTER_S: u32 = 30;
/// The period of the counters in wrangler.toml.
const DAMPED_RETRY_AFTER_S: u32 = 60;

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        if let QueueError::Expired(at) = error {
            let message = format!("it was kept until {} and is gone", at.iso8601());
            return Self::new(Code::Expired, message).with(|fault| fault.expired_at = Some(at));
        }
        let shown = if error.is_passing() {
            Self::unavailable("the service is briefly unavailable; try again")
        } else {
            Self::internal(&error)
        };
        shown.with(|fault| fault.cause = Some(error.to_string()))
    }
}

impl From<InventoryError> for ApiError {
    fn from(error: InventoryError) -> Self {
        let message = error.to_string();
        match error {
            InventoryError::Classes(details) => Self::violations(Code::InvalidRequest, details),
            InventoryError::NotJson { .. } => Self::new(Code::InvalidJson, message),
            InventoryError::NotClasses => Self::new(Code::InvalidRequest, message),
            InventoryError::TooLarge(_)
            | InventoryError::TooMany(_)
            | InventoryError::TooMuch { .. } => Self::new(Code::PayloadTooLarge, message),
        }
    }
}

impl From<PutError> for ApiError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Inventory(error) => error.into(),
            PutError::Overtaken => {
                let message = "another inventory was put at the same time; put this one again";
                Self::new(Code::Conflict, message)
            }
            PutError::Queue(error) => error.into(),
        }
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Violations(details) => Self::violations(Code::ContractViolation, details),
            CreateError::Workflow(unfit) => {
                let Unfit {
                    violations,
                    node_errors,
                } = *unfit;
                let error = Self::violations(Code::WorkflowInvalid, violations);
                error.with(|fault| fault.node_errors = node_errors)
            }
            CreateError::EditorGraph { is_empty } => {
                let message = if is_empty {
                    "this is what the editor saves, and there is no node in it that could run"
                } else {
                    "this is what the editor saves, and without an inventory of the endpoint it \
                     cannot be converted here; in ComfyUI choose Workflow > Export (API), or run \
                     `ops convert`, and send that"
                };
                let code = "workflow_format_ui";
                Self::at(Code::WorkflowFormatUi, "/workflow", code, message)
            }
            CreateError::MissingAssets(details) => Self::violations(Code::MissingAsset, details),
            CreateError::TooLarge { path, message } => {
                Self::at(Code::PayloadTooLarge, &path, "too_large", &message)
            }
            CreateError::Mismatch { job } => {
                let message = "this idempotency key belongs to a job with another body";
                let error = Self::new(Code::IdempotencyMismatch, message);
                error.with(|fault| fault.job_id = Some(job))
            }
            CreateError::Unsure { job } => {
                let message = "it is not known whether the job was recorded; repeat the request \
                     with the same idempotency key, or ask for the status of job_id";
                Self::unavailable(message).with(|fault| fault.job_id = Some(job))
            }
            CreateError::Denied(denied) => denied.into(),
            CreateError::Queue(error) => error.into(),
        }
    }
}

impl From<Stranger> for ApiError {
    fn from(stranger: Stranger) -> Self {
        match stranger {
            Stranger::Refused(message) => Self::new(Code::Unauthorized, message),
            Stranger::TooMany => too_many(),
            Stranger::Queue(error) => error.into(),
        }
    }
}

impl From<NoSession> for ApiError {
    fn from(refusal: NoSession) -> Self {
        match refusal {
            NoSession::Off => {
                let message = "this deployment gives pages no sessions: SESSION_JOBS_PER_DAY is 0";
                Self::new(Code::Forbidden, message)
            }
            NoSession::TooMany => too_many(),
            NoSession::Challenge { is_shown: false } => {
                let message = "the challenge was not passed: send what Turnstile's widget gave, \
                     fresh and once, as turnstile_token";
                Self::new(Code::Forbidden, message)
            }
            NoSession::Challenge { is_shown: true } => {
                let message = "the challenge was not passed: GET /api/session/challenge shows it, \
                     and tells the page around it what to send as turnstile_token";
                let path = "/turnstile_token";
                Self::at(Code::Forbidden, path, "challenge_wanted", message)
            }
            NoSession::Queue(error) => error.into(),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Scope(scope) => {
                let message = format!(
                    "this needs the scope {}, which the key lacks",
                    scope.as_str()
                );
                Self::new(Code::Forbidden, message)
            }
            Denied::NotPublic => {
                let message = "this template is not public: a session may not use it";
                Self::new(Code::Forbidden, message)
            }
            Denied::Revoked => Self::new(Code::Unauthorized, "the key has been revoked"),
            Denied::Spent(Window::Day, meter) => {
                let message = "the jobs of this day are used up; the next day begins at 00:00 UTC";
                let seconds = Window::Day.ends_in_s(meter.at);
                Self::later(Code::BudgetExhausted, message, seconds).metered(&meter)
            }
            Denied::Spent(Window::Minute, meter) => {
                let seconds = Window::Minute.ends_in_s(meter.at);
                let message = "the jobs of this minute are used up";
                Self::later(Code::RateLimited, message, seconds).metered(&meter)
            }
            Denied::Busy(meter) => {
                let message = format!(
                    "{} jobs have not ended, and there may be no more at a time",
                    meter.standing.live_jobs
                );
                Self::later(Code::RateLimited, message, BUSY_RETRY_AFTER_S).metered(&meter)
            }
            Denied::Credits { price, left } => {
                let message = format!(
                    "the price in credits is {price}, and {left} are left: get more as \
                     GET /api/credits says, or wait for a job under way, which gives its own back \
                     if it fails"
                );
                Self::new(Code::InsufficientCredits, message)
            }
            Denied::Full => {
                let message = "too many jobs are waiting, of all callers; try again later";
                Self::later(Code::QueueFull, message, FULL_RETRY_AFTER_S)
            }
            Denied::Crowd => {
                let message = "half of all the jobs that may wait are yours, and the other half \
                     is kept for others; try again later";
                Self::later(Code::QueueFull, message, FULL_RETRY_AFTER_S)
            }
        }
    }
}

fn too_many() -> ApiError {
    let message = "too many requests in a short time";
    ApiError::later(Code::RateLimited, message, DAMPED_RETRY_AFTER_S)
}
