//! What the operator is told by e-mail.

use edge_queue::config::Config;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::json;

const FROM: (&str, &str) = ("MAIL_FROM", "queue@example.com");

fn queue(to: &str, events: &str) -> TestQueue {
    let plan: Plan = serde_json::from_value(json!({"job": {"outcome": "node_failed"}})).unwrap();
    let settings = [FROM, ("MAIL_TO", to), ("MAIL_EVENTS", events)];
    TestQueue::build(&settings, plan, 1)
}

#[tokio::test]
async fn the_operator_is_told_of_a_failure_once_a_minute() {
    let queue = queue("team@example.com", "");
    let prompt = json!({"prompt": "a violet lighthouse"});
    let id = queue.create(&prompt).await;
    queue.pass(10_000).await;
    queue.create(&prompt).await;
    queue.pass(30_000).await;
    let sent = queue.mailer.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let mail = &sent[0];
    assert_eq!(
        (mail.from.as_str(), mail.to.as_str()),
        ("queue@example.com", "team@example.com")
    );
    assert_eq!(mail.subject, "job.failed: text-to-image");
    assert!(mail
        .text
        .contains(&format!("https://queue.example/api/queue/status/{id}")));
    assert!(
        mail.text.contains("execution_failed (node_failed)"),
        "{}",
        mail.text
    );
    assert!(!mail.text.contains("violet"), "nothing of the caller's");
    queue.pass(60_000).await;
    queue.create(&prompt).await;
    queue.pass(30_000).await;
    assert_eq!(queue.mailer.sent().len(), 2);
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_told_and_a_mail_that_fails_keeps_no_job() {
    let other = queue("team@example.com", "job.succeeded,job.expired");
    other.create(&json!({"prompt": "x"})).await;
    other.pass(30_000).await;
    assert!(other.mailer.sent().is_empty());
    let broken = queue("broken@example.com", "job.failed");
    let id = broken.create(&json!({"prompt": "x"})).await;
    broken.pass(30_000).await;
    assert_eq!(broken.job(id).await["status"], "failed");
    let lines = broken.log.lines().join("\n");
    assert!(
        lines.contains("mail.failed") && !lines.contains("broken@"),
        "{lines}"
    );
}

#[test]
fn every_mistake_in_the_settings_of_mail_is_named() {
    let problems = |settings: &[(&str, &str)]| -> Vec<&'static str> {
        let found = Config::from_vars(|name| {
            let local = ("ENVIRONMENT", "local");
            let mut all = settings.iter().chain(std::iter::once(&local));
            let found = all.find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let found = found.err().unwrap_or_default();
        found.iter().map(|problem| problem.setting).collect()
    };
    let to = ("MAIL_TO", "team@example.com");
    assert!(problems(&[]).is_empty() && problems(&[FROM, to]).is_empty());
    assert_eq!(problems(&[FROM]), ["MAIL_TO"]);
    assert_eq!(problems(&[to]), ["MAIL_FROM"]);
    assert_eq!(
        problems(&[FROM, to, ("MAIL_EVENTS", "job.failed,job.queued")]),
        ["MAIL_EVENTS"]
    );
    for wrong in [
        "team",
        "@example.com",
        "a@b",
        "a@example.com\r\nbcc: b@example.com",
        "a@b.c,d@e.f",
    ] {
        assert_eq!(
            problems(&[FROM, ("MAIL_TO", wrong)]),
            ["MAIL_TO"],
            "{wrong}"
        );
    }
}
