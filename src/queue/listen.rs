//! Listen: who hears of one job's changes, held requests and event streams, in the memory of its
//! watcher.
//!
//! A change is news only if the row's version has passed what a listener has seen, so telling twice
//! does no harm, and reads that overtake each other take nothing back. Whoever cannot be told, too
//! slow or the row unreadable, is let go: a stream resumes by its last event's id, a held request
//! answers from the row.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::future::{select, Either};
use futures::{stream, Stream, StreamExt};

use crate::app::App;
use crate::id::JobId;
use crate::store::jobs::{self, Full};

/// Events a slow stream may lag behind.
pub const LAG_MAX: usize = 64;
/// Also how long a closed connection stays unnoticed.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Shows a job as one event of its stream. Callers' shapes are no business of the queue.
pub type Render = fn(&App, &Full) -> String;

struct Listener {
    key: u64,
    /// The newest version it has seen.
    version: u64,
    sender: mpsc::Sender<Bytes>,
}

/// A listener's own word for what it has seen.
struct Claim {
    key: u64,
    seen: u64,
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
}

impl Hub {
    pub fn new(render: Render) -> Self {
        Self {
            render,
            audience: Mutex::default(),
        }
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

    /// A stream of events after `last`; without it, the job as it stands comes first. `sleep` is
    /// the timer of its heartbeats.
    pub async fn events<S, F>(
        &self,
        app: &App,
        id: JobId,
        last: Option<&str>,
        sleep: S,
    ) -> impl Stream<Item = Bytes> + use<S, F>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        let seen = last.and_then(|last| last.split('.').next()?.parse().ok());
        let seen: u64 = seen.unwrap_or(0);
        let (sender, receiver) = mpsc::channel(LAG_MAX);
        let key = self.lock().enter(seen, sender);
        // Registered first, as above.
        self.read_and_tell(app, id, Some(Claim { key, seen })).await;
        let first = stream::iter([Bytes::from_static(b"retry: 2000\n\n")]);
        first.chain(with_heartbeats(receiver, sleep))
    }

    async fn read_and_tell(&self, app: &App, id: JobId, claim: Option<Claim>) {
        if self.lock().is_empty() {
            return;
        }
        let read = jobs::full(&*app.db, id).await;
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
        let frame = Bytes::from((self.render)(app, &full));
        audience.tell(&full, &frame);
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

    fn enter(&mut self, version: u64, sender: mpsc::Sender<Bytes>) -> u64 {
        self.keys += 1;
        let key = self.keys;
        self.listeners.push(Listener {
            key,
            version,
            sender,
        });
        key
    }

    /// A read made after the listener came is not older than what it has seen. One that claims more
    /// has an id that was never ours; believed, it would hear nothing.
    fn doubt(&mut self, claim: &Claim, version: u64) {
        if claim.seen <= version {
            return;
        }
        let mut listeners = self.listeners.iter_mut();
        if let Some(listener) = listeners.find(|listener| listener.key == claim.key) {
            listener.version = 0;
        }
    }

    fn tell(&mut self, full: &Full, frame: &Bytes) {
        let job = &full.record.job;
        self.prune();
        self.listeners.retain_mut(|listener| {
            if listener.version > job.version {
                // An old read, overtaken by a newer one: also its ending may be over, by a retry.
                return true;
            }
            if listener.version < job.version {
                listener.version = job.version;
                if listener.sender.try_send(frame.clone()).is_err() {
                    return false;
                }
            }
            // Dropping the sender ends the stream after what it still holds.
            !job.status.is_terminal()
        });
        // Dropping a waiter's sender tells it, too.
        self.waiters.retain(|waiter| job.version <= waiter.version);
    }

    /// Lets those go who have left by themselves.
    fn prune(&mut self) {
        self.listeners
            .retain(|listener| !listener.sender.is_closed());
        self.waiters.retain(|waiter| !waiter.sender.is_canceled());
    }
}

fn with_heartbeats<S, F>(
    receiver: mpsc::Receiver<Bytes>,
    sleep: S,
) -> impl Stream<Item = Bytes> + use<S, F>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    stream::unfold((receiver, sleep), |(mut receiver, sleep)| async move {
        let next = match select(receiver.next(), pin!(sleep(HEARTBEAT))).await {
            Either::Left((Some(frame), _)) => frame,
            Either::Left((None, _)) => return None,
            Either::Right(_) => Bytes::from_static(b": still here\n\n"),
        };
        Some((next, (receiver, sleep)))
    })
}
