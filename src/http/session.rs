//! `/api/session`: a browser's token, and the challenge before it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{header, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::auth::{address, bearer};
use super::error::{ApiError, Code};
use super::limits::Bodies;
use crate::access::Rights;
use crate::app::App;
use crate::parse;
use crate::queue::session::{self, Visitor, CHALLENGE_LENGTH_MAX};

/// A page of its own, inside of ours: Cloudflare's script runs under this policy, and the pages'
/// own policy names nobody else, whether challenges are asked for or not (Cloudflare's
/// documentation, Turnstile, Content Security Policy).
const CHALLENGE_POLICY: &str = "default-src 'none'; \
    script-src 'self' https://challenges.cloudflare.com; \
    frame-src https://challenges.cloudflare.com; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Room for the challenge's response and little else.
const BODY_BYTES_MAX: usize = 4 << 10;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    turnstile_token: Option<String>,
}

/// `POST /api/session`: a token for a page; with the last one in `Authorization`, of the same
/// subject.
pub async fn mint(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let bodies = Bodies::of(&app, &Rights::default());
    let held = bodies.read(&headers, body, BODY_BYTES_MAX).await?;
    let asked: Asked = match held.as_ref() {
        [] => Asked::default(),
        bytes => parse::json_bytes(bytes).map_err(|_| {
            let message = "nothing, or a JSON object with turnstile_token";
            ApiError::new(Code::InvalidJson, message)
        })?,
    };
    let challenge = asked.turnstile_token.as_deref();
    if challenge.is_some_and(|text| text.len() > CHALLENGE_LENGTH_MAX) {
        let message = "at most 2048 characters, as Turnstile gives them";
        let path = "/turnstile_token";
        return Err(ApiError::at(
            Code::InvalidRequest,
            path,
            "too_long",
            message,
        ));
    }
    let visitor = Visitor {
        address: &address(&headers),
        last: bearer(&headers),
        challenge,
    };
    let session = session::mint(&app, visitor).await?;
    Answer::ok(&json!({
        "token": session.token,
        "expires_at": session.expires_at.iso8601(),
        "expires_at_ms": session.expires_at,
        "renewable_until": session.renewable_until.iso8601(),
        "renewable_until_ms": session.renewable_until,
        "renewed": session.renewed,
    }))
}

/// `GET /api/session/challenge`: Turnstile's widget, which tells the page around it what it gave.
pub async fn challenge(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let Some(key) = &app.config.access.turnstile_site_key else {
        let message = "no challenge is shown here: TURNSTILE_SITE_KEY is not set";
        return Err(ApiError::new(Code::NotFound, message));
    };
    let page = format!(
        "<!doctype html><title>Challenge</title><script src=\"/js/challenge_frame.js\"></script>\
         <script src=\"https://challenges.cloudflare.com/turnstile/v0/api.js\" async></script>\
         <div class=\"cf-turnstile\" data-sitekey=\"{key}\" data-callback=\"passed\" \
         data-error-callback=\"failed\"></div>"
    );
    let mut response = page.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CHALLENGE_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
