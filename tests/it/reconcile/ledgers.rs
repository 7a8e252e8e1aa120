//! Ledgers that hold other credits than the jobs under way.

use edge_queue::queue::reconcile::{reconcile, Code, Part};
use edge_queue::testing::queue::{request, TestQueue};
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

use super::{change, found, found_and_mended};

fn shop() -> TestQueue {
    let settings = [("PROVIDER", "simulated"), ("SESSION_CREDITS", "9")];
    TestQueue::build(&settings, Plan::default(), 1)
}

async fn session(queue: &TestQueue) -> String {
    let answer = queue.post("/api/session", &json!({})).await.json();
    format!("Bearer {}", answer["token"].as_str().unwrap())
}

async fn create(queue: &TestQueue, bearer: &str, behaviour: &str) {
    let body = json!({"prompt": "x", "labels": {"simulate": behaviour}});
    let headers = [("authorization", bearer)];
    let answer = queue.post_with("/api/queue/create", &body, &headers).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
}

/// What is left, held and spent.
async fn balance(queue: &TestQueue, bearer: &str) -> Value {
    let headers = [("authorization", bearer)];
    let asked = request("GET", "/api/credits", &headers, "".into());
    let credits = queue.send(asked).await.json()["credits"].clone();
    json!([credits["left"], credits["reserved"], credits["spent"]])
}

/// A job ended whose credits were neither spent nor given back: its caller could never use them.
#[tokio::test]
async fn what_is_held_for_nothing_is_given_back() {
    let queue = shop();
    let bearer = session(&queue).await;
    create(&queue, &bearer, "fail").await;
    queue.pass(2 * 60_000).await;
    create(&queue, &bearer, "slow").await;
    queue.pass(2_000).await;
    assert_eq!(found(&queue, false).await, [], "a job under way holds one");
    change(&queue, "UPDATE credits SET reserved = reserved + 3");
    found_and_mended(&queue, Code::CreditsDiffer).await;
    assert_eq!(balance(&queue, &bearer).await, json!([8, 1, 0]));
    queue.pass(3 * 60_000).await;
    assert_eq!(balance(&queue, &bearer).await, json!([8, 0, 1]));
    assert_eq!(found(&queue, true).await, []);
}

#[tokio::test]
async fn what_a_success_still_holds_is_spent_by_it() {
    let queue = shop();
    let bearer = session(&queue).await;
    create(&queue, &bearer, "plain").await;
    queue.pass(2 * 60_000).await;
    assert_eq!(balance(&queue, &bearer).await, json!([8, 0, 1]));
    change(&queue, "UPDATE credits SET reserved = 1, spent = 0");
    let seen = found(&queue, false).await;
    let says = "its ledger holds 1 credits, and its jobs under way hold 0";
    assert_eq!(seen[0].says, says);
    found_and_mended(&queue, Code::CreditsDiffer).await;
    assert_eq!(balance(&queue, &bearer).await, json!([8, 0, 1]));
}

/// With less in the ledger than the job holds, the batch that ends the job would be refused.
#[tokio::test]
async fn a_ledger_that_holds_too_little_holds_it_again_before_the_job_ends() {
    let queue = shop();
    let bearer = session(&queue).await;
    create(&queue, &bearer, "slow").await;
    queue.pass(2_000).await;
    change(&queue, "UPDATE credits SET reserved = 0");
    queue.clock.advance_ms(1);
    let seen = found(&queue, true).await;
    assert!(seen.len() == 1 && seen[0].mended, "{seen:?}");
    queue.pass(3 * 60_000).await;
    assert_eq!(balance(&queue, &bearer).await, json!([8, 0, 1]));
}

#[tokio::test]
async fn more_than_was_granted_is_told_and_left_for_a_grant() {
    let queue = shop();
    let bearer = session(&queue).await;
    create(&queue, &bearer, "slow").await;
    queue.pass(2_000).await;
    change(&queue, "UPDATE credits SET reserved = 0, granted = 0");
    for apply in [false, true] {
        let seen = found(&queue, apply).await;
        assert!(seen.len() == 1 && !seen[0].mended, "{seen:?}");
    }
}

#[tokio::test]
async fn ledgers_are_looked_at_in_pages_and_each_once() {
    let queue = shop();
    change(
        &queue,
        "INSERT INTO credits (owner, opened_at, begun_with, granted, reserved)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
         SELECT 'owner ' || i, 0, 9, 9, i % 2 FROM n",
    );
    let (mut examined, mut findings, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let page = reconcile(&queue.app, Part::Credits, cursor.as_deref(), false).await;
        let page = page.unwrap();
        examined.push(page.examined);
        findings += page.findings.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((examined, findings), (vec![200, 200, 50], 225));
}
