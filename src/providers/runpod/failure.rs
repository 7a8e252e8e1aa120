//! Why a worker failed, in words a caller can use: the node where ComfyUI told it, no tracebacks.

use std::borrow::Cow;

use super::json::Json;
use super::{cause, redact};
use crate::job::{Cause, Failure};
use crate::parse;

/// The longest message a caller gets. ComfyUI lists every choice of a missing model, which can be
/// hundreds of file names; two thousand characters show what matters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Lines of `output.details` taken over: one line per failed file or node.
const DETAILS_MAX: usize = 20;

const NOTHING_SAID: &str = "RunPod reports a failure without a reason";

/// The worker ended normally and says in its output that it failed: workers before version 5.
pub(super) fn is_declared(output: &Json) -> bool {
    output.get("status").and_then(Json::text) == Some("error")
}

/// Somebody gave a reason for a failure, beside the output or inside it.
pub(super) fn is_told(error: Option<&Json>, output: Option<&Json>) -> bool {
    let inner = output.and_then(|output| output.get("error"));
    error.or(inner).is_some_and(|error| *error != Json::Other)
}

/// Reads `error` and the leftovers in `output` of a job that failed.
pub(super) fn read(error: Option<&Json>, output: Option<&Json>) -> Failure {
    let inner = |key| output.and_then(|output| output.get(key));
    let told = error
        .or_else(|| inner("error"))
        .or_else(|| inner("message"));
    let mut text = told.map_or(Cow::Borrowed(""), reason).trim().to_owned();
    for line in details(inner("details")) {
        if !text.is_empty() {
            text.push_str(if text.ends_with(':') { " " } else { ": " });
        }
        text.push_str(line);
    }
    let node = Node::find(&text);
    let cause = cause::of(&text, node.is_known());
    let mut message = message(&text);
    message.push_str(cause::advice(cause));
    Failure {
        node_id: node.id,
        class_type: node.class_type,
        ..Failure::of(cause, message)
    }
}

/// `TIMED_OUT`: expired before pick-up, or the worker did not report in time.
pub(super) fn timed_out(ran: bool, error: Option<&Json>, output: Option<&Json>) -> Failure {
    if ran {
        let told = read(error, output);
        return Failure::of(Cause::ExecutionTimeout, told.message);
    }
    let message = "RunPod gave the job up before a worker took it";
    Failure::of(Cause::QueueTimeout, message)
}

fn details<'j>(details: Option<&'j Json>) -> impl Iterator<Item = &'j str> {
    let lines = match details {
        Some(Json::List(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let texts = lines.iter().filter_map(Json::text).map(str::trim);
    texts.filter(|line| !line.is_empty()).take(DETAILS_MAX)
}

/// The reason as text. An exception that the handler did not catch arrives as a JSON document
/// inside a string, with the traceback and the host's name beside what matters.
fn reason<'j>(error: &'j Json) -> Cow<'j, str> {
    match error {
        Json::Text(text) if text.trim_start().starts_with('{') => match parse::json::<Json>(text) {
            Ok(document) => exception(&document).map_or(Cow::Borrowed(text), Cow::Owned),
            Err(_) => Cow::Borrowed(text),
        },
        Json::Text(text) => Cow::Borrowed(text),
        Json::Object(_) => exception(error).map_or(Cow::Borrowed(""), Cow::Owned),
        Json::List(items) => items.first().and_then(Json::text).unwrap_or("").into(),
        Json::Other | Json::Whole(_) | Json::Real(_) => Cow::Borrowed(""),
    }
}

fn exception(document: &Json) -> Option<String> {
    let told = |key| document.get(key).and_then(Json::text);
    let message = told("error_message")
        .or_else(|| told("message"))
        .or_else(|| told("error"));
    let class = told("error_type").or_else(|| told("type")).map(class_name);
    match (class, message) {
        (Some(class), Some(message)) => Some(format!("{class}: {message}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

/// `<class 'ValueError'>` is how Python prints a class.
fn class_name(text: &str) -> &str {
    text.strip_prefix("<class '")
        .and_then(|rest| rest.strip_suffix("'>"))
        .unwrap_or(text)
}

fn message(text: &str) -> String {
    let text = without_traceback(without_raw_response(text)).trim();
    if text.is_empty() {
        return NOTHING_SAID.to_owned();
    }
    let text = redact::tokens(text);
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The worker appends ComfyUI's whole answer to the sentence that says it.
fn without_raw_response(text: &str) -> &str {
    text.split(" Raw response:").next().unwrap_or(text)
}

/// What stands before a traceback, or its last line, which names the exception.
fn without_traceback(text: &str) -> &str {
    let Some((before, traceback)) = text.split_once("Traceback (most recent call last)") else {
        return text;
    };
    if before.trim().is_empty() {
        traceback.trim_end().lines().next_back().unwrap_or("")
    } else {
        before
    }
}

/// Which node failed, where the text says so.
#[derive(Default)]
struct Node {
    id: Option<String>,
    class_type: Option<String>,
}

impl Node {
    fn is_known(&self) -> bool {
        self.id.is_some() || self.class_type.is_some()
    }

    fn find(text: &str) -> Self {
        [
            Self::of_execution,
            Self::of_validation,
            Self::of_raw_response,
        ]
        .iter()
        .find_map(|find| find(text))
        .unwrap_or_default()
    }

    /// `Workflow execution error: Node Type: KSampler, Node ID: 3, Message: …`
    fn of_execution(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("Node Type: ")?;
        let (class_type, rest) = rest.split_once(", Node ID: ")?;
        let id = rest.split([',', '\n']).next()?;
        Some(Self {
            id: word(id),
            class_type: word(class_type),
        })
    }

    /// `• Node 4 (errors): …` and, on another line, `• Node 4 (class_type): …`. What stands in
    /// the block is Python's notation, not JSON, and is left alone.
    fn of_validation(text: &str) -> Option<Self> {
        let at = text.find(" (errors):")?;
        let (_, id) = text[..at].rsplit_once("• Node ")?;
        let class_type = text
            .split_once(&format!("• Node {id} (class_type):"))
            .and_then(|(_, rest)| word(rest.lines().next()?));
        Some(Self {
            id: word(id),
            class_type,
        })
    }

    /// `… Raw response: {"error": {"extra_info": {"node_id": …, "class_type": …}}}`
    fn of_raw_response(text: &str) -> Option<Self> {
        let (_, raw) = text.split_once(" Raw response:")?;
        // The document may be followed by other lines, so only its beginning is read.
        let mut documents = serde_json::Deserializer::from_str(raw).into_iter::<Json>();
        let document = documents.next()?.ok()?;
        let error = document.get("error")?;
        let told = |key| error.get("extra_info")?.get(key)?.text().and_then(word);
        let quoted = || {
            let details = error.get("details")?.text()?;
            let (_, rest) = details.split_once("Node ID '#")?;
            word(rest.split('\'').next()?)
        };
        Some(Self {
            id: told("node_id").or_else(quoted),
            class_type: told("class_type"),
        })
    }
}

/// Names of nodes and classes are short; anything longer is prose that only looks like one.
const NODE_NAME_CHARS_MAX: usize = 128;

fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=NODE_NAME_CHARS_MAX).contains(&text.len());
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use Cause::{
        ExecutionTimeout, NodeFailed, NodeMissing, WorkerFailed, WorkerLost, WorkflowRefused,
    };

    /// `job` has the keys `error` and `output` of a failed job.
    fn check(job: &str, cause: Cause, message: &str, node: (Option<&str>, Option<&str>)) {
        let job: Json = serde_json::from_str(job).unwrap();
        let failure = read(job.get("error"), job.get("output"));
        let found = (failure.node_id.as_deref(), failure.class_type.as_deref());
        assert_eq!(
            (failure.cause, failure.message.as_str(), found),
            (cause, message, node)
        );
    }

    #[test]
    fn the_platforms_own_failures_are_told_apart() {
        let none = (None, None);
        check(
            r#"{"error":"executionTimeout exceeded"}"#,
            ExecutionTimeout,
            "executionTimeout exceeded",
            none,
        );
        check(
            r#"{"error":"job timed out after 1 retries"}"#,
            WorkerLost,
            "job timed out after 1 retries",
            none,
        );
        for silent in [
            "{}",
            r#"{"error":null}"#,
            r#"{"error":7}"#,
            r#"{"output":[1]}"#,
        ] {
            check(silent, WorkerFailed, NOTHING_SAID, none);
        }
    }

    #[test]
    fn an_exception_keeps_its_type_and_message_and_loses_its_traceback() {
        let text = r#"{\"error_type\":\"<class 'ValueError'>\",\"error_message\":\"no\",
            \"error_traceback\":\"Traceback (most recent call last)…\",\"hostname\":\"h\"}"#;
        check(
            &format!("{{\"error\":\"{}\"}}", text.replace('\n', "")),
            WorkerFailed,
            "ValueError: no",
            (None, None),
        );
        check(
            r#"{"error":"Traceback (most recent call last):\n  File \"x\"\nKeyError: 'a'\n"}"#,
            WorkerFailed,
            "KeyError: 'a'",
            (None, None),
        );
        check(
            r#"{"error":"{not json"}"#,
            WorkerFailed,
            "{not json",
            (None, None),
        );
        check(
            r#"{"error":{"type":"E","message":"m"}}"#,
            WorkerFailed,
            "E: m",
            (None, None),
        );
    }

    #[test]
    fn the_node_is_found_in_each_of_the_workers_texts() {
        check(
            r#"{"error":"Job processing failed","output":{"details":
                ["Workflow execution error: Node Type: KSampler, Node ID: 3, Message: no\n"]}}"#,
            NodeFailed,
            "Job processing failed: Workflow execution error: Node Type: KSampler, Node ID: 3, \
             Message: no",
            (Some("3"), Some("KSampler")),
        );
        let validation = "Workflow validation failed:\\n• Node 375:4 (errors): [{'type': 'x'}]\\n\
                          • Node 375:4 (dependent_outputs): ['9']\\n\
                          • Node 375:4 (class_type): CheckpointLoaderSimple";
        check(
            &format!("{{\"error\":\"{validation}\"}}"),
            WorkflowRefused,
            &validation.replace("\\n", "\n"),
            (Some("375:4"), Some("CheckpointLoaderSimple")),
        );
        check(
            r#"{"error":"Node 'Foo' not found. The custom node may not be installed..
                 Raw response: {\"error\": {\"extra_info\":
                 {\"node_id\": \"4\", \"class_type\": \"Foo\"}}}"}"#
                .replace("\n                ", "")
                .as_str(),
            NodeMissing,
            "Node 'Foo' not found. The custom node may not be installed..\n\
             Install the custom node on the endpoint's workers, or use another workflow.",
            (Some("4"), Some("Foo")),
        );
        check(
            r#"{"error":"No. Raw response: {\"error\": {\"details\": \"Node ID '#7'\"}}"}"#,
            WorkflowRefused,
            "No.",
            (Some("7"), None),
        );
    }

    #[test]
    fn a_message_is_bounded_and_free_of_tokens() {
        let long = format!("{{\"error\":\"{}\"}}", "é".repeat(10_000));
        let job: Json = serde_json::from_str(&long).unwrap();
        let message = read(job.get("error"), None).message;
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX + 1);
        check(
            r#"{"error":"posting to https://q.example/api/webhooks/runpod/abc failed"}"#,
            WorkerFailed,
            "posting to https://q.example/api/webhooks/runpod/[redacted] failed",
            (None, None),
        );
    }
}
