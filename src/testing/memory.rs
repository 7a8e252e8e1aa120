//! The small ports in memory: objects, entropy, log lines, later tasks.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ports::{
    Blob, BlobBody, BlobError, BlobMeta, BlobPage, Blobs, ByteRange, Clock, Entropy, Level, Listed,
    Log, Rate, RateLimiter, Tasks,
};
use crate::time::UnixMillis;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the driver in, once. Every port does this after its effect, so that a test can drop the
/// work there: the effect has happened, and nobody heard of it.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// R2 in memory, which can be told to fail.
pub struct MemoryBlobs {
    clock: Arc<dyn Clock>,
    objects: Mutex<BTreeMap<String, (BlobMeta, Bytes)>>,
    uploads: Mutex<BTreeMap<String, UnixMillis>>,
    failures: AtomicU64,
    lost_answers: AtomicU64,
}

impl MemoryBlobs {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            objects: Mutex::default(),
            uploads: Mutex::default(),
            failures: AtomicU64::default(),
            lost_answers: AtomicU64::default(),
        }
    }

    /// The next `count` calls fail, and nothing is done.
    pub fn fail_next(&self, count: u64) {
        self.failures.store(count, Ordering::SeqCst);
    }

    /// The next `count` puts and deletes are done, and their answers are lost.
    pub fn lose_next_answers(&self, count: u64) {
        self.lost_answers.store(count, Ordering::SeqCst);
    }

    pub fn keys(&self) -> Vec<String> {
        lock(&self.objects).keys().cloned().collect()
    }

    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        lock(&self.objects).get(key).map(|(_, bytes)| bytes.clone())
    }

    fn turn(&self) -> Result<(), BlobError> {
        take_one(&self.failures, "told to fail")
    }

    /// After an effect.
    async fn answer(&self) -> Result<(), BlobError> {
        pause().await;
        take_one(&self.lost_answers, "told to lose the answer")
    }
}

fn take_one(failures: &AtomicU64, why: &str) -> Result<(), BlobError> {
    let left = failures.load(Ordering::SeqCst);
    if left == 0 {
        return Ok(());
    }
    failures.store(left - 1, Ordering::SeqCst);
    Err(BlobError(why.into()))
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, key: &str, bytes: Bytes, meta: &BlobMeta) -> Result<(), BlobError> {
        self.turn()?;
        assert_eq!(
            meta.size_bytes,
            bytes.len() as u64,
            "{key}: the size is wrong"
        );
        lock(&self.objects).insert(key.to_owned(), (meta.clone(), bytes));
        lock(&self.uploads).insert(key.to_owned(), self.clock.now());
        self.answer().await
    }

    async fn head(&self, key: &str) -> Result<Option<BlobMeta>, BlobError> {
        self.turn()?;
        Ok(lock(&self.objects).get(key).map(|(meta, _)| meta.clone()))
    }

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Blob>, BlobError> {
        self.turn()?;
        let part = |bytes: &Bytes| match range {
            None => bytes.clone(),
            Some(range) => {
                let start = usize::try_from(range.offset).unwrap_or(usize::MAX);
                let end = usize::try_from(range.offset + range.length).unwrap_or(usize::MAX);
                bytes.slice(start..end)
            }
        };
        Ok(lock(&self.objects).get(key).map(|(meta, bytes)| Blob {
            meta: meta.clone(),
            body: BlobBody::Bytes(part(bytes)),
        }))
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        self.turn()?;
        pause().await;
        Ok(self.bytes(key))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BlobError> {
        self.turn()?;
        lock(&self.objects).retain(|key, _| !keys.contains(key));
        self.answer().await
    }

    /// The cursor is the last key of the page before.
    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<BlobPage, BlobError> {
        self.turn()?;
        let after = cursor.unwrap_or_default();
        let keys = self.keys().into_iter().filter(|key| key.as_str() > after);
        let keys: Vec<String> = keys.take(limit as usize).collect();
        let is_full = keys.len() == limit as usize;
        let next = keys.last().filter(|_| is_full).cloned();
        let uploads = lock(&self.uploads);
        let listed = |key: String| Listed {
            uploaded_at: uploads.get(&key).copied().unwrap_or_default(),
            key,
        };
        Ok(BlobPage {
            objects: keys.into_iter().map(listed).collect(),
            next,
        })
    }

    async fn list(&self, prefix: &str, limit: u32) -> Result<Vec<String>, BlobError> {
        self.turn()?;
        let keys = self
            .keys()
            .into_iter()
            .filter(|key| key.starts_with(prefix));
        Ok(keys.take(limit as usize).collect())
    }
}

/// Unpredictable to nobody: the same seed gives the same bytes.
pub struct CountingEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl CountingEntropy {
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicU64::new(0),
        }
    }
}

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.seed.to_le_bytes())
            .update(&n.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }
}

/// Log lines, kept for the tests to read.
#[derive(Default)]
pub struct MemoryLog(Mutex<Vec<String>>);

impl MemoryLog {
    pub fn lines(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl Log for MemoryLog {
    fn write(&self, _level: Level, line: &str) {
        lock(&self.0).push(line.to_owned());
    }
}

/// Allows everything until it is told how much is enough; counts by caller, and never forgets.
#[derive(Default)]
pub struct MemoryLimiter {
    most: Mutex<Option<u32>>,
    calls: Mutex<Vec<(Rate, String)>>,
}

impl MemoryLimiter {
    pub fn allow_at_most(&self, most: u32) {
        *lock(&self.most) = Some(most);
    }

    /// Who was counted since this was last asked, and as what.
    pub fn take_calls(&self) -> Vec<(Rate, String)> {
        std::mem::take(&mut *lock(&self.calls))
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn allow(&self, rate: Rate, who: &str) -> bool {
        let mut calls = lock(&self.calls);
        calls.push((rate, who.to_owned()));
        let of_this = |call: &&(Rate, String)| (call.0, call.1.as_str()) == (rate, who);
        let count = calls.iter().filter(of_this).count();
        lock(&self.most).is_none_or(|most| count <= most as usize)
    }
}

/// Work for later, with its delay, waiting for the driver.
#[derive(Default)]
pub struct MemoryTasks(Mutex<Vec<(u64, BoxFuture<'static, ()>)>>);

impl MemoryTasks {
    /// Tasks given since this was last asked, each with when it is due.
    pub fn take(&self, now: UnixMillis) -> Vec<(UnixMillis, BoxFuture<'static, ()>)> {
        let tasks = std::mem::take(&mut *lock(&self.0));
        let due = |(delay_ms, task)| (now.plus_ms(delay_ms), task);
        tasks.into_iter().map(due).collect()
    }
}

impl Tasks for MemoryTasks {
    fn after(&self, delay_ms: u64, task: BoxFuture<'static, ()>) {
        lock(&self.0).push((delay_ms, task));
    }
}
