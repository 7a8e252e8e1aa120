//! The jobs' watchers in memory: an alarm and a marker each, as the durable objects have.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::{FutureExt, StreamExt};

use super::memory::{lock, pause, take_one};
use crate::app::App;
use crate::http::RENDER;
use crate::id::{JobId, ProviderId, Secret};
use crate::job::{Progress, Told};
use crate::ports::{BlobBody, Clock, Listen, Listening, Watch, WatcherError, Watchers, ORPHAN_MS};
use crate::queue::listen::Hub;
use crate::time::UnixMillis;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    alarm: Option<UnixMillis>,
    sending: Option<u32>,
    sent: Option<(u32, ProviderId)>,
    secret: Option<Secret>,
    /// Handlers that died one after the other.
    deaths: u32,
    /// Calls that woke it: a step during which one came does not forget the job.
    wakes: u64,
}

/// The platform drops an alarm whose handler has failed so often (Cloudflare, Durable Objects,
/// Alarms).
const DEATHS_MAX: u32 = 6;

/// All watchers; a job without an entry has none.
pub struct MemoryWatchers {
    clock: Arc<dyn Clock>,
    states: Mutex<BTreeMap<JobId, State>>,
    hubs: Mutex<BTreeMap<JobId, Arc<Hub>>>,
    timers: Arc<Timers>,
    /// Whose watchers these are. Weak: the application holds them.
    app: OnceLock<Weak<App>>,
    deaf: AtomicBool,
    /// Watchers whose calls never end.
    stuck: Mutex<BTreeSet<JobId>>,
    forgetful: AtomicBool,
    /// Writes of watchers that will fail.
    faults: AtomicU64,
    calls: Mutex<Vec<&'static str>>,
    writes: Mutex<Vec<&'static str>>,
}

impl MemoryWatchers {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            timers: Arc::new(Timers {
                clock: clock.clone(),
                set: Mutex::default(),
            }),
            clock,
            states: Mutex::default(),
            hubs: Mutex::default(),
            app: OnceLock::new(),
            deaf: AtomicBool::new(false),
            stuck: Mutex::default(),
            forgetful: AtomicBool::new(false),
            faults: AtomicU64::default(),
            calls: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// Says whose watchers these are: they read its rows for those who listen.
    pub fn serve(&self, app: &Arc<App>) {
        drop(self.app.set(Arc::downgrade(app)));
    }

    /// Tells the job's listeners, as its watcher does after every call and every step.
    pub async fn publish(&self, id: JobId) {
        if let Ok((app, hub)) = self.hub(id) {
            hub.publish(&app, id).await;
        }
    }

    /// When the next timer of somebody who listens is over.
    pub fn next_timer(&self) -> Option<UnixMillis> {
        self.timers.next()
    }

    /// Lets every timer that is over go off.
    pub async fn run_timers(&self) {
        if self.timers.run() {
            pause().await;
        }
    }

    fn hub(&self, id: JobId) -> Result<(Arc<App>, Arc<Hub>), WatcherError> {
        let app = self.app.get().and_then(Weak::upgrade);
        let app = app.ok_or_else(|| WatcherError("nobody's watchers".into()))?;
        let mut hubs = lock(&self.hubs);
        let hub = hubs.entry(id).or_insert_with(|| Arc::new(Hub::new(RENDER)));
        Ok((app, Arc::clone(hub)))
    }

    /// While deaf, every call from outside is lost.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// From now on a call of this watcher never ends.
    pub fn hang(&self, id: JobId) {
        lock(&self.stuck).insert(id);
    }

    /// From now on no watcher notes which submit it began: a guard is broken.
    pub fn forget_submits(&self) {
        self.forgetful.store(true, Ordering::SeqCst);
    }

    /// The next writes of watchers fail, and nothing is written.
    pub fn fail_next(&self, count: u64) {
        self.faults.store(count, Ordering::SeqCst);
    }

    fn take_fault(&self) -> Result<(), WatcherError> {
        let failed = take_one(&self.faults, "told to fail");
        failed.map_err(|error| WatcherError(error.0))
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

    /// Takes the alarm off, as the platform does before it runs the handler. Answers how many wakes
    /// came until now.
    pub fn take_alarm(&self, id: JobId) -> u64 {
        let mut states = lock(&self.states);
        let state = states.entry(id).or_default();
        state.alarm = None;
        state.wakes
    }

    /// What the platform does with an alarm whose handler died: it rings again, two seconds later,
    /// unless the handler had set another one; not for the seventh time.
    pub fn lose_step(&self, id: JobId) {
        let mut states = lock(&self.states);
        let state = states.entry(id).or_default();
        state.deaths += 1;
        if state.deaths <= DEATHS_MAX {
            state.alarm.get_or_insert(self.clock.now().plus_ms(2_000));
        }
    }

    /// A handler came to its end: the platform counts from the beginning again.
    pub fn end_step(&self, id: JobId) {
        if let Some(state) = lock(&self.states).get_mut(&id) {
            state.deaths = 0;
        }
    }

    pub fn forget(&self, id: JobId) {
        lock(&self.states).remove(&id);
    }

    /// A step is over that had nothing left to do, and had heard so many wakes when it began.
    pub fn forget_unless_woken(&self, id: JobId, wakes: u64) {
        let is_woken = |state: &State| state.wakes != wakes;
        if !lock(&self.states).get(&id).is_some_and(is_woken) {
            self.forget(id);
        }
    }

    /// The platform may move an object at any moment: what it held in memory is lost, with whoever
    /// listened.
    pub fn evict(&self) {
        lock(&self.hubs).clear();
    }

    /// How many keep a secret.
    pub fn secrets(&self) -> usize {
        let states = lock(&self.states);
        states.values().filter(|s| s.secret.is_some()).count()
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
        if lock(&self.stuck).contains(&job) {
            std::future::pending::<()>().await;
        }
        lock(&self.states).entry(job).or_default().wakes += 1;
        self.arm(job, self.clock.now().plus_ms(1));
        pause().await;
        self.publish(job).await;
        Ok(())
    }

    async fn alarm_at(&self, job: JobId) -> Result<Option<UnixMillis>, WatcherError> {
        self.hear("alarm")?;
        let states = lock(&self.states);
        Ok(states.get(&job).and_then(|state| state.alarm))
    }

    /// Time stands still: without a change, it returns when a test moves the clock past its limit.
    async fn wait(&self, job: JobId, version: u64, limit_ms: u32) -> Result<(), WatcherError> {
        self.hear("wait")?;
        let (app, hub) = self.hub(job)?;
        let limit = self.timers.sleep(Duration::from_millis(limit_ms.into()));
        hub.wait(&app, job, version, limit).await;
        Ok(())
    }

    async fn events(&self, job: JobId, listen: Listen<'_>) -> Result<Listening, WatcherError> {
        self.hear("events")?;
        let (app, hub) = self.hub(job)?;
        let timers = Arc::clone(&self.timers);
        let sleep = move |time| timers.sleep(time);
        let stream = hub.events(&app, job, listen, sleep).await;
        Ok(match stream {
            Some(stream) => Listening::Stream(BlobBody::Stream(stream.boxed())),
            None => Listening::Full,
        })
    }

    async fn keep(&self, job: JobId, secret: &Secret) -> Result<(), WatcherError> {
        self.hear("keep")?;
        lock(&self.states).entry(job).or_default().secret = Some(secret.clone());
        lock(&self.writes).push("secret");
        self.arm(job, self.clock.now().plus_ms(ORPHAN_MS));
        pause().await;
        Ok(())
    }

    async fn tell(&self, job: JobId, told: &Told) -> Result<(), WatcherError> {
        self.hear("tell")?;
        let (app, hub) = self.hub(job)?;
        hub.hear(&app, job, told.clone()).await;
        Ok(())
    }

    async fn progress(&self, job: JobId, _limit_ms: u32) -> Result<Option<Progress>, WatcherError> {
        self.hear("progress")?;
        let (_, hub) = self.hub(job)?;
        Ok(hub.progress())
    }
}

/// Timers that go off when the clock has been moved past them.
struct Timers {
    clock: Arc<dyn Clock>,
    set: Mutex<Vec<(UnixMillis, oneshot::Sender<()>)>>,
}

impl Timers {
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        lock(&self.set).push((self.clock.now().plus_ms(ms), sender));
        receiver.map(drop)
    }

    fn next(&self) -> Option<UnixMillis> {
        let mut set = lock(&self.set);
        set.retain(|(_, sender)| !sender.is_canceled());
        set.iter().map(|(at, _)| *at).min()
    }

    /// Dropping a sender ends its timer. True if any did.
    fn run(&self) -> bool {
        let now = self.clock.now();
        let mut set = lock(&self.set);
        let before = set.len();
        set.retain(|(at, _)| *at > now);
        set.len() < before
    }
}

pub struct MemoryWatch {
    watchers: Arc<MemoryWatchers>,
    id: JobId,
}

impl MemoryWatch {
    async fn write(
        &self,
        what: &'static str,
        change: impl FnOnce(&mut State),
    ) -> Result<(), WatcherError> {
        self.watchers.take_fault()?;
        change(lock(&self.watchers.states).entry(self.id).or_default());
        lock(&self.watchers.writes).push(what);
        pause().await;
        Ok(())
    }
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn sending(&self) -> Result<Option<u32>, WatcherError> {
        let states = lock(&self.watchers.states);
        Ok(states.get(&self.id).and_then(|state| state.sending))
    }

    async fn set_sending(&self, attempt: Option<u32>) -> Result<(), WatcherError> {
        let attempt = attempt.filter(|_| !self.watchers.forgetful.load(Ordering::SeqCst));
        self.write("sending", |state| state.sending = attempt).await
    }

    async fn sent(&self) -> Result<Option<(u32, ProviderId)>, WatcherError> {
        let states = lock(&self.watchers.states);
        Ok(states.get(&self.id).and_then(|state| state.sent.clone()))
    }

    async fn keep_sent(&self, attempt: u32, id: &ProviderId) -> Result<(), WatcherError> {
        let sent = Some((attempt, id.clone()));
        self.write("sent", |state| state.sent = sent).await
    }

    async fn secret(&self) -> Result<Option<Secret>, WatcherError> {
        let states = lock(&self.watchers.states);
        Ok(states.get(&self.id).and_then(|state| state.secret.clone()))
    }

    fn tell(&self, told: Told) {
        if let Ok((app, hub)) = self.watchers.hub(self.id) {
            hub.tell(&app, told);
        }
    }

    fn take_early(&self) -> Vec<String> {
        let hub = self.watchers.hub(self.id);
        hub.map_or_else(|_| Vec::new(), |(_, hub)| hub.take_early())
    }

    async fn arm(&self, at: UnixMillis) -> Result<(), WatcherError> {
        self.watchers.take_fault()?;
        self.watchers.arm(self.id, at);
        pause().await;
        Ok(())
    }
}
