//! Whom a job's caller wants to be told, and of what.

use super::Request;
use crate::address;
use crate::app::App;
use crate::config::Environment;
use crate::queue::{webhook_secret, Call};
use crate::workflow::violation::Violation;

/// Longer addresses are cut by many servers on their way.
const URL_LENGTH_MAX: usize = 2_048;

/// What is wrong with the webhook is added to the request's violations. Strangers name none: they
/// would make us send to whom they like.
pub fn check(app: &App, call: &Call, request: &mut Request) {
    let path = "/webhook_url";
    let Some(url) = &request.webhook_url else {
        if request.webhook_events.is_some() {
            let message = "needs webhook_url beside it";
            let path = "/webhook_events_filter";
            request
                .violations
                .push(Violation::new(path, "not_allowed", message));
        }
        return;
    };
    let may_loop_back = app.config.environment == Environment::Local;
    let problem = if webhook_secret::key_of(call).is_none() {
        Some("a browser's session cannot ask for webhooks: use a key".to_owned())
    } else if url.len() > URL_LENGTH_MAX {
        Some(format!("longer than {URL_LENGTH_MAX} characters"))
    } else {
        let checked = address::check(url, may_loop_back);
        checked
            .err()
            .map(|forbidden| format!("the address {forbidden}"))
    };
    if let Some(message) = problem {
        request
            .violations
            .push(Violation::new(path, "bad_url", message));
    }
}
