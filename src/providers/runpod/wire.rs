//! The job object that RunPod shows in every answer about a job, read tolerantly.

use std::fmt;

use bytes::Bytes;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::json::Json;
use super::{failure, output};
use crate::id::ProviderId;
use crate::parse;
use crate::providers::{Report, Times};

#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum WireError {
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    #[error("no usable job id")]
    NoId,
    #[error("no status that we know")]
    NoStatus,
}

/// A job as `/status`, `/run`, `/cancel` and the webhook show it. Each key is optional, and every
/// type is taken as it comes: the checks are in the accessors.
#[derive(Deserialize)]
pub(super) struct JobObject<'a> {
    #[serde(borrow)]
    id: Option<Json<'a>>,
    #[serde(borrow)]
    status: Option<Json<'a>>,
    #[serde(borrow)]
    output: Option<Json<'a>>,
    #[serde(borrow)]
    error: Option<Json<'a>>,
    #[serde(borrow, rename = "delayTime")]
    delay_time: Option<Json<'a>>,
    #[serde(borrow, rename = "executionTime")]
    execution_time: Option<Json<'a>>,
}

/// The platform's words for a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InQueue,
    InProgress,
    Completed,
    Failed,
    Canceled,
    TimedOut,
}

impl<'a> JobObject<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        // A derived struct would also be read from an array; RunPod never sends one.
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Err(WireError::NotAnObject("no opening brace".into()));
        }
        parse::json_bytes(body).map_err(|error| WireError::NotAnObject(error.to_string()))
    }

    pub(super) fn id(&self) -> Result<ProviderId, WireError> {
        let id = self.id.as_ref().and_then(provider_id);
        id.ok_or(WireError::NoId)
    }

    pub(super) fn names_another_than(&self, id: &ProviderId) -> bool {
        let named = self.id.as_ref().and_then(Json::text);
        named.is_some_and(|text| text != id.as_str())
    }

    pub(super) fn status(&self) -> Result<Status, WireError> {
        match self.status.as_ref().and_then(Json::text) {
            Some("IN_QUEUE") => Ok(Status::InQueue),
            // RUNNING is in the documentation's list of states only.
            Some("IN_PROGRESS" | "RUNNING") => Ok(Status::InProgress),
            Some("COMPLETED") => Ok(Status::Completed),
            Some("FAILED") => Ok(Status::Failed),
            Some("CANCELLED") => Ok(Status::Canceled),
            Some("TIMED_OUT") => Ok(Status::TimedOut),
            _ => Err(WireError::NoStatus),
        }
    }

    /// `body` is what the job was parsed from: the files of the report are slices of it.
    pub(super) fn report(&self, body: &Bytes) -> Result<Report, WireError> {
        let times = self.times();
        let (error, output) = (self.error.as_ref(), self.output.as_ref());
        Ok(match self.status()? {
            Status::InQueue => Report::Queued,
            Status::InProgress => Report::Running {
                progress_permille: output.and_then(progress_permille),
            },
            Status::Completed => completed(error, output, times, body),
            Status::Failed => Report::Failed {
                failure: failure::read(error, output),
                times,
            },
            Status::TimedOut => {
                let ran = times.execution_ms.is_some_and(|ms| ms > 0);
                let failure = failure::timed_out(ran, error, output);
                Report::Failed { failure, times }
            }
            Status::Canceled => Report::Canceled { times },
        })
    }

    pub(super) fn times(&self) -> Times {
        Times {
            delay_ms: self.delay_time.as_ref().and_then(Json::whole),
            execution_ms: self.execution_time.as_ref().and_then(Json::whole),
        }
    }
}

fn provider_id(id: &Json) -> Option<ProviderId> {
    let text = id.text()?;
    // An id of dots alone would climb the path of a URL, even when escaped.
    let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    named.then(|| ProviderId::parse(text)).flatten()
}

/// The id from the beginning of a job object, of which the rest may be missing. RunPod writes keys
/// in order: the id comes before the input that it echoes and before the output.
pub(super) fn leading_id(beginning: &[u8]) -> Option<ProviderId> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(beginning);
    // Ends with an error where the bytes end, at the latest.
    let _end = reader.deserialize_map(IdSeeker { found: &mut found });
    found
}

struct IdSeeker<'f> {
    found: &'f mut Option<ProviderId>,
}

impl<'de> Visitor<'de> for IdSeeker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a job object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Json>()? {
            if name.text() == Some("id") {
                *self.found = provider_id(&members.next_value::<Json>()?);
                return Ok(());
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// `COMPLETED` only says that the handler returned. Files found beside an error are a partial
/// result, which is for `job/` to weigh; an error without any file is a failure.
fn completed(error: Option<&Json>, output: Option<&Json>, times: Times, body: &Bytes) -> Report {
    let declared = output.is_some_and(failure::is_declared);
    let outputs = match output {
        Some(output) if !declared => output::read(output, body),
        _ => Vec::new(),
    };
    if declared || (outputs.is_empty() && failure::is_told(error, output)) {
        let failure = failure::read(error, output);
        return Report::Failed { failure, times };
    }
    Report::Done { outputs, times }
}

/// A running job shows the worker's last progress update in `output`, in whatever shape the worker
/// chose. Whole numbers and `50%` are percents; a fraction up to 1 is a share of the whole.
fn progress_permille(output: &Json) -> Option<u16> {
    let permille = match output {
        Json::Whole(percent) => u16::try_from(*percent).ok()?.checked_mul(10)?,
        Json::Real(share) if (0.0..=1.0).contains(share) => rounded(share * 1000.0)?,
        Json::Real(percent) => rounded(percent * 10.0)?,
        Json::Text(text) => rounded(text.strip_suffix('%')?.trim().parse::<f64>().ok()? * 10.0)?,
        Json::Object(_) => return progress_permille(number(output.get("progress")?)?),
        Json::List(_) | Json::Other => return None,
    };
    (permille <= 1000).then_some(permille)
}

/// Objects end here, so that progress inside progress cannot recurse.
fn number<'j, 'a>(json: &'j Json<'a>) -> Option<&'j Json<'a>> {
    matches!(json, Json::Whole(_) | Json::Real(_) | Json::Text(_)).then_some(json)
}

fn rounded(permille: f64) -> Option<u16> {
    // The range check makes the cast exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..=1000.0)
        .contains(&permille)
        .then(|| permille.round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Cause, Failure};

    fn check(body: &str, expected: &Report) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let read = JobObject::parse(&body).and_then(|job| job.report(&body));
        assert_eq!(read.as_ref(), Ok(expected), "{body:?}");
    }

    fn running(progress_permille: Option<u16>) -> Report {
        Report::Running { progress_permille }
    }

    fn failed(cause: Cause, message: &str, times: (u64, u64)) -> Report {
        Report::Failed {
            failure: Failure::of(cause, message),
            times: Times {
                delay_ms: (times.0 > 0).then_some(times.0),
                execution_ms: (times.1 > 0).then_some(times.1),
            },
        }
    }

    #[test]
    fn each_state_of_a_job_is_read() {
        check(r#"{"id":"a-u1","status":"IN_QUEUE"}"#, &Report::Queued);
        check(
            r#"{"delayTime":9,"id":"a-u1","status":"IN_QUEUE"}"#,
            &Report::Queued,
        );
        check(
            r#"{"delayTime":2624,"id":"a-u1","retries":1,"status":"IN_PROGRESS","workerId":"w"}"#,
            &running(None),
        );
        check(r#"{"status":"RUNNING"}"#, &running(None));
        check(
            r#"{"delayTime":101050,"error":"job timed out after 1 retries","executionTime":42078,
                "id":"a-u1","retries":1,"status":"FAILED","workerId":"w"}"#,
            &failed(
                Cause::WorkerLost,
                "job timed out after 1 retries",
                (101_050, 42_078),
            ),
        );
        check(
            r#"{"status":"TIMED_OUT"}"#,
            &failed(
                Cause::QueueTimeout,
                "RunPod gave the job up before a worker took it",
                (0, 0),
            ),
        );
        check(
            r#"{"executionTime":7,"status":"TIMED_OUT"}"#,
            &failed(
                Cause::ExecutionTimeout,
                "RunPod reports a failure without a reason",
                (0, 7),
            ),
        );
        let times = Times::default();
        check(r#"{"status":"CANCELLED"}"#, &Report::Canceled { times });
    }

    #[test]
    fn completed_is_success_only_with_files_and_without_an_error() {
        let times = Times {
            delay_ms: Some(100),
            execution_ms: Some(1571),
        };
        let outputs = Vec::new();
        check(
            r#"{"delayTime":100,"executionTime":1571.5,"id":"a","status":"COMPLETED"}"#,
            &Report::Done { outputs, times },
        );
        for output in [
            r#"{"status":"error","message":"no image"}"#,
            r#"{"error":"no image"}"#,
            r#"{"images":[],"error":{"message":"no image"}}"#,
        ] {
            check(
                &format!(r#"{{"output":{output},"status":"COMPLETED"}}"#),
                &failed(Cause::WorkerFailed, "no image", (0, 0)),
            );
        }
    }

    #[test]
    fn output_of_a_running_job_is_progress_and_never_a_result() {
        for (output, expected) in [
            ("\"discrete_diarization;None;None\"", None),
            ("42", Some(420)),
            ("0.425", Some(425)),
            ("55.5", Some(555)),
            ("\"7%\"", Some(70)),
            ("{\"progress\":0.5,\"stage\":\"x\"}", Some(500)),
            ("{\"progress\":{\"progress\":1}}", None),
            ("101", None),
            ("-1", None),
            ("1e300", None),
            ("\"NaN%\"", None),
            ("[1]", None),
            ("null", None),
        ] {
            let body = format!(r#"{{"output":{output},"status":"IN_PROGRESS"}}"#);
            check(&body, &running(expected));
        }
    }

    #[test]
    fn what_is_not_a_job_is_refused() {
        for body in [
            "",
            "[]",
            "null",
            "\"x\"",
            "{\"status\":",
            "[\"a\",\"COMPLETED\"]",
        ] {
            let read = JobObject::parse(body.as_bytes()).map(|_| ());
            assert!(matches!(read, Err(WireError::NotAnObject(_))), "{body}");
        }
        for body in [
            "{}",
            r#"{"status":404,"title":"Not Found","detail":"job not found"}"#,
            r#"{"status":"completed"}"#,
        ] {
            let job = JobObject::parse(body.as_bytes()).unwrap();
            let report = job.report(&Bytes::from_static(body.as_bytes()));
            assert_eq!(report, Err(WireError::NoStatus), "{body}");
        }
    }

    #[test]
    fn an_id_is_any_short_word_that_is_not_a_path() {
        for id in [
            "d7c6aa87-df8d-49db-982b-8890054fe56f-u1",
            "sync-1",
            "a/b?c#d",
        ] {
            let body = format!("{{\"id\":\"{id}\"}}");
            let job = JobObject::parse(body.as_bytes()).unwrap();
            assert_eq!(job.id().unwrap().as_str(), id);
        }
        let long = format!("\"{}\"", "a".repeat(300));
        for id in [
            "\"\"", "\"..\"", "\".\"", "7", "null", "{}", "\"a b\"", "\"é\"", &long,
        ] {
            let body = format!("{{\"id\":{id}}}");
            let job = JobObject::parse(body.as_bytes()).unwrap();
            assert_eq!(job.id(), Err(WireError::NoId), "{id}");
        }
    }

    #[test]
    fn the_id_is_read_from_the_beginning_of_a_job_that_breaks_off() {
        let check = |beginning: &[u8], expected: Option<&str>| {
            let id = leading_id(beginning);
            assert_eq!(id.as_ref().map(ProviderId::as_str), expected);
        };
        let whole = br#"{"delayTime":9,"error":{"id":"x"},"id":"a-u1","input":{"images":"AAA"}}"#;
        check(whole, Some("a-u1"));
        check(&whole[..60], Some("a-u1"));
        check(&whole[..42], None);
        check(br#"{"input":{"id":"b"},"output":"AAAA"#, None);
        check(br#"["id","a-u1"]"#, None);
        check(b"", None);
    }
}
