//! The RunPod client against the fake, and the fake against what is known of RunPod.

mod callback;
mod evidence;
mod fake_runpod;
mod properties;
mod runpod;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use edge_queue::config::RunpodSettings;
use edge_queue::id::JobId;
use edge_queue::outgoing::Outgoing;
use edge_queue::providers::runpod::Runpod;
use edge_queue::providers::{Order, OrderFile, Protocol};
use edge_queue::room::Room;
use edge_queue::testing::clock::ManualClock;
use edge_queue::testing::runpod::{Endpoint, FakeHttp, FakeRunpod, Plan};
use edge_queue::time::UnixMillis;
use serde_json::value::RawValue;
use serde_json::Value;

/// The key of the endpoint: found in no record of any call.
const KEY: &str = "rpa_SECRETSECRETSECRET";

/// The token of every order's callback: found in no record of any call.
const TOKEN: &str = "TOKENTOKENTOKEN";

fn outgoing(http: FakeHttp) -> Outgoing {
    Outgoing {
        http: Arc::new(http),
        room: Room::default(),
    }
}

/// A provider, the fake behind it, and their clock.
struct World {
    provider: Runpod,
    runpod: Arc<Mutex<FakeRunpod>>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new(plan: Value) -> Self {
        let plan: Plan = serde_json::from_value(plan).unwrap();
        let endpoint = Endpoint {
            key: KEY.into(),
            ..Endpoint::default()
        };
        let runpod = Arc::new(Mutex::new(FakeRunpod::new(endpoint, plan)));
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_763_668_952_000)));
        let http = FakeHttp {
            runpod: Arc::clone(&runpod),
            clock: clock.clone(),
        };
        let settings = RunpodSettings {
            base_url: "https://api.runpod.ai/v2".into(),
            endpoint_id: "mock".into(),
            api_key: KEY.into(),
        };
        let provider = Runpod::new(settings, outgoing(http), clock.clone());
        Self {
            provider,
            runpod,
            clock,
        }
    }

    fn fake(&self) -> std::sync::MutexGuard<'_, FakeRunpod> {
        self.runpod.lock().unwrap()
    }
}

fn order() -> Order {
    let prompt = r#"{"3":{"class_type":"KSampler","inputs":{"seed":1}},
        "9":{"class_type":"SaveImage","inputs":{"filename_prefix":"eq/j1-9"}}}"#;
    Order {
        job: JobId::from_bytes([7; 16]),
        attempt: 1,
        endpoint: "mock".into(),
        protocol: Protocol::Comfyui,
        prompt: RawValue::from_string(prompt.into()).unwrap(),
        prompt_hash: "0123456789abcdef".repeat(4),
        files: vec![OrderFile {
            name: "in.png".into(),
            content_type: "image/png".into(),
            bytes: Bytes::from_static(b"\x89PNG"),
        }],
        outputs: Vec::new(),
        callback_url: format!("https://q.example/api/webhooks/runpod/{TOKEN}"),
        progress_url: format!("https://q.example/api/progress/{TOKEN}"),
        execution_limit_ms: 600_000,
        ttl_ms: 7_200_000,
        partner_key: None,
        simulate: None,
    }
}
