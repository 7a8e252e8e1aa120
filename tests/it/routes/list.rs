//! `GET /api/queue/list`.

use edge_queue::testing::queue::TestQueue;
use serde_json::json;

#[tokio::test]
async fn pages_are_newest_first_and_lead_to_the_end() {
    let queue = TestQueue::simulated();
    let mut made = Vec::new();
    for n in 0..5 {
        queue.pass(10).await;
        made.push(
            queue
                .create(&json!({"prompt": format!("{n}")}))
                .await
                .to_string(),
        );
    }
    made.reverse();
    let mut found = Vec::new();
    let mut path = "/api/queue/list?limit=2".to_owned();
    loop {
        let page = queue.get(&path).await.json();
        let ids = page["data"].as_array().unwrap().iter();
        found.extend(ids.map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/queue/list?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, made);
}

#[tokio::test]
async fn filters_find_by_label_status_and_template() {
    let queue = TestQueue::simulated();
    let a = queue
        .create(&json!({"prompt": "a", "labels": {"team": "red"}}))
        .await;
    queue
        .create(&json!({"prompt": "b", "labels": {"team": "blue"}}))
        .await;
    let ids = |path: &'static str| {
        let queue = &queue;
        async move {
            let page = queue.get(path).await.json();
            let jobs = page["data"].as_array().unwrap().clone();
            jobs.iter()
                .map(|job| job["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(ids("/api/queue/list?label.team=red").await, [a.to_string()]);
    assert_eq!(ids("/api/queue/list?status=queued").await.len(), 2);
    assert!(ids("/api/queue/list?status=failed").await.is_empty());
    assert!(ids("/api/queue/list?template=raw").await.is_empty());
    let wrong = queue.get("/api/queue/list?status=done").await;
    assert_eq!(wrong.status, 400);
}
