//! `/api/admin/inventory`.

use edge_queue::store::inventories;
use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use serde_json::{json, Value};

use super::workflow::{create, stocked, workflow};

const PATH: &str = "/api/admin/inventory";

/// The inventory of the simulated GPU.
const CORE: &str = include_str!("../../../inventory/core.json");

async fn operate(queue: &TestQueue, method: &str, path: &str, body: String) -> Answered {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    queue
        .send(request(method, path, &headers, body.into()))
        .await
}

async fn put(queue: &TestQueue, inventory: impl ToString) -> Answered {
    operate(queue, "PUT", PATH, inventory.to_string()).await
}

async fn shown(queue: &TestQueue) -> Value {
    operate(queue, "GET", PATH, String::new()).await.json()["inventory"].clone()
}

#[tokio::test]
async fn an_operator_alone_puts_an_inventory_and_is_told_what_is_known_of_it() {
    let queue = TestQueue::simulated();
    for method in ["GET", "PUT"] {
        let answer = queue.send(request(method, PATH, &[], CORE.into())).await;
        assert_eq!(answer.status, 401, "{method}");
    }
    assert_eq!(
        operate(&queue, "GET", PATH, String::new()).await.status,
        404
    );
    let answer = put(&queue, CORE).await;
    let told = answer.json();
    assert_eq!(told["changed"], true, "{told:#}");
    assert_eq!(told["inventory"]["endpoint"], "simulated");
    assert_eq!(told["inventory"]["classes"], 634);
    assert_eq!(told["inventory"]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(shown(&queue).await, told["inventory"]);
}

#[tokio::test]
async fn the_same_inventory_twice_writes_nothing() {
    let queue = stocked().await;
    queue.db.take_rows_written();
    let again = put(&queue, CORE.replace(":[", ": [")).await;
    assert_eq!(again.json()["changed"], false);
    assert_eq!(queue.db.take_rows_written(), 0);
    let batches = queue.db.take_batches();
    assert_eq!(batches.len(), 1, "one read");
}

#[tokio::test]
async fn each_endpoint_has_its_own_inventory() {
    let queue = stocked().await;
    let path = format!("{PATH}?endpoint=another");
    let small = json!({"A": {"input": {}}}).to_string();
    assert_eq!(operate(&queue, "PUT", &path, small).await.status, 200);
    assert_eq!(shown(&queue).await["classes"], 634);
    let other = operate(&queue, "GET", &path, String::new()).await.json();
    assert_eq!(other["inventory"]["classes"], 1);
    for query in ["endpoint=", "endpoint=a%20b", "endpoints=a"] {
        let path = format!("{PATH}?{query}");
        let answer = operate(&queue, "PUT", &path, CORE.into()).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_inventory_is_refused_and_the_old_one_stays() {
    let queue = stocked().await;
    let before = shown(&queue).await;
    for (garbage, status, error) in [
        ("<html>", 400, "invalid_json"),
        ("{\"A\": {\"input\": {}}", 400, "invalid_json"),
        ("[1, 2]", 400, "invalid_request"),
        ("{}", 400, "invalid_request"),
        (r#"{"A": {"input": {}}, "B": 5}"#, 400, "invalid_request"),
    ] {
        let answer = put(&queue, garbage).await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &told["error"]),
            (status, &error.into()),
            "{told:#}"
        );
    }
    let told = put(&queue, r#"{"A": {"input": {}}, "B": 5}"#).await.json();
    assert_eq!(told["details"][0]["path"], "/B", "{told:#}");
    let many = vec![b' '; (16 << 20) + 1];
    let many = operate(&queue, "PUT", PATH, String::from_utf8(many).unwrap()).await;
    assert_eq!(many.status, 413);
    assert_eq!(shown(&queue).await, before);
    assert_eq!(create(&queue, &workflow()).await.status, 200);
}

/// Classes of the same names with other choices, so that a mixture of both would show.
fn generation(letter: &str) -> Value {
    let class = |i: usize| {
        let input = json!({"required": {"of": [[letter], {}]}});
        (
            format!("C{i}"),
            json!({"input": input, "output": ["X"], "output_node": true}),
        )
    };
    Value::Object((0..5).map(class).collect())
}

#[tokio::test]
async fn a_reader_sees_the_old_inventory_until_the_new_one_is_whole() {
    let queue = TestQueue::simulated();
    put(&queue, generation("old")).await;
    let node = |of: &str| json!({"1": {"class_type": "C1", "inputs": {"of": of}}});
    // The new one dies after its classes were added, before it counts.
    queue.db.fail_next(DbFault::LostAfter);
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let body = generation("new").to_string();
    for polls in 1..12 {
        let request = request("PUT", PATH, &headers, body.clone().into());
        let answered = queue.send_and_die(request, polls);
        let old = create(&queue, &node("old")).await.status == 200;
        let new = create(&queue, &node("new")).await.status == 200;
        assert!(old ^ new, "after {polls} steps");
        if answered {
            assert!(new);
        }
    }
    assert_eq!(put(&queue, generation("new")).await.status, 200);
    assert_eq!(create(&queue, &node("new")).await.status, 200);
    let hashes = queue
        .db
        .query("SELECT DISTINCT hash FROM node_classes")
        .unwrap();
    assert_eq!(hashes.len(), 1, "the old one is gone");
}

#[tokio::test]
async fn of_two_inventories_at_once_one_wins_whole() {
    let queue = TestQueue::simulated();
    let db = &*queue.app.db;
    put(&queue, generation("first")).await;
    // Half of another one is there when a third is adopted, which deletes that half.
    let classes = [("C0", "{}"), ("C1", "{}")];
    inventories::add(db, "simulated", "half", &classes)
        .await
        .unwrap();
    put(&queue, generation("third")).await;
    let rest = [("C2", "{}")];
    inventories::add(db, "simulated", "half", &rest)
        .await
        .unwrap();
    let third = inventories::find(db, "simulated").await.unwrap().unwrap();
    let half = inventories::Stored {
        hash: "half".into(),
        classes: 3,
        ..third.clone()
    };
    assert_eq!(inventories::adopt(db, &half).await.unwrap(), Some(third));
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_the_put_may_be_repeated() {
    let queue = TestQueue::live(Plan::default());
    for fault in [DbFault::LostBefore, DbFault::Overloaded] {
        (0..3).for_each(|_| queue.db.fail_next(fault));
        let answer = put(&queue, CORE).await;
        assert_eq!(answer.status, 503, "{}", answer.json());
        queue.db.clear_faults();
    }
    let told = put(&queue, CORE).await.json();
    assert_eq!(told["inventory"]["endpoint"], "mock", "{told:#}");
}
