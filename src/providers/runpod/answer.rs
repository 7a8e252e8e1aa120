//! What an answer means, or its absence. No I/O: one finished call in, one value of ours out.

use super::redact::Secrets;
use super::service;
use super::wire::{JobObject, Status, WireError};
use crate::id::ProviderId;
use crate::job::{Cause, Failure};
use crate::outgoing::HttpResponse;
use crate::ports::{HttpError, HttpRequest, Method};
use crate::providers::{CancelAnswer, Evidence, Looked, Submitted, Times};
use crate::time::UnixMillis;

/// Bytes of a request kept as evidence. The whole prompt and the limits come first in the body and
/// are far smaller; what may be cut is the tail of the uploads, which we have ourselves. With the
/// answer's part it stays below the 2 MB that a row of D1 takes.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of an answer kept as evidence: an error, or the beginning of something unreadable.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// How long a job waits before it tries a key or an endpoint again that was refused.
const OPERATOR_PAUSE_MS: u64 = 60_000;

/// Statuses that prove that a submit was not taken, and that the same submit will not be. Others of
/// the 400s (408, 409, 425, 499) are said by servers that may have read the request.
const REFUSALS: [u16; 10] = [400, 405, 406, 410, 411, 413, 414, 415, 422, 431];

/// One call, ended.
pub(super) struct Call<'c> {
    pub(super) secrets: Secrets<'c>,
    pub(super) ended_at: UnixMillis,
    pub(super) request: HttpRequest,
    pub(super) answer: Result<HttpResponse, HttpError>,
}

impl Call<'_> {
    pub(super) fn submitted(self) -> Submitted {
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(error @ HttpError::NotSent(_)) => {
                let why = format!("RunPod could not be reached: {error}");
                return self.not_now(&why, None);
            }
            Err(error) => return self.unknown(&error.to_string()),
        };
        match answer.status {
            200..=299 => match JobObject::parse(&answer.body).and_then(|job| job.id()) {
                Ok(id) => Submitted::Accepted(id),
                Err(error) => self.unknown(&format!("the answer has {error}")),
            },
            429 => {
                let pause = service::retry_after_ms(&answer.headers, self.ended_at);
                self.not_now("RunPod has too many requests", pause)
            }
            // About our key, account or endpoint, not about the job: the queue waits for the
            // operator.
            status @ (401..=404) => self.not_now(&refusal(status), Some(OPERATOR_PAUSE_MS)),
            status if REFUSALS.contains(&status) => self.refused(answer),
            status => self.unknown(&format!("HTTP {status}")),
        }
    }

    pub(super) fn looked(self, id: &ProviderId) -> Looked {
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(error) => return self.unreachable(&error.to_string()),
        };
        match answer.status {
            200 => match report(answer, id) {
                Ok(report) => Looked::Report(report),
                Err(why) => self.unreachable(&why),
            },
            404 if is_about_the_job(answer) => Looked::NotFound,
            status => self.unreachable(&format!("HTTP {status}")),
        }
    }

    /// A pause is asked for with 429 or 503, and means nothing anywhere else.
    fn retry_after_ms(&self) -> Option<u64> {
        let answer = self.answer.as_ref().ok();
        let answer = answer.filter(|answer| matches!(answer.status, 429 | 503))?;
        service::retry_after_ms(&answer.headers, self.ended_at)
    }

    pub(super) fn canceled(self, id: &ProviderId) -> CancelAnswer {
        let why = match &self.answer {
            Ok(answer) => match answer.status {
                200..=299 => match ended(answer, id) {
                    Ok(Some(times)) => return CancelAnswer::Confirmed(times),
                    Ok(None) => return CancelAnswer::EndedBefore,
                    Err(why) => why,
                },
                404 if is_about_the_job(answer) => return CancelAnswer::NotFound,
                status => format!("HTTP {status}"),
            },
            Err(error) => error.to_string(),
        };
        CancelAnswer::Unreachable {
            evidence: Box::new(self.evidence(&why)),
        }
    }

    fn not_now(&self, why: &str, retry_after_ms: Option<u64>) -> Submitted {
        Submitted::NotNow {
            failure: self.failure(why),
            retry_after_ms,
            evidence: self.evidence(why),
        }
    }

    fn refused(&self, answer: &HttpResponse) -> Submitted {
        let why = refusal(answer.status);
        Submitted::Refused {
            failure: self.failure(&why),
            evidence: self.evidence(&why),
        }
    }

    /// For the caller, with RunPod's own words, which may be the caller's: so they are never a part
    /// of `why`, which is logged.
    fn failure(&self, why: &str) -> Failure {
        let answer = self.answer.as_ref().ok();
        let message = match answer.and_then(|answer| service::error_detail(&answer.body)) {
            Some(detail) => format!("{why}: {detail}"),
            None => why.to_owned(),
        };
        Failure::of(Cause::Refused, self.secrets.text(&message))
    }

    fn unknown(&self, why: &str) -> Submitted {
        Submitted::Unknown {
            evidence: self.evidence(why),
        }
    }

    fn unreachable(&self, why: &str) -> Looked {
        Looked::Unreachable {
            retry_after_ms: self.retry_after_ms(),
            evidence: self.evidence(why),
        }
    }

    fn evidence(&self, error: &str) -> Evidence {
        let Self {
            secrets, request, ..
        } = self;
        Evidence {
            error: secrets.text(error),
            ..evidence(secrets, self.ended_at, request, &self.answer)
        }
    }
}

/// Everything of a call but its secrets.
pub(super) fn evidence(
    secrets: &Secrets<'_>,
    at: UnixMillis,
    request: &HttpRequest,
    answer: &Result<HttpResponse, HttpError>,
) -> Evidence {
    let error = answer.as_ref().err().map(ToString::to_string);
    let answer = answer.as_ref().ok();
    Evidence {
        at,
        method: match request.method {
            Method::Get => "GET".into(),
            Method::Post => "POST".into(),
        },
        url: secrets.text(&request.url),
        request_headers: secrets.headers(request.headers.iter().map(|(k, v)| (k, v))),
        request_body: secrets.body(&request.body, REQUEST_BYTES_MAX),
        response_status: answer.map(|answer| answer.status),
        response_headers: answer
            .map(|answer| secrets.headers(&answer.headers))
            .unwrap_or_default(),
        response_body: answer
            .map(|answer| secrets.body(&answer.body, RESPONSE_BYTES_MAX))
            .unwrap_or_default(),
        error: secrets.text(&error.unwrap_or_default()),
    }
}

/// A message that says what to do about it.
fn refusal(status: u16) -> String {
    let what = match status {
        401 => "RunPod refused the API key",
        402 => "RunPod wants the account to be paid for first",
        403 => "RunPod does not allow this API key to use the endpoint",
        404 => "RunPod does not know the endpoint, or the API key belongs to another account",
        413 => "RunPod says the job is too large",
        _ => "RunPod refused the job",
    };
    format!("{what} (HTTP {status})")
}

/// RunPod's own words for a job that it does not know. Any other 404 (an unknown endpoint, a stale
/// key, a page of the edge in front) says nothing about the job, and must not look like its loss.
fn is_about_the_job(answer: &HttpResponse) -> bool {
    let detail = service::error_detail(&answer.body).unwrap_or_default();
    detail.to_ascii_lowercase().contains("job not found")
}

fn own_job<'a>(answer: &'a HttpResponse, id: &ProviderId) -> Result<JobObject<'a>, String> {
    let job = JobObject::parse(&answer.body).map_err(|error| error.to_string())?;
    if job.names_another_than(id) {
        return Err("the answer is about another job".into());
    }
    Ok(job)
}

fn report(answer: &HttpResponse, id: &ProviderId) -> Result<crate::providers::Report, String> {
    let job = own_job(answer, id)?;
    let report = job.report(&answer.body);
    report.map_err(|error: WireError| error.to_string())
}

/// The times of a job that was stopped; `None`: it had ended by itself before.
fn ended(answer: &HttpResponse, id: &ProviderId) -> Result<Option<Times>, String> {
    let job = own_job(answer, id)?;
    match job.status() {
        Ok(Status::Canceled) => Ok(Some(job.times())),
        Ok(Status::Completed | Status::Failed | Status::TimedOut) => Ok(None),
        Ok(Status::InQueue | Status::InProgress) => Err("the job has not stopped yet".into()),
        Err(error) => Err(error.to_string()),
    }
}
