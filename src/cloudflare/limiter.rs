//! Cloudflare's rate limiting bindings behind the port [`RateLimiter`].
//!
//! Their counters belong to one location, are cached, and let a little too much through: they damp
//! floods (Cloudflare's documentation, Workers, Rate limiting). What they allow stands in
//! wrangler.toml.

use async_trait::async_trait;
use worker::send::SendWrapper;
use worker::Env;

use crate::ports::{Rate, RateLimiter};

pub struct Bindings {
    keys: SendWrapper<worker::RateLimiter>,
    sessions: SendWrapper<worker::RateLimiter>,
    addresses: SendWrapper<worker::RateLimiter>,
    mints: SendWrapper<worker::RateLimiter>,
}

impl Bindings {
    /// The name of the first binding that is missing otherwise.
    pub fn new(env: &Env) -> Result<Self, &'static str> {
        let named = |name: &'static str| {
            let found = env.rate_limiter(name).map(SendWrapper);
            found.map_err(|_| name)
        };
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
        // A counter that fails must not take the service with it.
        let answer = counter.limit(who.to_owned()).await;
        answer.map_or(true, |outcome| outcome.success)
    }
}
