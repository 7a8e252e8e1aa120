//! How what callers are told is signed.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use ed25519_dalek::{Signature, VerifyingKey};
use edge_queue::notify::{signatures, signed_text};
use edge_queue::testing::queue::request;
use edge_queue::testing::receiver::Told;
use edge_queue::time::UnixMillis;
use serde_json::{json, Value};

use super::told::{live, order, HOUR_MS};

#[tokio::test]
async fn two_secrets_sign_while_one_is_changed() {
    let queue = live(&json!({}));
    let (_, key) = crate::access::make_key(&queue, "shop", &json!({})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let secret = |method| request(method, "/api/webhooks/secret", &headers, "".into());
    let old = queue.send(secret("GET")).await.json()["secret"].clone();
    let rotated = queue.send(secret("POST")).await.json();
    assert!(rotated["old_secret_until"].is_string(), "{rotated}");
    assert_ne!(rotated["secret"], old);
    let signed = |told: &Told| {
        let bytes = |secret: &Value| {
            let text = secret
                .as_str()
                .unwrap()
                .strip_prefix("whsec_")
                .unwrap()
                .to_owned();
            STANDARD.decode(text).unwrap()
        };
        let seconds: i64 = told.headers["webhook-timestamp"].parse().unwrap();
        let at = UnixMillis::new(seconds * 1000);
        let text = signed_text(told.id(), at, &told.body);
        let by = |secret| signatures(&[bytes(secret)], &text).concat();
        (by(&rotated["secret"]), by(&old))
    };
    queue
        .post_with("/api/queue/create", &order(&["job.queued"]), &headers)
        .await;
    queue.pass(1_000).await;
    let told = queue.receiver.told();
    let (new, before) = signed(&told[0]);
    let symmetric = |told: &Told| {
        let all = told.headers["webhook-signature"].split(' ');
        let symmetric: Vec<&str> = all.filter(|one| one.starts_with("v1,")).collect();
        symmetric.join(" ")
    };
    assert_eq!(symmetric(&told[0]), format!("{new} {before}"));
    // A week later the one of before has ended.
    queue.pass(8 * 24 * HOUR_MS).await;
    queue
        .post_with("/api/queue/create", &order(&["job.queued"]), &headers)
        .await;
    queue.pass(1_000).await;
    let told = queue.receiver.told();
    let last = told.last().unwrap();
    assert_eq!(symmetric(last), signed(last).0);
}

#[tokio::test]
async fn anybody_can_verify_what_is_told_with_the_public_keys() {
    let queue = live(&json!({}));
    queue.create(&order(&["job.queued"])).await;
    queue.pass(1_000).await;
    let told = &queue.receiver.told()[0];
    let keys = queue.get("/api/webhooks/keys").await.json()["keys"].clone();
    let key = keys[0].as_str().unwrap().strip_prefix("whpk_").unwrap();
    let key: [u8; 32] = STANDARD.decode(key).unwrap().try_into().unwrap();
    let all = told.headers["webhook-signature"].split(' ');
    let mut public = all.filter_map(|one| one.strip_prefix("v1a,"));
    let signature = STANDARD.decode(public.next().unwrap()).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    let seconds: i64 = told.headers["webhook-timestamp"].parse().unwrap();
    let text = signed_text(told.id(), UnixMillis::new(seconds * 1000), &told.body);
    let key = VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(text.as_bytes(), &signature).unwrap();
    let forged = text.replace("queued", "failed");
    assert!(key.verify_strict(forged.as_bytes(), &signature).is_err());
}
