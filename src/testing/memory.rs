//! The small ports in memory: objects, entropy, log lines, later tasks.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use ed25519_dalek::{Signer as _, SigningKey};
use futures::future::BoxFuture;

use crate::ports::{
    Blob, BlobBody, BlobError, BlobLabel, BlobMeta, BlobPage, BlobWriter, Blobs, ByteRange, Clock,
    Ed25519, Entropy, Level, Listed, Log, Mail, MailError, Mailer, Rate, RateLimiter, Tasks,
    PART_BYTES,
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

/// R2 in memory, which can be told to fail. Clones share it.
#[derive(Clone)]
pub struct MemoryBlobs(Arc<Store>);

struct Store {
    clock: Arc<dyn Clock>,
    objects: Mutex<BTreeMap<String, (BlobMeta, Bytes)>>,
    uploads: Mutex<BTreeMap<String, UnixMillis>>,
    failures: AtomicU64,
    lost_answers: AtomicU64,
    /// Objects that were begun and neither finished nor aborted.
    unfinished: AtomicU64,
    /// Bytes that every stored object loses.
    losses: AtomicU64,
}

impl MemoryBlobs {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Store {
            clock,
            objects: Mutex::default(),
            uploads: Mutex::default(),
            failures: AtomicU64::default(),
            lost_answers: AtomicU64::default(),
            unfinished: AtomicU64::default(),
            losses: AtomicU64::default(),
        }))
    }

    /// The next `count` calls fail, and nothing is done.
    pub fn fail_next(&self, count: u64) {
        self.0.failures.store(count, Ordering::SeqCst);
    }

    /// From now on every object is stored without its last bytes.
    pub fn lose_bytes(&self, count: u64) {
        self.0.losses.store(count, Ordering::SeqCst);
    }

    /// The next `count` puts and deletes are done, and their answers are lost.
    pub fn lose_next_answers(&self, count: u64) {
        self.0.lost_answers.store(count, Ordering::SeqCst);
    }

    pub fn keys(&self) -> Vec<String> {
        lock(&self.0.objects).keys().cloned().collect()
    }

    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        let objects = lock(&self.0.objects);
        objects.get(key).map(|(_, bytes)| bytes.clone())
    }

    /// Objects that somebody is still writing, or forgot.
    pub fn unfinished(&self) -> u64 {
        self.0.unfinished.load(Ordering::SeqCst)
    }

    fn turn(&self) -> Result<(), BlobError> {
        take_one(&self.0.failures, "told to fail")
    }

    /// After an effect.
    async fn answer(&self) -> Result<(), BlobError> {
        pause().await;
        take_one(&self.0.lost_answers, "told to lose the answer")
    }

    fn store(&self, key: &str, mut bytes: Bytes, label: &BlobLabel) -> u64 {
        let lost = usize::try_from(self.0.losses.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
        bytes.truncate(bytes.len().saturating_sub(lost));
        let meta = BlobMeta {
            size_bytes: bytes.len() as u64,
            label: label.clone(),
        };
        let size_bytes = meta.size_bytes;
        lock(&self.0.objects).insert(key.to_owned(), (meta, bytes));
        lock(&self.0.uploads).insert(key.to_owned(), self.0.clock.now());
        size_bytes
    }
}

/// An object of [`MemoryBlobs`] in parts, as R2 wants them.
struct MemoryWriter {
    blobs: MemoryBlobs,
    key: String,
    label: BlobLabel,
    bytes: BytesMut,
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let parts = self.bytes.len() / PART_BYTES;
        self.bytes.extend_from_slice(&piece);
        // A part that is full leaves.
        if self.bytes.len() / PART_BYTES > parts {
            self.blobs.turn()?;
            pause().await;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<u64, BlobError> {
        self.blobs.0.unfinished.fetch_sub(1, Ordering::SeqCst);
        self.blobs.turn()?;
        let size_bytes = self
            .blobs
            .store(&self.key, self.bytes.freeze(), &self.label);
        self.blobs.answer().await?;
        Ok(size_bytes)
    }

    async fn abort(self: Box<Self>) {
        self.blobs.0.unfinished.fetch_sub(1, Ordering::SeqCst);
        pause().await;
    }
}

pub(super) fn take_one(failures: &AtomicU64, why: &str) -> Result<(), BlobError> {
    let left = failures.load(Ordering::SeqCst);
    if left == 0 {
        return Ok(());
    }
    failures.store(left - 1, Ordering::SeqCst);
    Err(BlobError(why.into()))
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, key: &str, bytes: Bytes, label: &BlobLabel) -> Result<u64, BlobError> {
        self.turn()?;
        let size_bytes = self.store(key, bytes, label);
        self.answer().await?;
        Ok(size_bytes)
    }

    async fn begin(&self, key: &str, label: &BlobLabel) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.turn()?;
        self.0.unfinished.fetch_add(1, Ordering::SeqCst);
        pause().await;
        Ok(Box::new(MemoryWriter {
            blobs: self.clone(),
            key: key.to_owned(),
            label: label.clone(),
            bytes: BytesMut::new(),
        }))
    }

    async fn head(&self, key: &str) -> Result<Option<BlobMeta>, BlobError> {
        self.turn()?;
        Ok(lock(&self.0.objects).get(key).map(|(meta, _)| meta.clone()))
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
        Ok(lock(&self.0.objects).get(key).map(|(meta, bytes)| Blob {
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
        lock(&self.0.objects).retain(|key, _| !keys.contains(key));
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
        let uploads = lock(&self.0.uploads);
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

/// E-mails, kept for the tests to read.
#[derive(Default)]
pub struct MemoryMailer(Mutex<Vec<Mail>>);

impl MemoryMailer {
    pub fn sent(&self) -> Vec<Mail> {
        lock(&self.0).clone()
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    /// Nothing is sent to an address that is called `broken`.
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        if mail.to.starts_with("broken@") {
            return Err(MailError("told to fail".into()));
        }
        lock(&self.0).push(mail);
        Ok(())
    }
}

/// Ed25519 of a library.
pub struct Dalek;

#[async_trait]
impl Ed25519 for Dalek {
    async fn sign(&self, seed: &[u8; 32], text: &str) -> Option<Vec<u8>> {
        let signature = SigningKey::from_bytes(seed).sign(text.as_bytes());
        Some(signature.to_bytes().to_vec())
    }

    async fn public_key(&self, seed: &[u8; 32]) -> Option<Vec<u8>> {
        let key = SigningKey::from_bytes(seed).verifying_key();
        Some(key.to_bytes().to_vec())
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
