//! `ops runpod` against `ops mock-runpod`: each fault of the runbooks is told by the check that is
//! about it.

#![cfg(test)]

mod mock;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mock::Mock;
use serde_json::Value;

const KEY: &str = "mock-key";
const QUICK: &str = r#""job":{"queue_ms":0,"run_ms":1}"#;

fn ops(mock: &Mock, key: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ops"))
        .arg("runpod")
        .args(words)
        .env("RUNPOD_API_KEY", key)
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .env("RUNPOD_BASE_URL", format!("http://{}/v2", mock.address))
        .env_remove("ADMIN_KEY")
        .output()
        .unwrap()
}

/// The exit status, and what each check of `ops runpod check` came to.
fn check(mock: &Mock, key: &str, words: &[&str]) -> (i32, Value) {
    let output = ops(mock, key, &[&["check", "--json"], words].concat());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), told["checks"].clone())
}

/// The outcome of a check, and what it says.
fn of(checks: &Value, name: &str) -> (String, String) {
    let mut checks = checks.as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name).unwrap();
    let text = |name: &str| check[name].as_str().unwrap().to_owned();
    (text("outcome"), text("says"))
}

fn plan(fields: &str) -> String {
    format!("{{{fields}}}")
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("prompt.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_sound_endpoint_passes_every_check() {
    let mock = Mock::start(&plan(QUICK));
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inventory/core.json");
    let core = core.to_str().unwrap();
    let (status, checks) = check(&mock, KEY, &["--object-info", core]);
    for name in ["endpoint", "workers", "inventory", "job", "callback"] {
        assert_eq!(of(&checks, name).0, "passed", "{checks:#}");
    }
    assert_eq!(status, 0);
    assert_eq!(mock.json("GET", "/_mock/counters", "")["jobs"], 1);
    let (status, checks) = check(&mock, KEY, &["--without-job"]);
    assert_eq!((status, of(&checks, "job").0), (0, "absent".to_owned()));
    assert_eq!(
        mock.json("GET", "/_mock/counters", "")["jobs"],
        1,
        "nothing is ordered"
    );
}

#[test]
fn a_key_that_opens_nothing_and_an_endpoint_that_is_gone_are_told_apart() {
    let mock = Mock::start("{}");
    let (status, checks) = check(&mock, "another-key", &[]);
    assert_eq!(status, 1);
    let (outcome, says) = of(&checks, "endpoint");
    assert_eq!(outcome, "failed");
    assert!(says.contains("401: the key does not open it"), "{says}");
    assert!(!says.contains("another-key"));
    let (status, checks) = check(&mock, KEY, &["--endpoint", "gone"]);
    assert_eq!(status, 1);
    assert!(of(&checks, "endpoint")
        .1
        .contains("404: there is no such endpoint"));
}

#[test]
fn no_workers_are_a_fault_only_while_somebody_waits() {
    let health = |workers: &str, waiting: u32| {
        plan(&format!(
            r#"{QUICK},"health":{{"jobs":{{"inQueue":{waiting}}},"workers":{{{workers}}}}}"#
        ))
    };
    for (workers, waiting, outcome, says) in [
        ("", 0, "passed", "Nobody is there: whether any may come"),
        ("", 3, "failed", "3 jobs wait, and nobody comes"),
        (r#""throttled":2"#, 0, "failed", "no GPU is free"),
        (
            r#""idle":1,"unhealthy":1"#,
            0,
            "failed",
            "breaks down again and again",
        ),
    ] {
        let mock = Mock::start(&health(workers, waiting));
        let (_, checks) = check(&mock, KEY, &["--without-job"]);
        let found = of(&checks, "workers");
        assert_eq!(found.0, outcome, "{found:?}");
        assert!(found.1.contains(says), "{found:?}");
    }
}

/// Nothing was compared, and all of it was there.
#[test]
fn a_template_that_is_misspelt_is_refused() {
    let mock = Mock::start("{}");
    let output = ops(
        &mock,
        KEY,
        &["check", "--without-job", "--template", "misspelt"],
    );
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no template misspelt"), "{said}");
}

#[test]
fn a_model_that_is_missing_is_named_with_the_template_that_needs_it() {
    let mock = Mock::start("{}");
    let folder = tempfile::tempdir().unwrap();
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inventory/core.json");
    let core = std::fs::read_to_string(core).unwrap();
    let less = file(
        &folder,
        &core.replace("clip_vision_h.safetensors", "other.safetensors"),
    );
    let words = ["--without-job", "--object-info", less.to_str().unwrap()];
    let (status, checks) = check(&mock, KEY, &words);
    let (outcome, says) = of(&checks, "inventory");
    assert_eq!((status, outcome.as_str()), (1, "failed"));
    let file = "models/clip_vision/clip_vision_h.safetensors is missing";
    assert_eq!(says, format!("wan-image-to-video: the file {file}"));
    let (status, _) = check(
        &mock,
        KEY,
        &[&words[..], &["--template", "qwen-image-edit"]].concat(),
    );
    assert_eq!(status, 0, "another template does not need it");
}

#[test]
fn a_job_that_fails_and_a_callback_that_is_lost_are_told() {
    let failing = r#""job":{"queue_ms":0,"run_ms":1,"outcome":"validation_failed"}"#;
    let (status, checks) = check(&Mock::start(&plan(failing)), KEY, &[]);
    assert_eq!((status, of(&checks, "job").0.as_str()), (1, "failed"));
    assert!(of(&checks, "job").1.contains("FAILED"), "{checks:#}");
    let empty = r#""job":{"queue_ms":0,"run_ms":1,"outcome":"no_images"}"#;
    let (_, checks) = check(&Mock::start(&plan(empty)), KEY, &[]);
    assert!(
        of(&checks, "job").1.contains("completed without a file"),
        "{checks:#}"
    );
    let silent = r#""job":{"queue_ms":0,"run_ms":1,"webhook":{"copies":0}}"#;
    let (status, checks) = check(&Mock::start(&plan(silent)), KEY, &["--within", "2"]);
    assert_eq!((status, of(&checks, "job").0.as_str()), (1, "passed"));
    assert_eq!(of(&checks, "callback").1, "it did not arrive");
}

#[test]
fn the_record_of_a_submit_has_every_byte_but_the_secrets() {
    let mock = Mock::start(&plan(QUICK));
    let folder = tempfile::tempdir().unwrap();
    let token = "dG9rZW4tb2YtYS1jYWxsYmFjaw";
    let order = format!(
        r#"{{"webhook":"http://127.0.0.1:9/api/webhooks/runpod/{token}","input":{{"workflow":
{{"9":{{"class_type":"SaveImage","inputs":{{}}}}}},"comfy_org_api_key":"comfyui-secret"}}}}"#
    );
    let prompt = file(&folder, &order);
    let words = ["submit", "--prompt", prompt.to_str().unwrap()];
    let output = ops(&mock, KEY, &words);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for secret in [KEY, token, "comfyui-secret"] {
        assert!(!text.contains(secret), "{text}");
    }
    for wanted in [
        &format!("POST http://{}/v2/mock/run\n", mock.address),
        "authorization: Bearer [redacted]\n",
        "content-type: application/json\n",
        "{\"9\":{\"class_type\":\"SaveImage\",\"inputs\":{}}}",
        "--- answered 200\n",
        "\"status\":\"IN_QUEUE\"",
        "\"status\":\"COMPLETED\"",
    ] {
        let wanted = wanted.replace("Bearer [redacted]", "[redacted]");
        assert!(text.contains(&wanted), "{wanted}:\n{text}");
    }
    let rehearsal = ops(&mock, KEY, &[&words[..], &["--dry-run"]].concat());
    assert_eq!(rehearsal.status.code(), Some(0));
    assert_eq!(
        mock.json("GET", "/_mock/counters", "")["jobs"],
        1,
        "nothing more was sent"
    );
}

#[test]
fn a_refused_submit_leaves_the_exact_answer() {
    for (fault, status, says) in [
        (
            r#"{"problem":{"status":400}}"#,
            1,
            "RunPod answered 400: the request is at fault",
        ),
        (
            r#"{"problem":{"status":401}}"#,
            1,
            "RunPod answered 401: the key does not open it",
        ),
        (
            r#"{"problem":{"status":404}}"#,
            1,
            "RunPod answered 404: there is no such endpoint",
        ),
        (
            r#"{"too_many":{"retry_after":"7"}}"#,
            1,
            "RunPod answered 429: too many requests",
        ),
        (
            r#"{"html":{"status":502}}"#,
            1,
            "RunPod answered 502: RunPod is in trouble",
        ),
        (r#""lost""#, 2, "nobody knows whether it was taken"),
    ] {
        let mock = Mock::start(&plan(&format!(
            r#""faults":[{{"on":"run","fault":{fault}}}]"#
        )));
        let folder = tempfile::tempdir().unwrap();
        let prompt = file(&folder, r#"{"1":{"class_type":"SaveImage","inputs":{}}}"#);
        let words = ["submit", "--json", "--prompt", prompt.to_str().unwrap()];
        let output = ops(&mock, KEY, &words);
        assert_eq!(output.status.code(), Some(status), "{fault}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            told["outcome"].as_str().unwrap().starts_with(says),
            "{told:#}"
        );
        assert_eq!(
            told["calls"].as_array().unwrap().len(),
            1,
            "it is not sent again"
        );
    }
}

#[test]
fn an_order_that_does_not_end_in_time_is_canceled() {
    let mock = Mock::start(r#"{"job":{"queue_ms":0,"run_ms":600000}}"#);
    let folder = tempfile::tempdir().unwrap();
    let prompt = file(&folder, r#"{"1":{"class_type":"SaveImage","inputs":{}}}"#);
    let words = [
        "submit",
        "--within",
        "0",
        "--prompt",
        prompt.to_str().unwrap(),
    ];
    let output = ops(&mock, KEY, &words);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is CANCELLED"));
    assert_eq!(
        mock.json("GET", "/_mock/jobs", "")[0]["status"],
        "CANCELLED"
    );
}

#[test]
fn without_a_key_nothing_is_asked() {
    let output = Command::new(env!("CARGO_BIN_EXE_ops"))
        .args(["runpod", "check"])
        .env_remove("RUNPOD_API_KEY")
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUNPOD_API_KEY is not set"));
}
