//! The jobs' watchers in memory: an alarm and a marker each, as the durable objects have.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::memory::{lock, pause};
use crate::id::JobId;
use crate::ports::{BlobBody, Clock, Watch, WatcherError, Watchers};
use crate::time::UnixMillis;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    alarm: Option<UnixMillis>,
    sending: Option<u32>,
}

/// All watchers; a job without an entry has none.
pub struct MemoryWatchers {
    clock: Arc<dyn Clock>,
    states: Mutex<BTreeMap<JobId, State>>,
    deaf: AtomicBool,
    calls: Mutex<Vec<&'static str>>,
    writes: Mutex<Vec<&'static str>>,
}

impl MemoryWatchers {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            states: Mutex::default(),
            deaf: AtomicBool::new(false),
            calls: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// While deaf, every call from outside is lost.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Calls from outside since this was last asked: each is a request to a durable object.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut lock(&self.calls))
    }

    /// Rows written in the objects since this was last asked.
    pub fn take_writes(&self) -> Vec<&'static str> {
        std::mem::take(&mut lock(&self.writes))
    }

    pub fn next_alarm(&self) -> Option<(UnixMillis, JobId)> {
        let states = lock(&self.states);
        let set = states
            .iter()
            .filter_map(|(id, state)| Some((state.alarm?, *id)));
        set.min()
    }

    /// Takes the alarm off, as the platform does before it runs the handler.
    pub fn take_alarm(&self, id: JobId) {
        lock(&self.states).entry(id).or_default().alarm = None;
    }

    /// What the platform does with an alarm whose handler died: it rings again, two seconds later,
    /// unless the handler had set another one.
    pub fn lose_step(&self, id: JobId) {
        let mut states = lock(&self.states);
        let state = states.entry(id).or_default();
        state.alarm.get_or_insert(self.clock.now().plus_ms(2_000));
    }

    pub fn forget(&self, id: JobId) {
        lock(&self.states).remove(&id);
    }

    pub fn is_forgotten(&self, id: JobId) -> bool {
        !lock(&self.states).contains_key(&id)
    }

    /// The watcher of one job, from inside.
    pub fn watch(self: &Arc<Self>, id: JobId) -> MemoryWatch {
        MemoryWatch {
            watchers: Arc::clone(self),
            id,
        }
    }

    fn arm(&self, id: JobId, at: UnixMillis) {
        let mut states = lock(&self.states);
        let state = states.entry(id).or_default();
        if state.alarm.is_none_or(|set| at < set) {
            state.alarm = Some(at);
            lock(&self.writes).push("alarm");
        }
    }

    fn hear(&self, call: &'static str) -> Result<(), WatcherError> {
        lock(&self.calls).push(call);
        if self.deaf.load(Ordering::SeqCst) {
            return Err(WatcherError("told to be deaf".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Watchers for MemoryWatchers {
    async fn wake(&self, job: JobId) -> Result<(), WatcherError> {
        self.hear("wake")?;
        self.arm(job, self.clock.now().plus_ms(1));
        pause().await;
        Ok(())
    }

    /// Nobody waits here: time stands still until the test moves it.
    async fn wait(&self, _: JobId, _: u64, _: u32) -> Result<(), WatcherError> {
        self.hear("wait")
    }

    async fn events(&self, _: JobId, _: Option<&str>) -> Result<BlobBody, WatcherError> {
        Err(WatcherError("no live events in memory".into()))
    }
}

pub struct MemoryWatch {
    watchers: Arc<MemoryWatchers>,
    id: JobId,
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn sending(&self) -> Result<Option<u32>, WatcherError> {
        let states = lock(&self.watchers.states);
        Ok(states.get(&self.id).and_then(|state| state.sending))
    }

    async fn set_sending(&self, attempt: Option<u32>) -> Result<(), WatcherError> {
        lock(&self.watchers.states)
            .entry(self.id)
            .or_default()
            .sending = attempt;
        lock(&self.watchers.writes).push("sending");
        pause().await;
        Ok(())
    }

    async fn arm(&self, at: UnixMillis) -> Result<(), WatcherError> {
        self.watchers.arm(self.id, at);
        pause().await;
        Ok(())
    }
}
