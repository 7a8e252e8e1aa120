//! A caller's server that takes webhooks, and can be told to misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{stream, StreamExt};
use serde_json::Value;

use super::memory::{lock, pause};
use crate::ports::{Clock, Http, HttpAnswer, HttpError, HttpRequest};
use crate::time::UnixMillis;

pub const HOST: &str = "https://hooks.example/";

/// What the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(u16),
    /// A status, and seconds to wait.
    NotNow(u16, u32),
    /// It took the request, and its answer was lost or too late.
    Silent,
    /// Nobody is there.
    Down,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Told {
    pub at: UnixMillis,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Told {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub struct Receiver {
    clock: Arc<dyn Clock>,
    told: Mutex<Vec<Told>>,
    next: Mutex<VecDeque<Reply>>,
    usual: Mutex<Reply>,
}

impl Receiver {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            told: Mutex::default(),
            next: Mutex::default(),
            usual: Mutex::new(Reply::Status(204)),
        }
    }

    /// Everything that arrived, in order.
    pub fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    /// Every event that arrived, in order, by its type.
    pub fn types(&self) -> Vec<String> {
        let text = |told: &Told| told.json()["type"].as_str().unwrap_or_default().to_owned();
        self.told().iter().map(text).collect()
    }

    /// The next requests meet these, one each.
    pub fn answer_next(&self, replies: &[Reply]) {
        lock(&self.next).extend(replies);
    }

    /// All others meet this.
    pub fn answer_always(&self, reply: Reply) {
        *lock(&self.usual) = reply;
    }

    fn reply(&self) -> Reply {
        lock(&self.next).pop_front().unwrap_or(*lock(&self.usual))
    }
}

#[async_trait]
impl Http for Receiver {
    async fn open(&self, asked: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let reply = self.reply();
        if reply == Reply::Down {
            return Err(HttpError::NotSent("connection refused".into()));
        }
        lock(&self.told).push(Told {
            at: self.clock.now(),
            url: asked.url,
            headers: asked.headers.into_iter().collect(),
            body: String::from_utf8_lossy(&asked.body).into_owned(),
        });
        pause().await;
        let (status, headers) = match reply {
            Reply::Status(status) => (status, BTreeMap::new()),
            Reply::NotNow(status, seconds) => {
                let wait = ("retry-after".to_owned(), seconds.to_string());
                (status, BTreeMap::from([wait]))
            }
            Reply::Silent | Reply::Down => return Err(HttpError::Unknown("timed out".into())),
        };
        Ok(HttpAnswer {
            status,
            headers,
            body: stream::iter([Ok("ok".into())]).boxed(),
        })
    }
}
