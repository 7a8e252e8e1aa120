//! The edge of the world, as traits: what the queue needs from outside, and nothing about how.
//!
//! `cloudflare/` implements them on Workers, `testing/` in memory. A port decides nothing: retries,
//! limits and meaning live in the verbs of `queue/`.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use thiserror::Error;

use crate::gate::{Answer, Ask};
use crate::id::{JobId, ProviderId, Secret};
use crate::job::{Progress, Told};
use crate::time::UnixMillis;

/// A value bound to a statement. D1 knows doubles, text and null; integers travel as doubles.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    Null,
    Integer(i64),
    Text(String),
}

/// One statement with its parameters `?1…?n`.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: &'static str,
    pub params: Vec<Param>,
}

/// What one statement of a batch did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The rows as the text of a JSON array of objects: parsed once, by the store, into its own
    /// types.
    pub rows: String,
    /// Rows changed. Says who won a compare-and-set.
    pub changes: u64,
    /// Rows written as the database bills them, index entries included.
    pub rows_written: u64,
}

#[derive(Debug, Error)]
pub enum DbError {
    /// The batch may or may not have been committed.
    #[error("the database did not answer: {0}")]
    Unknown(String),
    /// The database refused; nothing was committed.
    #[error("the database refused: {0}")]
    Refused(String),
    /// The database is overloaded; nothing was committed, and asking again makes it worse.
    #[error("the database is overloaded: {0}")]
    Overloaded(String),
}

/// D1, or SQLite in tests. A batch is one transaction and one round trip.
#[async_trait]
pub trait Db: Send + Sync {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DbError>;
}

/// Why bytes that arrive piece by piece end before their end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    #[error("the bytes broke off: {0}")]
    Cut(String),
    #[error("there are more than {0} bytes")]
    TooLarge(u64),
    #[error("the bytes come too slowly")]
    TooSlow,
    /// What the sender sends is not what was asked for; the text says why, to the sender.
    #[error("{0}")]
    Refused(String),
}

/// Bytes that arrive piece by piece, in pieces of any size, empty ones included.
pub type ByteStream = BoxStream<'static, Result<Bytes, Broken>>;

/// What is said of an object when it is stored: known before its last byte is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobLabel {
    pub content_type: String,
    /// The name a download gets.
    pub name: String,
    /// blake3 in lower-case hex, where it is known before the first byte is stored.
    pub hash: Option<String>,
}

/// What is known of stored bytes without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    /// As the object store counts them.
    pub size_bytes: u64,
    pub label: BlobLabel,
}

/// Bytes on their way out.
pub enum BlobBody {
    Bytes(Bytes),
    /// Made by us, piece by piece. Cloudflare's adapter would collect it before it answers.
    Stream(BoxStream<'static, Bytes>),
    /// A stream of the platform that never enters Wasm; only the adapter that made it can open it.
    Platform(Arc<dyn Any + Send + Sync>),
}

pub struct Blob {
    pub meta: BlobMeta,
    pub body: BlobBody,
}

/// Part of an object: `length` bytes from `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub length: u64,
}

/// An object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub uploaded_at: UnixMillis,
}

/// Some objects, and where to go on; `None`: there are no more.
#[derive(Clone, Debug, Default)]
pub struct BlobPage {
    pub objects: Vec<Listed>,
    pub next: Option<String>,
}

#[derive(Debug, Error)]
#[error("the object store failed: {0}")]
pub struct BlobError(pub String);

/// The largest piece of an object that its writer holds: R2's least part of a multipart upload
/// (Cloudflare, R2, Limits), because it is memory.
pub const PART_BYTES: usize = 5 << 20;

/// An object being written. Nobody can read it before it is finished.
#[async_trait]
pub trait BlobWriter: Send {
    /// Takes a piece, of any size. Holds back at most one part of the object.
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError>;
    /// Makes the object readable; answers its size as the object store counts it.
    async fn finish(self: Box<Self>) -> Result<u64, BlobError>;
    /// Leaves nothing. Best effort: the object store forgets unfinished objects by itself.
    async fn abort(self: Box<Self>);
}

/// R2. Strongly consistent: what was put is there for the next reader.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Answers the size as the object store counts it.
    async fn put(&self, key: &str, bytes: Bytes, label: &BlobLabel) -> Result<u64, BlobError>;
    /// Begins an object whose size is not known yet.
    async fn begin(&self, key: &str, label: &BlobLabel) -> Result<Box<dyn BlobWriter>, BlobError>;
    async fn head(&self, key: &str) -> Result<Option<BlobMeta>, BlobError>;
    /// A stream for an answer; `meta` describes the whole object, also with a range.
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Blob>, BlobError>;
    /// All bytes, for inputs that go to the provider. `None`: no such object.
    async fn read(&self, key: &str) -> Result<Option<Bytes>, BlobError>;
    async fn delete(&self, keys: &[String]) -> Result<(), BlobError>;
    /// Up to `limit` keys that start with `prefix`, in order.
    async fn list(&self, prefix: &str, limit: u32) -> Result<Vec<String>, BlobError>;
    /// Objects in order, a page at a time; `cursor` is the `next` of the page before.
    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<BlobPage, BlobError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// A request to a neighbour. Redirects are never followed.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: Method,
    pub url: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Covers connecting, the headers and the body.
    pub timeout_ms: u32,
}

/// An answer whose body has yet to arrive.
pub struct HttpAnswer {
    pub status: u16,
    /// Lower-case names.
    pub headers: BTreeMap<String, String>,
    pub body: ByteStream,
}

#[derive(Debug, Error)]
pub enum HttpError {
    /// Proven not to have reached the neighbour: no connection, no name.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Sent, or not; nothing is known.
    #[error("no answer: {0}")]
    Unknown(String),
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// Answered, and this isolate holds too much already to take the answer in.
    #[error("too many large bodies at once")]
    NoRoom,
}

impl HttpError {
    /// Where the runtime's own words may not stand: they may name the address, which is a secret of
    /// whoever gave it.
    pub const fn in_our_words(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "it could not be sent",
            Self::Unknown(_) | Self::TooLarge(_) | Self::NoRoom => "there was no answer",
        }
    }
}

/// The runtime's `fetch`. Whole answers are taken in by `outgoing`, which counts what it holds.
#[async_trait]
pub trait Http: Send + Sync {
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError>;
}

#[derive(Debug, Error)]
#[error("the watcher did not answer: {0}")]
pub struct WatcherError(pub String);

/// In whose words a stream speaks: our own API's, or the Comfy API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    Queue,
    Comfy,
}

/// Who wants to listen, and from where on.
#[derive(Clone, Copy, Debug)]
pub struct Listen<'a> {
    pub surface: Surface,
    /// The id of the last event that was seen; `None`: from the beginning.
    pub after: Option<&'a str>,
}

/// What became of a wish to listen.
pub enum Listening {
    /// A live `text/event-stream`.
    Stream(BlobBody),
    /// The job has as many listeners as it can have.
    Full,
}

/// How long a secret may wait for its job to be recorded: a create takes seconds.
pub const ORPHAN_MS: u64 = 10 * 60_000;

/// The watchers of all jobs, seen from outside. Every call is best effort: the sweep repairs what
/// is lost.
#[async_trait]
pub trait Watchers: Send + Sync {
    /// Asks the job's watcher to look at the job as soon as it can, and tells its listeners.
    async fn wake(&self, job: JobId) -> Result<(), WatcherError>;
    /// Returns when the job's version passes `version`, or after `limit_ms`.
    async fn wait(&self, job: JobId, version: u64, limit_ms: u32) -> Result<(), WatcherError>;
    /// When the job's watcher wakes by itself; `None`: never, or it works at this moment.
    async fn alarm_at(&self, job: JobId) -> Result<Option<UnixMillis>, WatcherError>;
    async fn events(&self, job: JobId, listen: Listen<'_>) -> Result<Listening, WatcherError>;
    /// Keeps a secret for the job until it has ended; for [`ORPHAN_MS`] if there is no such job.
    /// Durable and sealed before it returns.
    async fn keep(&self, job: JobId, secret: &Secret) -> Result<(), WatcherError>;
    /// Passes on what a worker tells of its attempt.
    async fn tell(&self, job: JobId, told: &Told) -> Result<(), WatcherError>;
    /// How far the job is; `None`: nobody has told lately, or not within `limit_ms`.
    async fn progress(&self, job: JobId, limit_ms: u32) -> Result<Option<Progress>, WatcherError>;
}

/// What one watcher keeps for its own job, seen from inside its alarm.
#[async_trait]
pub trait Watch: Send + Sync {
    /// The attempt whose submit was begun, if any: it may or may not have reached the provider.
    async fn sending(&self) -> Result<Option<u32>, WatcherError>;
    /// Durable before it returns.
    async fn set_sending(&self, attempt: Option<u32>) -> Result<(), WatcherError>;
    /// The provider's name for an attempt, if the database could not take it.
    async fn sent(&self) -> Result<Option<(u32, ProviderId)>, WatcherError>;
    /// Durable before it returns.
    async fn keep_sent(&self, attempt: u32, id: &ProviderId) -> Result<(), WatcherError>;
    /// What was kept for the job, if anything.
    async fn secret(&self) -> Result<Option<Secret>, WatcherError>;
    /// Lets those who listen hear how far an attempt is.
    fn tell(&self, told: Told);
    /// The keys of the files that were done before their job.
    fn take_early(&self) -> Vec<String>;
    /// Asks for the next alarm at `at`, or earlier if one is already due earlier.
    async fn arm(&self, at: UnixMillis) -> Result<(), WatcherError>;
}

#[derive(Debug, Error)]
#[error("the gate did not answer: {0}")]
pub struct GateError(pub String);

/// The gates of all endpoints, one each.
#[async_trait]
pub trait Gate: Send + Sync {
    async fn ask(&self, endpoint: &str, ask: Ask) -> Result<Answer, GateError>;
}

/// What is damped, and by what it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Calls of an API key, by its id.
    Key,
    /// Calls of a browser's session, by its subject.
    Session,
    /// Calls without a key, and with a key that is not known yet, by address.
    Address,
    /// New sessions, by address.
    Mint,
}

/// Damps floods, roughly: what must be exact is counted in the database.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts a call. False: it is one too many.
    async fn allow(&self, rate: Rate, who: &str) -> bool;
}

/// An e-mail, as plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
}

#[derive(Debug, Error)]
#[error("the e-mail was not sent: {0}")]
pub struct MailError(pub String);

/// Signatures that anybody can verify: the platform's own Ed25519, so that its code is no part of
/// the Worker. `None`: it would not.
#[async_trait]
pub trait Ed25519: Send + Sync {
    async fn sign(&self, seed: &[u8; 32], text: &str) -> Option<Vec<u8>>;
    async fn public_key(&self, seed: &[u8; 32]) -> Option<Vec<u8>>;
}

#[async_trait]
pub trait Mailer: Send + Sync {
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

pub trait Clock: Send + Sync {
    fn now(&self) -> UnixMillis;
}

pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Work that goes on after the answer. May be lost at any moment: nothing may depend on it.
pub trait Tasks: Send + Sync {
    fn after(&self, delay_ms: u64, task: BoxFuture<'static, ()>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes finished lines of JSON.
pub trait Log: Send + Sync {
    fn write(&self, level: Level, line: &str);
}
