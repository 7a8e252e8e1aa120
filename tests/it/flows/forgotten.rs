//! Jobs whose alarms were lost: the sweep finds them, whatever else it finds.

use std::future::Future;
use std::task::{Context, Waker};

use edge_queue::queue::sweep::sweep;
use edge_queue::testing::queue::TestQueue;
use edge_queue::testing::runpod::Plan;
use serde_json::{json, Value};

/// More than one run of the sweep takes.
const JOBS: usize = 201;

fn small_work(n: usize) -> Value {
    json!({"workflow": {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64 + n, "height": 64}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    }})
}

#[tokio::test]
async fn jobs_that_cannot_be_woken_do_not_keep_the_sweep_from_the_others() {
    let queue = TestQueue::live(Plan::default());
    queue.db.stop_counting();
    queue.watchers.set_deaf(true);
    for n in 0..JOBS {
        queue.create(&small_work(n)).await;
    }
    assert_eq!(queue.watchers.next_alarm(), None, "nobody watches them");
    queue.pass(3 * 3_600_000).await;
    // It finds two hundred, none of which hears it, and does not find them again the next time.
    assert_eq!(sweep(&queue.app).await.unwrap(), 0);
    queue.watchers.set_deaf(false);
    assert_eq!(sweep(&queue.app).await.unwrap(), 1);
    assert_eq!(sweep(&queue.app).await.unwrap(), 0);
    // Their turn comes again.
    queue.pass(10 * 60_000).await;
    assert_eq!(sweep(&queue.app).await.unwrap(), JOBS - 1);
    queue.pass(60_000).await;
    let open = "SELECT id FROM jobs WHERE due_at IS NOT NULL";
    assert!(queue.db.query(open).unwrap().is_empty(), "all have ended");
}

/// They were woken one after the other: behind one whose call never ended nobody was, now and in
/// every run that found it again.
#[tokio::test]
async fn a_watcher_that_never_answers_keeps_the_sweep_from_no_other() {
    let queue = TestQueue::live(Plan::default());
    queue.watchers.set_deaf(true);
    let mut jobs = Vec::new();
    for n in 0..5 {
        jobs.push(queue.create(&small_work(n)).await);
    }
    queue.watchers.set_deaf(false);
    queue.pass(3_600_000).await;
    queue.watchers.hang(jobs[0]);
    let mut sweeping = Box::pin(sweep(&queue.app));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        assert!(sweeping.as_mut().poll(&mut context).is_pending());
    }
    drop(sweeping);
    queue.pass(60_000).await;
    let open = "SELECT id FROM jobs WHERE due_at IS NOT NULL";
    let open = queue.db.query(open).unwrap();
    assert_eq!(open, [json!({"id": jobs[0].to_string()})]);
}
