//! What a cancel costs: nothing while the job waits, its price once a GPU has begun.

use serde_json::json;

use super::credits::{assert_books_add_up, balance, books, job_of, made, session, shop};

/// The GPU had begun in the second case, whether anybody had looked or not: its provider says so.
#[tokio::test]
async fn a_canceled_job_gives_back_or_costs_what_it_held_once() {
    for (wait_ms, state, after) in [(0, "given_back", [5, 0, 0]), (1_500, "spent", [4, 0, 1])] {
        let queue = shop("5");
        let key = session(&queue).await;
        let id = made(&queue, &key, "slow").await;
        queue.pass(wait_ms).await;
        for _ in 0..2 {
            job_of(&queue, &key, "cancel", &id).await;
        }
        queue.pass(120_000).await;
        let job = job_of(&queue, &key, "status", &id).await;
        assert_eq!(job["status"], "canceled", "after {wait_ms} ms");
        assert_eq!(job["credits"]["state"], state, "after {wait_ms} ms");
        assert_eq!(balance(&queue, &key).await, after, "after {wait_ms} ms");
    }
}

/// Whoever canceled a moment before the end had seen how it looks, and the GPU had worked for
/// nothing: as often as there were jobs in the day.
#[tokio::test]
async fn a_job_that_is_canceled_at_work_costs_what_it_held_and_one_that_waits_nothing() {
    let queue = shop("5");
    let key = session(&queue).await;
    let id = made(&queue, &key, "slow").await;
    queue.pass(30_000).await;
    let before = job_of(&queue, &key, "status", &id).await;
    assert_eq!(before["status"], "running", "{before:#}");
    job_of(&queue, &key, "cancel", &id).await;
    queue.pass(120_000).await;
    let job = job_of(&queue, &key, "status", &id).await;
    assert_eq!(job["status"], "canceled");
    assert_eq!(job["credits"], json!({"price": 1, "state": "spent"}));
    assert_eq!(balance(&queue, &key).await, [4, 0, 1]);
    assert_eq!(books(&queue, &key).await["entries"][0]["kind"], "spent");

    // Tried again, it holds anew, and what the first round cost stays in the books.
    queue.gates.set_silent(true);
    job_of(&queue, &key, "retry", &id).await;
    assert_eq!(balance(&queue, &key).await, [3, 1, 1]);
    job_of(&queue, &key, "cancel", &id).await;
    queue.pass(120_000).await;
    assert_eq!(balance(&queue, &key).await, [4, 0, 1]);
    let entries = books(&queue, &key).await["entries"].clone();
    let of_job = entries.as_array().unwrap().iter();
    let mut kinds: Vec<_> = of_job
        .filter(|entry| entry["job_id"] == id)
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["given_back", "spent"]);
    assert_books_add_up(&queue, "after all of it");
}
