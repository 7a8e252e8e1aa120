//! Who listens to one job: held requests and event streams, in the memory of its watcher.
//!
//! A change is news only if the row's version has passed what a listener has seen, so telling twice
//! does no harm. A stream that cannot keep up is dropped; it resumes by its last event's id.

use std::cell::RefCell;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{select, Either};
use futures::{stream, StreamExt};
use worker::{ok, Delay, Response, Result};

use crate::app::App;
use crate::http::event_of;
use crate::id::JobId;
use crate::store::jobs::{self, Full};

/// Events a slow stream may lag behind.
const LAG_MAX: usize = 64;
/// Also how long a closed connection stays unnoticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct Listener {
    /// The newest version it was sent.
    version: u64,
    sender: mpsc::Sender<Vec<u8>>,
}

struct Waiter {
    version: u64,
    sender: oneshot::Sender<()>,
}

#[derive(Default)]
pub struct Hub {
    listeners: RefCell<Vec<Listener>>,
    waiters: RefCell<Vec<Waiter>>,
}

impl Hub {
    /// Tells everybody who listens, if anybody does. Reads the row: what is told is the truth.
    pub async fn publish(&self, app: &App, id: JobId) {
        if self.listeners.borrow().is_empty() && self.waiters.borrow().is_empty() {
            return;
        }
        let Ok(Some(full)) = jobs::full(&*app.db, id).await else {
            return;
        };
        self.tell(app, &full);
    }

    fn tell(&self, app: &App, full: &Full) {
        let state = &full.record.job;
        let frame = event_of(app, full).into_bytes();
        self.listeners.borrow_mut().retain_mut(|listener| {
            if state.version > listener.version {
                listener.version = state.version;
                if listener.sender.try_send(frame.clone()).is_err() {
                    return false;
                }
            }
            // Dropping the sender ends the stream after what it still holds.
            !state.status.is_terminal()
        });
        let mut waiters = self.waiters.borrow_mut();
        for waiter in std::mem::take(&mut *waiters) {
            if state.version > waiter.version {
                let _ = waiter.sender.send(());
            } else {
                waiters.push(waiter);
            }
        }
    }

    /// Returns when the job has passed `version`, or after `limit`.
    pub async fn wait(&self, app: &App, id: JobId, version: u64, limit: Duration) {
        let (sender, receiver) = oneshot::channel();
        self.waiters.borrow_mut().push(Waiter { version, sender });
        // Registered first: what changed before is seen by this read, what changes later is told.
        self.publish(app, id).await;
        select(receiver, Delay::from(limit)).await;
        self.waiters
            .borrow_mut()
            .retain(|waiter| !waiter.sender.is_canceled());
    }

    /// A stream of events after `last`; without it, the job as it stands comes first.
    pub async fn subscribe(&self, app: &App, id: JobId, last: Option<&str>) -> Result<Response> {
        let seen = last.and_then(|last| last.split('.').next()?.parse().ok());
        let (sender, receiver) = mpsc::channel(LAG_MAX);
        self.listeners.borrow_mut().push(Listener {
            version: seen.unwrap_or(0),
            sender,
        });
        self.publish(app, id).await;
        let beats = stream::unfold(receiver, |mut receiver| async move {
            let next = match select(receiver.next(), Delay::from(HEARTBEAT)).await {
                Either::Left((Some(frame), _)) => frame,
                Either::Left((None, _)) => return None,
                Either::Right(_) => b": still here\n\n".to_vec(),
            };
            Some((next, receiver))
        });
        let first = stream::iter([b"retry: 2000\n\n".to_vec()]);
        Response::from_stream(first.chain(beats).map(ok::Ok::<Vec<u8>>))
    }
}
