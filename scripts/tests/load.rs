//! `ops load` leaves nothing behind that goes on and is paid for.

#![cfg(test)]

mod fake;

use std::process::Command;
use std::sync::mpsc::channel;

use serde_json::{json, Value};

/// It was told as a failure and went on at the GPU.
#[test]
fn a_job_that_cannot_be_followed_is_canceled() {
    let (tell, canceled) = channel();
    let origin = fake::serve(move |head, _| {
        let (status, answer) = if head.starts_with("POST /api/queue/cancel/one ") {
            tell.send(()).unwrap();
            (200, json!({}))
        } else if head.starts_with("GET ") {
            (500, json!({ "message": "out of order" }))
        } else {
            (200, json!({ "job_id": "one" }))
        };
        (status, answer.to_string().into_bytes())
    });
    let output = Command::new(env!("CARGO_BIN_EXE_ops"))
        .args(["load", "--jobs", "1", "--json", "--base-url", &origin])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let why = "one was not seen to its end; its cancel was taken: 500: out of order";
    assert_eq!(told["failures"], json!([why]));
    assert_eq!(canceled.try_iter().count(), 1);
}
