//! Listen: who hears of one job's changes, held requests and event streams, in the memory of its
//! watcher.
//!
//! A change is news only if it comes after what a listener has seen, so telling twice does no harm,
//! and reads that overtake each other take nothing back. Whoever cannot be told, too slow or the
//! row unreadable, is let go: a stream resumes by its last event's id, a held request answers from
//! the row. How far the work is lies in memory alone, and nothing of it is owed to anybody.

mod frames;
mod live;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::future::select;
use futures::{stream, Stream, StreamExt};

use super::gate;
use crate::app::App;
use crate::id::JobId;
use crate::job::{Progress, Told};
use crate::ports::{Listen, Surface};
use crate::store::jobs::{self, Full};

pub use frames::{story, Render, Seen, Standing};
use live::{Latest, Stage};

/// Events a slow stream may lag behind.
pub const LAG_MAX: usize = 64;
/// Also how long a closed connection stays unnoticed.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Streams of one job at a time; each costs the memory of its lag.
pub const LISTENERS_MAX: usize = 100;

struct Listener {
    key: u64,
    surface: Surface,
    seen: Seen,
    sender: mpsc::Sender<(Bytes, Seen)>,
    /// Says that there is something new to look at; full is as good as rung.
    bell: mpsc::Sender<()>,
}

/// A listener's own word for what it has seen.
struct Claim {
    key: u64,
    seen: Seen,
}

struct Waiter {
    version: u64,
    sender: oneshot::Sender<()>,
}

#[derive(Default)]
struct Audience {
    keys: u64,
    listeners: Vec<Listener>,
    waiters: Vec<Waiter>,
}

/// The listeners of one job.
pub struct Hub {
    render: Render,
    audience: Mutex<Audience>,
    stage: Arc<Stage>,
}

impl Hub {
    pub fn new(render: Render) -> Self {
        Self {
            render,
            audience: Mutex::default(),
            stage: Arc::default(),
        }
    }

    /// Takes what a worker tells of its attempt, unless it is late, and lets the listeners look.
    pub fn tell(&self, app: &App, told: Told) {
        if self.stage.take(told, app.now()) {
            self.lock().ring();
        }
    }

    /// The same for news from outside, which may be the first sign of work.
    pub async fn hear(&self, app: &App, id: JobId, told: Told) {
        if told.has_begun {
            self.publish(app, id).await;
        }
        self.tell(app, told);
    }

    /// How far the job is, as far as anybody has told.
    pub fn progress(&self) -> Option<Progress> {
        self.stage.progress()
    }

    /// Takes away the files that were shown before the end: the job has its own now.
    pub fn take_early(&self) -> Vec<String> {
        self.stage.take_early()
    }

    /// Tells everybody who listens, if anybody does. Reads the row: what is told is the truth.
    pub async fn publish(&self, app: &App, id: JobId) {
        self.read_and_tell(app, id, None).await;
    }

    /// Returns when the job has passed `version`, or when `limit` is over.
    pub async fn wait(&self, app: &App, id: JobId, version: u64, limit: impl Future<Output = ()>) {
        let (sender, receiver) = oneshot::channel();
        self.lock().waiters.push(Waiter { version, sender });
        // Registered first: what changed before is seen by this read, what changes later is told.
        self.publish(app, id).await;
        drop(select(receiver, pin!(limit)).await);
        self.lock().prune();
    }

    /// A stream of events after the last one seen; without it, the job as it stands comes first.
    /// `sleep` is the timer of its heartbeats and pauses. `None`: there are too many already.
    pub async fn events<S, F>(
        &self,
        app: &App,
        id: JobId,
        listen: Listen<'_>,
        sleep: S,
    ) -> Option<impl Stream<Item = Bytes> + use<S, F>>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let seen = listen.after.and_then(Seen::parse).unwrap_or_default();
        let (sender, frames) = mpsc::channel(LAG_MAX);
        let (bell, rings) = mpsc::channel(0);
        let key = self.lock().enter(listen.surface, seen, (sender, bell))?;
        // Registered first, as above.
        self.read_and_tell(app, id, Some(Claim { key, seen })).await;
        let first = stream::iter([Bytes::from_static(b"retry: 2000\n\n")]);
        let latest = Latest::new(Arc::clone(&self.stage), listen.surface, seen);
        Some(first.chain(live::stream(latest, frames, rings, sleep)))
    }

    async fn read_and_tell(&self, app: &App, id: JobId, claim: Option<Claim>) {
        if self.lock().is_empty() {
            return;
        }
        let read = jobs::full(&*app.db, id).await;
        let position = match &read {
            Ok(Some(full)) => gate::position(app, &full.record).await,
            _ => None,
        };
        let mut audience = self.lock();
        let Ok(Some(full)) = read else {
            // What changed is unknown, and nobody may ever tell it again: all ask anew.
            audience.listeners.clear();
            audience.waiters.clear();
            return;
        };
        if let Some(claim) = claim {
            audience.doubt(&claim, full.record.job.version);
        }
        self.stage.set(&full.record.job);
        let standing = Standing {
            full: &full,
            position,
        };
        audience.tell(&full, |surface, seen| {
            story(&self.render, app, standing, surface, seen)
        });
    }

    fn lock(&self) -> MutexGuard<'_, Audience> {
        // No step under this lock leaves the audience in parts.
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience {
    fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.waiters.is_empty()
    }

    fn enter(
        &mut self,
        surface: Surface,
        seen: Seen,
        (sender, bell): (mpsc::Sender<(Bytes, Seen)>, mpsc::Sender<()>),
    ) -> Option<u64> {
        self.prune();
        if self.listeners.len() >= LISTENERS_MAX {
            return None;
        }
        self.keys += 1;
        let key = self.keys;
        self.listeners.push(Listener {
            key,
            surface,
            seen,
            sender,
            bell,
        });
        Some(key)
    }

    /// A read made after the listener came is not older than what it has seen. One that claims more
    /// has an id that was never ours; believed, it would hear nothing.
    fn doubt(&mut self, claim: &Claim, version: u64) {
        if claim.seen.version <= version {
            return;
        }
        let mut listeners = self.listeners.iter_mut();
        if let Some(listener) = listeners.find(|listener| listener.key == claim.key) {
            listener.seen = Seen::default();
        }
    }

    fn tell(&mut self, full: &Full, story: impl Fn(Surface, Seen) -> (String, Seen)) {
        let job = &full.record.job;
        self.prune();
        self.listeners.retain_mut(|listener| {
            if listener.seen.version > job.version {
                // An old read, overtaken by a newer one: also its ending may be over, by a retry.
                return true;
            }
            let (frames, seen) = story(listener.surface, listener.seen);
            if !frames.is_empty() {
                listener.seen = seen;
                if listener.sender.try_send((frames.into(), seen)).is_err() {
                    return false;
                }
            }
            // Dropping the sender ends the stream after what it still holds.
            !job.status.is_terminal()
        });
        // Dropping a waiter's sender tells it, too.
        self.waiters.retain(|waiter| job.version <= waiter.version);
    }

    fn ring(&mut self) {
        for listener in &mut self.listeners {
            // Full: it has not looked since the last ring, and will see this, too.
            drop(listener.bell.try_send(()));
        }
    }

    /// Lets those go who have left by themselves.
    fn prune(&mut self) {
        self.listeners
            .retain(|listener| !listener.sender.is_closed());
        self.waiters.retain(|waiter| !waiter.sender.is_canceled());
    }
}
