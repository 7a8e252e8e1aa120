//! `ops mock-runpod` over real sockets of this machine.

#![cfg(test)]

mod mock;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;

use mock::Mock;
use serde_json::Value;

/// One request as it was received; it is answered with `status`.
fn receive(listener: &TcpListener, status: u16) -> (String, Value) {
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0);
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
    stream.get_mut().write_all(answer.as_bytes()).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_job_runs_and_both_copies_of_its_webhook_arrive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = format!("http://{}/hook/token?x=1", listener.local_addr().unwrap());
    let plan = r#"{"job":{"queue_ms":0,"run_ms":1,"outcome":"s3_url","webhook":{"copies":2}}}"#;
    let mock = Mock::start(plan);
    let prompt = r#"{"9":{"class_type":"SaveImage","inputs":{}}}"#;
    let order = format!(r#"{{"input":{{"workflow":{prompt}}},"webhook":"{hook}"}}"#);
    let job = mock.json("POST", "/v2/mock/run", &order);
    for status in [500, 200] {
        let (head, news) = receive(&listener, status);
        assert!(
            head.starts_with("POST /hook/token?x=1 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("user-agent: Go-http-client/2.0\r\n"),
            "{head}"
        );
        assert!(head.contains("traceparent: 00-"), "{head}");
        assert_eq!(news["id"], job["id"]);
        assert_eq!(news["status"], "COMPLETED");
        assert_eq!(news["webhook"], hook.as_str());
    }
    let path = format!("/v2/mock/status/{}", job["id"].as_str().unwrap());
    let done = mock.json("GET", &path, "");
    let link = done["output"]["images"][0]["data"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = link
        .strip_prefix(&format!("http://{}", mock.address))
        .unwrap();
    assert!(mock
        .ask("GET", path, "")
        .contains("content-type: image/png\r\n"));
    assert_eq!(
        mock.json("GET", "/_mock/jobs", "")[0]["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(mock.json("GET", "/_mock/counters", "")["webhooks"], 2);
    assert!(mock.stop());
}

#[test]
fn answers_get_lost_and_break_off_as_planned() {
    let mock = Mock::start("{}");
    let plan = r#"{"faults":[{"on":"run","fault":"lost","taken":true},
        {"on":"run","fault":{"cut":{"bytes":9}}},
        {"on":"run","fault":{"too_many":{"retry_after":"7"}}}]}"#;
    mock.json("POST", "/_mock/plan", plan);
    let order = r#"{"input":{"task":"rack_focus","payload":{}}}"#;
    assert_eq!(mock.ask("POST", "/v2/mock/run", order), "");
    let cut = mock.ask("POST", "/v2/mock/run", order);
    assert!(cut.contains("content-length: 10\r\n"), "{cut}");
    let (_, body) = cut.split_once("\r\n\r\n").unwrap();
    assert!(body.starts_with("{\"id\":\"") && body.len() == 9, "{body}");
    let refused = mock.ask("POST", "/v2/mock/run", order);
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("retry-after: 7\r\n"), "{refused}");
    assert_eq!(mock.json("GET", "/_mock/counters", "")["jobs"], 2);
    assert!(mock
        .ask("POST", "/_mock/plan", r#"{"typo":1}"#)
        .starts_with("HTTP/1.1 400 "));
    assert!(mock.stop());
}

#[test]
fn a_plan_that_is_not_understood_is_refused_at_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_ops"))
        .args(["mock-runpod", "--port", "0", "--plan", r#"{"typo":1}"#])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("typo"));
}
