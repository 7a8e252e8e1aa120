//! Credits: held by a job, spent by its success, given back otherwise; never more than there are.

use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use futures::future::join_all;
use serde_json::{json, Value};

use super::{call, create, guarded, make_key, operate, refused};

/// Simulated, where a session begins with so many.
pub fn shop(begins: &str) -> TestQueue {
    let settings = [("PROVIDER", "simulated"), ("SESSION_CREDITS", begins)];
    TestQueue::build(&settings, Plan::default(), 1)
}

pub async fn session(queue: &TestQueue) -> String {
    let answer = queue.post("/api/session", &json!({})).await.json();
    answer["token"].as_str().unwrap().to_owned()
}

pub fn body(behaviour: &str) -> Value {
    json!({"prompt": "x", "labels": {"simulate": behaviour}})
}

pub async fn books(queue: &TestQueue, key: &str) -> Value {
    let answer = call(queue, "GET", "/api/credits", key, &Value::Null).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    answer.json()
}

/// What is left, held and spent.
pub async fn balance(queue: &TestQueue, key: &str) -> [u64; 3] {
    let credits = books(queue, key).await["credits"].clone();
    ["left", "reserved", "spent"].map(|name| credits[name].as_u64().unwrap())
}

pub async fn job_of(queue: &TestQueue, key: &str, verb: &str, id: &Value) -> Value {
    let method = if verb == "status" { "GET" } else { "POST" };
    let path = format!("/api/queue/{verb}/{}", id.as_str().unwrap());
    let answer = call(queue, method, &path, key, &Value::Null).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    answer.json()["job"].clone()
}

pub async fn made(queue: &TestQueue, key: &str, behaviour: &str) -> Value {
    let answer = create(queue, key, &body(behaviour)).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    answer.json()["job_id"].clone()
}

#[tokio::test]
async fn a_job_holds_its_price_until_it_has_succeeded() {
    let queue = shop("5");
    let key = session(&queue).await;
    assert_eq!(balance(&queue, &key).await, [5, 0, 0]);
    let id = made(&queue, &key, "plain").await;
    assert_eq!(balance(&queue, &key).await, [4, 1, 0]);
    queue.pass(60_000).await;
    assert_eq!(balance(&queue, &key).await, [4, 0, 1]);
    let job = job_of(&queue, &key, "status", &id).await;
    assert_eq!(job["credits"], json!({"price": 1, "state": "spent"}));
    let entries = books(&queue, &key).await["entries"].clone();
    let kinds = |i: usize| [entries[i]["kind"].clone(), entries[i]["credits"].clone()];
    assert_eq!(kinds(0), [json!("spent"), json!(1)]);
    assert_eq!(kinds(1), [json!("granted"), json!(5)]);
    assert_eq!(entries[0]["job_id"], id);
}

#[tokio::test]
async fn a_job_that_fails_gives_its_credits_back() {
    let queue = shop("5");
    let key = session(&queue).await;
    let id = made(&queue, &key, "fail").await;
    queue.pass(60_000).await;
    assert_eq!(balance(&queue, &key).await, [5, 0, 0]);
    let job = job_of(&queue, &key, "status", &id).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["credits"], json!({"price": 1, "state": "given_back"}));
}

#[tokio::test]
async fn a_job_that_expires_gives_its_credits_back() {
    let queue = shop("5");
    let key = session(&queue).await;
    queue.gates.set_silent(true);
    let id = made(&queue, &key, "plain").await;
    queue.pass(2 * 3_600_000).await;
    let fresh = session(&queue).await;
    let again = call(&queue, "POST", "/api/session", &key, &json!({})).await;
    let renewed = again.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(
        job_of(&queue, &renewed, "status", &id).await["status"],
        "expired"
    );
    assert_eq!(balance(&queue, &renewed).await, [5, 0, 0]);
    assert_eq!(
        balance(&queue, &fresh).await,
        [5, 0, 0],
        "another's are its own"
    );
}

#[tokio::test]
async fn who_has_too_few_is_told_what_to_do_and_no_job_is_recorded() {
    let queue = shop("0");
    let key = session(&queue).await;
    let answer = create(&queue, &key, &body("plain")).await;
    refused(&answer, 402, "insufficient_credits");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("the price in credits is 1, and 0 are left: get more"),
        "{message}"
    );
    assert_eq!(answer.json()["retryable"], false);
    assert!(queue.db.query("SELECT id FROM jobs").unwrap().is_empty());
    let counted = queue.db.query("SELECT day_jobs FROM spending").unwrap();
    assert!(counted.is_empty(), "a refusal is not charged: {counted:?}");
    let bought = json!({"credits": 10, "id": "press-1"});
    for _ in 0..2 {
        let answer = call(&queue, "POST", "/api/credits/purchase", &key, &bought).await;
        assert_eq!(answer.json()["credits"]["left"], 10, "{:#}", answer.json());
    }
    made(&queue, &key, "plain").await;
    assert_eq!(balance(&queue, &key).await, [9, 1, 0]);
}

#[tokio::test]
async fn a_limit_that_refuses_a_job_leaves_the_credits_where_they_were() {
    let queue = shop("9");
    let key = session(&queue).await;
    for _ in 0..3 {
        made(&queue, &key, "slow").await;
    }
    refused(
        &create(&queue, &key, &body("plain")).await,
        429,
        "rate_limited",
    );
    assert_eq!(balance(&queue, &key).await, [6, 3, 0]);
}

#[tokio::test]
async fn a_thousand_creates_at_once_never_spend_more_than_there_is() {
    let queue = guarded(&[("CREDITS", "on")]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let grant = json!({"owner": "shop", "credits": 25, "id": "invoice-1"});
    let granted = operate(&queue, "/api/admin/credits", &grant).await;
    assert_eq!(
        granted.json()["credits"]["left"],
        25,
        "{:#}",
        granted.json()
    );
    let body = json!({"prompt": "x"});
    let answers = join_all((0..1_000).map(|_| create(&queue, &key, &body))).await;
    let accepted = answers.iter().filter(|a| a.status == 200).count();
    assert_eq!(accepted, 25);
    for answer in answers.iter().filter(|a| a.status != 200) {
        refused(answer, 402, "insufficient_credits");
    }
    assert_eq!(balance(&queue, &key).await, [0, 25, 0]);
    queue.pass(600_000).await;
    assert_eq!(balance(&queue, &key).await, [0, 0, 25]);
}

/// The batch runs again when its answer is lost: once to hold, once to spend, once to give back.
#[tokio::test]
async fn what_was_in_doubt_is_reserved_and_settled_once() {
    for fault in [DbFault::LostBefore, DbFault::LostAfter] {
        for (behaviour, after) in [("plain", [2, 0, 1]), ("fail", [3, 0, 0])] {
            let queue = shop("3");
            let key = session(&queue).await;
            queue.db.fail_next(fault);
            made(&queue, &key, behaviour).await;
            assert_eq!(balance(&queue, &key).await, [2, 1, 0], "{fault:?}");
            while balance(&queue, &key).await[1] > 0 {
                queue.db.fail_next(fault);
                queue.pass(500).await;
            }
            assert_eq!(balance(&queue, &key).await, after, "{fault:?} {behaviour}");
        }
    }
}

#[tokio::test]
async fn a_retry_reserves_anew_and_is_refused_like_a_create() {
    let queue = shop("2");
    let key = session(&queue).await;
    let id = made(&queue, &key, "fail").await;
    queue.pass(60_000).await;
    made(&queue, &key, "plain").await;
    let retried = job_of(&queue, &key, "retry", &id).await;
    assert_eq!(retried["credits"], json!({"price": 1, "state": "reserved"}));
    assert_eq!(balance(&queue, &key).await, [0, 2, 0]);
    queue.pass(60_000).await;
    assert_eq!(balance(&queue, &key).await, [1, 0, 1]);
    made(&queue, &key, "plain").await;
    let path = format!("/api/queue/retry/{}", id.as_str().unwrap());
    let answer = call(&queue, "POST", &path, &key, &Value::Null).await;
    refused(&answer, 402, "insufficient_credits");
}

/// The operator's own round is paid by nobody: its end must not take back what nobody gave.
#[tokio::test]
async fn a_round_that_the_operator_opens_costs_its_caller_nothing() {
    let queue = shop("5");
    let key = session(&queue).await;
    let id = made(&queue, &key, "fail").await;
    queue.pass(60_000).await;
    let path = format!("/api/admin/jobs/{}/retry", id.as_str().unwrap());
    let answer = operate(&queue, &path, &Value::Null).await;
    assert_eq!(
        answer.json()["job"]["credits"],
        Value::Null,
        "{:#}",
        answer.json()
    );
    queue.pass(60_000).await;
    assert_eq!(
        job_of(&queue, &key, "status", &id).await["status"],
        "failed"
    );
    assert_eq!(balance(&queue, &key).await, [5, 0, 0]);
}

#[tokio::test]
async fn an_owner_of_keys_pays_once_it_was_granted_credits() {
    let queue = guarded(&[("CREDITS", "on")]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    assert_eq!(books(&queue, &key).await["credits"], Value::Null);
    made(&queue, &key, "plain").await;
    let grant = json!({"owner": "shop", "credits": 1, "id": "invoice-1", "why": "November"});
    for _ in 0..2 {
        assert_eq!(
            operate(&queue, "/api/admin/credits", &grant).await.status,
            200
        );
    }
    made(&queue, &key, "plain").await;
    refused(
        &create(&queue, &key, &body("plain")).await,
        402,
        "insufficient_credits",
    );
    queue.pass(600_000).await;
    assert_eq!(balance(&queue, &key).await, [0, 0, 1], "the first was free");
    let entries = books(&queue, &key).await["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 2, "{entries:#}");
    assert!(entries
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| entry["what"] == "November"));
}

#[tokio::test]
async fn credits_are_bought_only_where_nothing_is_paid() {
    let bought = json!({"credits": 10});
    let live = [
        ("CREDITS", "on"),
        ("SESSION_CREDITS", "3"),
        ("SESSION_JOBS_PER_DAY", "9"),
    ];
    let queue = guarded(&live);
    let key = session(&queue).await;
    assert_eq!(books(&queue, &key).await["can_purchase"], false);
    let answer = call(&queue, "POST", "/api/credits/purchase", &key, &bought).await;
    refused(&answer, 403, "forbidden");
    assert_eq!(balance(&queue, &key).await, [3, 0, 0]);
    let off = guarded(&[("SESSION_JOBS_PER_DAY", "9")]);
    let key = session(&off).await;
    assert_eq!(books(&off, &key).await["credits"], Value::Null);
    let grant = json!({"owner": "shop", "credits": 1, "id": "invoice-1"});
    refused(
        &operate(&off, "/api/admin/credits", &grant).await,
        403,
        "forbidden",
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_grant_is_said_at_once() {
    let queue = guarded(&[("CREDITS", "on")]);
    let grant = json!({"owner": "anonymous", "credits": 0, "why": "\n"});
    let answer = operate(&queue, "/api/admin/credits", &grant).await;
    refused(&answer, 400, "invalid_request");
    let paths = answer.json()["details"].as_array().unwrap().clone();
    let paths: Vec<&str> = paths.iter().map(|v| v["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/credits", "/owner", "/id", "/why"]);
}

#[tokio::test]
async fn a_paid_job_is_one_batch_to_create_and_twelve_rows_in_all() {
    let queue = guarded(&[("CREDITS", "on")]);
    let (_, key) = make_key(&queue, "shop", &json!({})).await;
    let grant = json!({"owner": "shop", "credits": 5, "id": "invoice-1"});
    operate(&queue, "/api/admin/credits", &grant).await;
    books(&queue, &key).await;
    queue.db.take_batches();
    queue.db.take_rows_written();
    let keyed = json!({"prompt": "x", "request_id": "k"});
    assert_eq!(create(&queue, &key, &keyed).await.status, 200);
    assert_eq!(queue.db.take_batches().len(), 1);
    queue.pass(60_000).await;
    assert_eq!(balance(&queue, &key).await, [4, 0, 1]);
    assert_eq!(queue.db.take_rows_written(), 12);
}

/// The rows of the jobs are the proof of the totals: what they hold is reserved, and what made
/// them succeed is spent.
pub fn assert_books_add_up(queue: &TestQueue, when: &str) {
    let unequal = queue.db.query(
        "SELECT owner, granted, spent, reserved,
           (SELECT coalesce(sum(credits_before + iif(status = 'succeeded'
               OR status = 'canceled' AND (started_at IS NOT NULL OR execution_ms > 0),
               coalesce(credits, 0), 0)), 0) FROM jobs WHERE caller = owner) AS paid,
           (SELECT coalesce(sum(credits), 0) FROM jobs WHERE caller = owner
             AND status IN ('queued', 'running', 'canceling')) AS held,
           begun_with + (SELECT coalesce(sum(credits), 0) FROM grants
             WHERE grants.owner = credits.owner) AS given
         FROM credits WHERE spent <> paid OR reserved <> held OR granted <> given",
    );
    let unequal = unequal.unwrap();
    assert!(unequal.is_empty(), "{when}: {unequal:#?}");
}

/// Creates, cancels, retries and purchases in any order, with jobs that fail or are told twice of,
/// and a database whose answers are lost.
#[tokio::test]
async fn the_books_add_up_whatever_happens_in_whatever_order() {
    for seed in 1..=6_u64 {
        let queue = shop("6");
        queue.db.stop_counting();
        let mut state = seed;
        let mut pick = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % most
        };
        let keys = [session(&queue).await, session(&queue).await];
        let mut made: Vec<(usize, String)> = Vec::new();
        for step in 0..50 {
            let who = usize::try_from(pick(2)).unwrap();
            if pick(4) == 0 {
                let faults = [DbFault::LostBefore, DbFault::LostAfter, DbFault::Overloaded];
                queue
                    .db
                    .fail_next(faults[usize::try_from(pick(3)).unwrap()]);
            }
            let what = pick(8);
            match what {
                0..=2 => {
                    let behaviours = ["plain", "fail", "slow", "lost_callback", "twice"];
                    let body = body(behaviours[usize::try_from(pick(5)).unwrap()]);
                    let answer = create(&queue, &keys[who], &body).await.json();
                    made.extend(answer["job_id"].as_str().map(|id| (who, id.to_owned())));
                }
                3..=5 if !made.is_empty() => {
                    let (owner, id) = &made[usize::try_from(pick(made.len() as u64)).unwrap()];
                    let verb = ["cancel", "retry", "retry"][usize::try_from(what - 3).unwrap()];
                    let path = format!("/api/queue/{verb}/{id}");
                    call(&queue, "POST", &path, &keys[*owner], &Value::Null).await;
                }
                6 => {
                    let bought = json!({"credits": 1 + pick(3), "id": format!("p-{}", pick(9))});
                    call(&queue, "POST", "/api/credits/purchase", &keys[who], &bought).await;
                }
                _ => queue.pass(pick(3_000)).await,
            }
            assert_books_add_up(&queue, &format!("seed {seed}, step {step}"));
        }
        queue.db.clear_faults();
        queue.pass(20 * 60_000).await;
        assert_books_add_up(&queue, &format!("seed {seed}, at the end"));
        let open = "SELECT id FROM jobs WHERE completed_at IS NULL";
        let open = queue.db.query(open).unwrap();
        assert!(open.is_empty(), "seed {seed}: {open:?}");
    }
}
