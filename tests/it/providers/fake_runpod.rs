//! The fake speaks RunPod's own bytes and keeps RunPod's own times.

use edge_queue::testing::runpod::{
    Endpoint, FakeRequest, FakeResponse, FakeRunpod, Plan, EXPIRE_AFTER_MS,
};
use edge_queue::time::UnixMillis;
use serde_json::{json, Value};

const PROMPT: &str = r#"{"9":{"class_type":"SaveImage","inputs":{"filename_prefix":"a/b"}}}"#;

/// The fake with the milliseconds since its start.
struct Fake {
    runpod: FakeRunpod,
    now_ms: i64,
}

impl Fake {
    fn new(plan: Value) -> Self {
        let plan: Plan = serde_json::from_value(plan).unwrap();
        Self {
            runpod: FakeRunpod::new(Endpoint::default(), plan),
            now_ms: 0,
        }
    }

    fn at(&mut self, now_ms: i64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.now_ms)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> FakeResponse {
        let headers = [("Authorization".to_owned(), "Bearer mock-key".to_owned())];
        let request = FakeRequest {
            method,
            path: &format!("/v2/mock/{path}"),
            headers: &headers,
            body: body.as_bytes(),
        };
        self.runpod.handle(self.now(), &request)
    }

    fn text(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = self.ask(method, path, body);
        (
            answer.status,
            String::from_utf8(answer.body.to_vec()).unwrap(),
        )
    }

    /// Submits a prompt with a webhook and returns the job's id.
    fn submit(&mut self) -> String {
        let body = format!(
            "{{\"input\":{{\"workflow\":{PROMPT}}},\"webhook\":\"http://127.0.0.1:1/hook/t?k=1\"}}"
        );
        let (status, text) = self.text("POST", "run", &body);
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    fn status(&mut self, id: &str) -> String {
        self.text("GET", &format!("status/{id}"), "").1
    }
}

const NOT_FOUND: &str = r#"{"status":404,"title":"Not Found","detail":"job not found"}"#;

#[test]
fn each_state_is_written_as_runpod_writes_it() {
    let mut fake = Fake::new(json!({"job": {"outcome": {"given": {"echo": 1}}}}));
    let id = fake.submit();
    let worker = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        value["workerId"].as_str().unwrap().to_owned()
    };
    assert!(id.ends_with("-u1") && id.len() == 39, "{id}");
    assert_eq!(
        fake.status(&id),
        format!(r#"{{"id":"{id}","status":"IN_QUEUE"}}"#)
    );
    let running = fake.at(600).status(&id);
    let worker = worker(&running);
    assert_eq!(
        running,
        format!(r#"{{"delayTime":500,"id":"{id}","status":"IN_PROGRESS","workerId":"{worker}"}}"#)
    );
    let done = format!(r#"{{"delayTime":500,"executionTime":2000,"id":"{id}""#);
    assert_eq!(
        fake.at(2_500).status(&id),
        format!(r#"{done},"output":{{"echo":1}},"status":"COMPLETED","workerId":"{worker}"}}"#)
    );
    let news = fake.runpod.due_webhooks(UnixMillis::new(2_500));
    let input = format!(r#"{{"workflow":{PROMPT}}}"#);
    let hook = r#""webhook":"http://127.0.0.1:1/hook/t?k=1""#;
    assert_eq!(
        String::from_utf8_lossy(&news[0].body),
        format!(r#"{done},"input":{input},"output":{{"echo":1}},"status":"COMPLETED",{hook}}}"#)
    );
    assert_eq!(news[0].url, "http://127.0.0.1:1/hook/t?k=1");
    assert!(news[0]
        .headers
        .contains(&("user-agent".into(), "Go-http-client/2.0".into())));
}

#[test]
fn failures_are_written_as_runpod_writes_them() {
    let mut fake = Fake::new(json!({"job": {"outcome": "worker_lost", "queue_ms": 10}}));
    let id = fake.submit();
    let text = fake.at(60_000).status(&id);
    let start = r#"{"delayTime":2020,"error":"job timed out after 1 retries","executionTime":2000"#;
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.contains(r#","retries":1,"status":"FAILED","workerId":""#),
        "{text}"
    );
    let mut fake = Fake::new(json!({}));
    fake.text("POST", "run", r#"{"input":{}}"#);
    let id = fake.runpod.jobs(UnixMillis::new(0))[0].id.clone();
    assert!(fake
        .at(41_000)
        .status(&id)
        .contains("job timed out after 1 retries"));
}

#[test]
fn what_the_api_refuses_is_refused() {
    let mut fake = Fake::new(json!({}));
    let unknown = fake.text("GET", "status/nobody-u1", "");
    assert_eq!(unknown, (404, NOT_FOUND.to_owned()));
    assert_eq!(fake.text("POST", "cancel/nobody-u1", "").0, 404);
    assert_eq!(fake.text("POST", "run", "{").0, 400);
    assert_eq!(fake.text("POST", "run", r#"{"webhook":"x"}"#).0, 400);
    let frame = r#"{"input":{"a":""}}"#.len();
    let fits = format!(
        r#"{{"input":{{"a":"{}"}}}}"#,
        "x".repeat(10 * 1024 * 1024 - frame)
    );
    assert_eq!(fake.text("POST", "run", &fits).0, 200);
    assert_eq!(
        fake.text("POST", "run", &format!("{fits} ")),
        (
            400,
            "{\"status\":400,\"title\":\"Bad Request\",\"detail\":\"bad request: body: \
             exceeded max body size of 10MiB\"}"
                .to_owned()
        )
    );
    for (key, path, status) in [
        ("mock-key", "/v2/mock/health", 200),
        ("Bearer mock-key", "/v2/mock/health", 200),
        ("Bearer other", "/v2/mock/health", 401),
        ("Bearer mock-key", "/v2/other/health", 404),
        ("Bearer mock-key", "/", 404),
    ] {
        let headers = [("authorization".to_owned(), key.to_owned())];
        let request = FakeRequest {
            method: "GET",
            path,
            headers: &headers,
            body: b"",
        };
        let answer = fake.runpod.handle(UnixMillis::new(0), &request);
        assert_eq!(answer.status, status, "{key} {path}");
    }
}

#[test]
fn a_job_is_forgotten_after_half_an_hour_and_deleted_at_its_ttl() {
    let half_an_hour = i64::try_from(EXPIRE_AFTER_MS).unwrap();
    let mut fake = Fake::new(json!({}));
    let id = fake.submit();
    assert!(fake
        .at(2_499 + half_an_hour)
        .status(&id)
        .contains("COMPLETED"));
    assert_eq!(fake.at(2_500 + half_an_hour).status(&id), NOT_FOUND);

    let mut fake = Fake::new(json!({"job": {"run_ms": 60_000}}));
    let body = r#"{"input":{"a":1},"policy":{"ttl":10000},"webhook":"http://127.0.0.1:1/"}"#;
    fake.text("POST", "run", body);
    let view = fake.runpod.jobs(UnixMillis::new(9_999)).remove(0);
    assert_eq!(view.status, "IN_PROGRESS");
    let view = fake.runpod.jobs(UnixMillis::new(10_000)).remove(0);
    assert_eq!((view.status.as_str(), view.billed_ms), ("GONE", 9_500));
    assert!(fake
        .runpod
        .due_webhooks(UnixMillis::new(100_000))
        .is_empty());
}

#[test]
fn the_execution_limit_of_a_job_is_kept() {
    let mut fake = Fake::new(json!({"job": {"run_ms": 60_000}}));
    let body = r#"{"input":{"a":1},"policy":{"executionTimeout":5000}}"#;
    fake.text("POST", "run", body);
    let view = fake.runpod.jobs(UnixMillis::new(5_500)).remove(0);
    assert_eq!((view.status.as_str(), view.billed_ms), ("FAILED", 5_000));
    let text = fake.at(5_500).status(&view.id);
    assert!(
        text.contains(r#""error":"executionTimeout exceeded""#),
        "{text}"
    );
}

#[test]
fn a_webhook_is_tried_three_times() {
    let mut fake = Fake::new(json!({}));
    fake.submit();
    let mut tries = Vec::new();
    for now_ms in (0..60_000).step_by(500) {
        for news in fake.runpod.due_webhooks(UnixMillis::new(now_ms)) {
            tries.push(now_ms);
            fake.runpod.delivered(news.id, Some(500));
        }
    }
    assert_eq!(tries, [2_500, 7_500, 22_500]);
    assert_eq!(fake.runpod.next_webhook_at(), None);

    fake.at(60_000).submit();
    let news = fake.runpod.due_webhooks(UnixMillis::new(62_500));
    fake.runpod.delivered(news[0].id, Some(204));
    assert_eq!(fake.runpod.next_webhook_at(), None);
}

#[test]
fn webhooks_go_wrong_as_planned() {
    let sent = |webhook: Value, now_ms: i64| {
        let mut fake = Fake::new(json!({"job": {"webhook": webhook}}));
        let id = fake.submit();
        let news = fake.runpod.due_webhooks(UnixMillis::new(now_ms));
        let bodies = news
            .iter()
            .map(|one| String::from_utf8_lossy(&one.body).into_owned());
        let urls = news.iter().map(|one| one.url.clone());
        (id, urls.zip(bodies).collect::<Vec<_>>())
    };
    assert!(sent(json!({"copies": 0}), 9_999).1.is_empty());
    assert_eq!(sent(json!({"copies": 2}), 9_999).1.len(), 2);
    assert!(sent(json!({"delay_ms": 10_000}), 9_999).1.is_empty());
    assert_eq!(sent(json!({"early_ms": 1_000}), 1_500).1.len(), 1);
    assert_eq!(sent(json!({"cut_bytes": 10}), 2_500).1[0].1.len(), 10);
    let (id, news) = sent(json!({"wrong_id": true}), 2_500);
    assert!(!news[0].1.contains(&id));
    let (id, news) = sent(json!({"forged": true}), 2_500);
    assert_ne!(news[0].0, news[1].0);
    assert!(news[0].1.contains(&id) && news[0].1.contains("evil.example"));

    let mut fake = Fake::new(json!({"webhooks_reversed": true}));
    let (first, second) = (fake.submit(), fake.submit());
    let news = fake.runpod.due_webhooks(UnixMillis::new(2_500));
    assert_eq!((&news[0].job, &news[1].job), (&second, &first));
}

#[test]
fn files_that_come_with_an_order_are_seen_by_name() {
    let mut fake = Fake::new(json!({}));
    fake.submit();
    let images = r#"[{"name":"b.png","image":"eA=="},{"name":"a.jpg","image":"eA=="}]"#;
    let body = format!(r#"{{"input":{{"workflow":{PROMPT},"images":{images}}}}}"#);
    fake.text("POST", "run", &body);
    let jobs = fake.runpod.jobs(UnixMillis::new(0));
    assert!(jobs[0].images.is_empty());
    assert_eq!(jobs[1].images, ["b.png", "a.jpg"]);
}

#[test]
fn billed_runs_are_counted_per_order() {
    let next = json!([{"runs": 2}, {"forget_after_ms": 100}, {}]);
    let mut fake = Fake::new(json!({"next": next, "job": {"queue_ms": 9_000}}));
    let ids: Vec<String> = (0..4).map(|_| fake.submit()).collect();
    fake.at(9_000)
        .text("POST", &format!("cancel/{}", ids[3]), "");
    let billed = fake.runpod.billed_runs(fake.now(), |job| job.id.clone());
    let billed: Vec<usize> = ids.iter().map(|id| billed[id]).collect();
    assert_eq!(billed, [2, 0, 1, 0]);
    let by_work = fake
        .runpod
        .billed_runs(fake.now(), |job| job.input_hash.clone());
    assert_eq!(by_work.into_values().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_lost_answer_leaves_a_job_behind() {
    let faults = json!([{"on": "run", "fault": "lost", "taken": true}]);
    let mut fake = Fake::new(json!({"next": [{"faults": faults, "run_ms": 7}]}));
    let body = format!("{{\"input\":{{\"workflow\":{PROMPT}}}}}");
    let answer = fake.ask("POST", "run", &body);
    assert_eq!(answer.fate, edge_queue::testing::runpod::Fate::Lost);
    assert_eq!(fake.runpod.jobs(UnixMillis::new(507))[0].billed_ms, 7);
}

#[test]
fn late_progress_regresses_a_finished_job() {
    let job = json!({"late_progress_ms": 1_000, "progress": [90]});
    let mut fake = Fake::new(json!({ "job": job }));
    let id = fake.submit();
    let late = fake.at(2_600).status(&id);
    assert!(
        late.contains(r#""output":90,"status":"IN_PROGRESS""#),
        "{late}"
    );
    assert!(fake.at(3_500).status(&id).contains("COMPLETED"));
}

#[test]
fn files_are_named_as_the_worker_names_them_and_links_lead_to_them() {
    let mut fake = Fake::new(json!({"job": {"outcome": "s3_url"}}));
    let id = fake.submit();
    let text = fake.at(2_500).status(&id);
    let job: Value = serde_json::from_str(&text).unwrap();
    let image = &job["output"]["images"][0];
    assert_eq!(image["filename"], "b_00001_.png");
    let link = image["data"].as_str().unwrap();
    let path = link.strip_prefix("https://files.runpod.example").unwrap();
    let request = FakeRequest {
        method: "GET",
        path,
        headers: &[],
        body: b"",
    };
    let file = fake.runpod.handle(UnixMillis::new(0), &request);
    assert_eq!(file.status, 200);
    assert!(file.body.starts_with(b"\x89PNG"));
}

#[test]
fn a_prompt_without_anything_to_save_behaves_as_the_worker_does() {
    for (class, expected) in [
        ("PreviewImage", "success_no_images"),
        ("KSampler", "Prompt has no outputs"),
        ("VHS_VideoCombine", "success_no_images"),
        ("SaveVideo", "_00001_.mp4"),
    ] {
        let mut fake = Fake::new(json!({}));
        let inputs = r#"{"filename_prefix":"x"}"#;
        let body = format!(
            r#"{{"input":{{"workflow":{{"1":{{"class_type":"{class}","inputs":{inputs}}}}}}}}}"#
        )
        .replace(
            inputs,
            if class == "PreviewImage" {
                "{}"
            } else {
                inputs
            },
        );
        fake.text("POST", "run", &body);
        let id = fake.runpod.jobs(UnixMillis::new(0))[0].id.clone();
        let text = fake.at(2_500).status(&id);
        assert!(text.contains(expected), "{class}: {text}");
    }
}

#[test]
fn retry_and_purge_queue_do_what_they_say() {
    let mut fake = Fake::new(json!({"next": [{"outcome": "node_failed"}]}));
    let failed = fake.submit();
    let retry = format!("retry/{failed}");
    assert_eq!(fake.text("POST", &retry, "").0, 400);
    let queued = format!(r#"{{"id":"{failed}","status":"IN_QUEUE"}}"#);
    assert_eq!(fake.at(3_000).text("POST", &retry, ""), (200, queued));
    let waiting = fake.submit();
    let purged = r#"{"removed":2,"status":"completed"}"#.to_owned();
    assert_eq!(fake.text("POST", "purge-queue", ""), (200, purged));
    assert_eq!(fake.status(&waiting), NOT_FOUND);
    assert_eq!(fake.runpod.jobs(UnixMillis::new(9_000))[0].runs.len(), 1);
}
