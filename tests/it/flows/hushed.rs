//! What neighbours say of a job stays with the job: the log has our own words alone.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

fn live(plan: Value) -> TestQueue {
    TestQueue::live(serde_json::from_value::<Plan>(plan).unwrap())
}

/// RunPod's answer to a submit that it refuses may repeat what it refuses. The line about it had
/// that answer in it, and with it the prompt.
#[tokio::test]
async fn a_refusal_that_repeats_the_prompt_is_shown_to_its_caller_and_not_logged() {
    // What is tried again at once has nothing to show.
    for (status, is_shown) in [(400, true), (401, true), (429, false), (500, false)] {
        let echo = "invalid input: {\"text\": \"a violet lighthouse\"}";
        let problem = json!({"status": status, "detail": echo});
        let fault = json!({"on": "run", "times": 1, "fault": {"problem": problem}});
        let queue = live(json!({ "faults": [fault] }));
        let id = queue
            .create(&json!({"prompt": "a violet lighthouse"}))
            .await;
        queue.pass(5_000).await;
        let lines = queue.log.lines().join("\n");
        assert!(lines.contains("submit.failed"), "{lines}");
        assert!(lines.contains(&format!("\"status\":{status}")), "{lines}");
        assert!(!lines.contains("violet"), "{lines}");
        let told = queue.job(id).await.to_string();
        assert_eq!(told.contains("invalid input"), is_shown, "{told}");
    }
}

/// A worker's bucket gives links that are keys by themselves, and an error names its address.
#[tokio::test]
async fn the_link_of_a_file_that_cannot_be_fetched_is_not_logged() {
    for fault in ["lost", "not_sent"] {
        let fault = json!({"on": "file", "times": 1, "fault": fault});
        let queue = live(json!({"job": {"outcome": "s3_url"}, "faults": [fault]}));
        let id = queue.create(&json!({"prompt": "x"})).await;
        queue.pass(60_000).await;
        assert_eq!(queue.job(id).await["status"], "succeeded");
        let lines = queue.log.lines().join("\n");
        assert!(lines.contains("fetching a file"), "{lines}");
        assert!(!lines.contains("https://"), "{lines}");
    }
}
