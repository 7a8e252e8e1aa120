//! Files behind links, fetched at once: presigned links die within a week, and a job that succeeded
//! must not lose its files.

use std::collections::BTreeMap;

use bytes::Bytes;
use url::Url;

use super::files::invalid;
use crate::address::{self, Forbidden};
use crate::app::App;
use crate::config::Environment;
use crate::job::{Cause, Failure};
use crate::ports::{HttpAnswer, HttpRequest, Method};
use crate::queue::QueueError;

/// A bucket answers itself; a network of copies in front of it redirects once or twice.
const REDIRECTS_MAX: usize = 3;

/// Opens a link and every redirect of it that leads to a public address. The inner error is the
/// worker's fault, the outer one may pass.
pub async fn open(
    app: &App,
    link: &str,
    timeout_ms: u32,
) -> Result<Result<HttpAnswer, Failure>, QueueError> {
    let may_loop_back = app.config.environment == Environment::Local;
    let mut target = address::check(link, may_loop_back);
    for _ in 0..=REDIRECTS_MAX {
        let url = match target {
            Ok(url) => url,
            Err(forbidden) => return Ok(Err(refused(forbidden))),
        };
        let opened = app.http.open(get(&url, timeout_ms)).await;
        let answer = opened.map_err(|error| passing(error.in_our_words()))?;
        match answer.status {
            200 => return Ok(Ok(answer)),
            301 | 302 | 303 | 307 | 308 => {
                target = next(&url, &answer.headers)
                    .and_then(|next| address::check(next.as_str(), may_loop_back));
            }
            // Said by servers that may well answer a moment later.
            408 | 425 | 429 | 500.. => return Err(passing(&format!("status {}", answer.status))),
            status => return Ok(Err(missing(status))),
        }
    }
    Ok(Err(invalid("a file is behind too many redirects")))
}

fn next(url: &Url, headers: &BTreeMap<String, String>) -> Result<Url, Forbidden> {
    let location = headers.get("location").ok_or(Forbidden::NotAUrl)?;
    url.join(location).map_err(|_| Forbidden::NotAUrl)
}

fn get(url: &Url, timeout_ms: u32) -> HttpRequest {
    HttpRequest {
        method: Method::Get,
        url: url.as_str().to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout_ms,
    }
}

fn refused(forbidden: Forbidden) -> Failure {
    let message = format!("a file is behind a link that {forbidden}");
    Failure::of(Cause::OutputForbidden, message)
}

fn missing(status: u16) -> Failure {
    let message = format!("a file could not be fetched: status {status}");
    Failure::of(Cause::OutputMissing, message)
}

pub fn passing(why: &str) -> QueueError {
    QueueError::Broken(format!("fetching a file: {why}"))
}
