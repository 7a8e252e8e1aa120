//! Files that a worker told before its job was done, when the object that remembered them is gone.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::queue::purge::purge;
use edge_queue::queue::reconcile::Code;
use edge_queue::testing::queue::TestQueue;
use edge_queue::token::CallbackClaim;
use serde_json::json;

use super::{found, plan, HOUR_MS};

fn picture() -> String {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7; 64]).unwrap();
    drop(writer);
    STANDARD.encode(file)
}

/// Only the object of a job knows of them, in memory: once it was moved nobody deletes them with
/// the job's end, and no row names them for the purge.
#[tokio::test]
async fn a_file_told_early_that_its_watcher_forgot_is_found_as_an_orphan_and_deleted() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 60_000})));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let claim = CallbackClaim {
        job: id,
        attempt: 1,
    };
    let token = queue.app.signer.progress(claim);
    let told = json!({"output": {"name": "eq0_00001_.png", "data_base64": picture()}});
    let answer = queue.post(&format!("/api/progress/{token}"), &told).await;
    assert_eq!(answer.status, 200, "{:#}", answer.json());
    let early = queue.blobs.keys();
    assert_eq!(early.len(), 1, "{early:?}");
    queue.watchers.evict();
    queue.pass(30 * 60_000).await;
    assert_eq!(queue.job(id).await["status"], "succeeded");
    assert!(queue.blobs.keys().contains(&early[0]), "nobody knew of it");
    assert_eq!(found(&queue, true).await, [], "it may be half way in");
    queue.clock.advance_ms(HOUR_MS);
    let seen = found(&queue, true).await;
    let orphans: Vec<_> = seen.iter().map(|it| (it.code, &it.subject)).collect();
    assert_eq!(orphans, [(Code::OrphanObject, &early[0])]);
    assert!(seen[0].mended && !queue.blobs.keys().contains(&early[0]));
}

/// The purge deletes what rows name; what nobody names outlives them, until it is looked for.
#[tokio::test]
async fn a_file_told_early_outlives_the_purge_of_its_job_and_is_found_still() {
    let queue = TestQueue::live(plan(&json!({"queue_ms": 500, "run_ms": 60_000})));
    let id = queue.create(&json!({"prompt": "x"})).await;
    queue.pass(1_000).await;
    let claim = CallbackClaim {
        job: id,
        attempt: 1,
    };
    let token = queue.app.signer.progress(claim);
    let told = json!({"output": {"name": "eq0_00001_.png", "data_base64": picture()}});
    queue.post(&format!("/api/progress/{token}"), &told).await;
    let early = queue.blobs.keys();
    queue.watchers.evict();
    queue.pass(30 * 60_000).await;
    queue.clock.advance_ms(31 * 24 * HOUR_MS);
    assert_eq!(purge(&queue.app).await.unwrap().jobs, 1);
    assert_eq!(queue.blobs.keys(), early, "its row is gone, and it is not");
    let seen = found(&queue, true).await;
    assert!(seen.len() == 1 && seen[0].mended, "{seen:?}");
    assert!(queue.blobs.keys().is_empty());
}
