//! Cloudflare's rate limiting bindings behind the port [`RateLimiter`].
//!
//! Their counters belong to one location, are cached, and let a little too much through: they damp
//! floods (Cloudflare's documentation, Workers, Rate limiting). What they allow stands in
//! wrangler.toml.

use async_trait::async_trait;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use worker::js_sys::Promise;
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::Env;

use super::binding;
use crate::ports::{Rate, RateLimiter};

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn limit(binding: &JsValue, key: &str) -> Result<Promise, JsValue>;
}

pub struct Bindings {
    keys: SendWrapper<JsValue>,
    sessions: SendWrapper<JsValue>,
    addresses: SendWrapper<JsValue>,
    mints: SendWrapper<JsValue>,
}

impl Bindings {
    /// The name of the first binding that is missing otherwise.
    pub fn new(env: &Env) -> Result<Self, &'static str> {
        let named = |name: &'static str| binding(env, name).map(SendWrapper).map_err(|_| name);
        Ok(Self {
            keys: named("RATE_KEYS")?,
            sessions: named("RATE_SESSIONS")?,
            addresses: named("RATE_ADDRESSES")?,
            mints: named("RATE_MINTS")?,
        })
    }
}

#[async_trait]
impl RateLimiter for Bindings {
    async fn allow(&self, rate: Rate, who: &str) -> bool {
        let counter = match rate {
            Rate::Key => &self.keys,
            Rate::Session => &self.sessions,
            Rate::Address => &self.addresses,
            Rate::Mint => &self.mints,
        };
        let allowed = SendFuture::new(async {
            let answer = JsFuture::from(limit(&counter.0, who)?).await?;
            Ok::<_, JsValue>(answer.is_truthy())
        });
        // A counter that fails must not take the service with it.
        allowed.await.unwrap_or(true)
    }
}
