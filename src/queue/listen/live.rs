//! Snapshots: how far the work is and how it looks, of which only the newest counts.
//!
//! A listener is shown what is newest when it looks, at most twice a second, so a slow one holds
//! up nobody and costs no memory. Nothing here may touch the job: a late snapshot is dropped.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc::Receiver;
use futures::future::{select, Either};
use futures::{stream as streams, Stream, StreamExt};
use serde::Serialize;

use super::frames::{frame, Seen};
use super::HEARTBEAT;
use crate::job::{Early, Job, Preview, Progress, Told};
use crate::ports::Surface;
use crate::time::UnixMillis;

/// Between two snapshots on one stream: two a second, as the Comfy API promises.
pub const SNAPSHOT_PAUSE: Duration = Duration::from_millis(500);

/// Files of one attempt that are shown before its end.
const EARLY_MAX: usize = 32;

/// What is known of the live attempt.
#[derive(Default)]
pub struct Stage(Mutex<Scene>);

#[derive(Default)]
struct Scene {
    /// The newest attempt heard of.
    attempt: u32,
    /// The job has ended, or this attempt of it.
    is_over: bool,
    /// Of the newest snapshot. Never goes back, also when this object's memory was lost.
    moment: u64,
    progress: Option<(u64, Progress)>,
    preview: Option<(u64, Preview)>,
    /// In the order of their moments.
    early: Vec<(u64, Early)>,
    /// Of attempts that are over.
    left: Vec<String>,
}

impl Stage {
    /// The row has spoken: what is told of attempts that are not live is late from now on.
    pub fn set(&self, job: &Job) {
        let mut scene = self.lock();
        let live = job.live.as_ref().map_or(job.attempts_begun, |live| live.n);
        if live < scene.attempt {
            // A read that was overtaken.
            return;
        }
        scene.begin(live);
        scene.is_over = job.live.is_none() || job.status.is_terminal();
        if scene.is_over {
            scene.clear();
        }
    }

    /// True if there is something new to show.
    pub fn take(&self, told: Told, now: UnixMillis) -> bool {
        let mut scene = self.lock();
        if told.attempt < scene.attempt || (told.attempt == scene.attempt && scene.is_over) {
            scene.left.extend(told.early.map(|early| early.key));
            return false;
        }
        scene.begin(told.attempt);
        let moment = u64::try_from(now.get()).unwrap_or(0).max(scene.moment + 1);
        let progress = told.progress.and_then(|new| scene.later(new));
        let early = told.early.filter(|early| scene.keeps(early));
        let is_new = progress.is_some() || told.preview.is_some() || early.is_some();
        if let Some(progress) = progress {
            scene.progress = Some((moment, progress));
            scene.moment = moment;
        }
        if let Some(preview) = told.preview {
            // A moment of its own: whoever is cut off between the two has seen one of them.
            scene.preview = Some((moment + 1, preview));
            scene.moment = moment + 1;
        }
        if let Some(early) = early {
            scene.moment = moment.max(scene.moment + 1);
            let at = scene.moment;
            scene.early.push((at, early));
        }
        is_new
    }

    pub fn take_early(&self) -> Vec<String> {
        let mut scene = self.lock();
        scene.clear();
        std::mem::take(&mut scene.left)
    }

    pub fn progress(&self) -> Option<Progress> {
        let scene = self.lock();
        scene
            .progress
            .as_ref()
            .map(|(_, progress)| progress.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scene {
    fn begin(&mut self, attempt: u32) {
        if attempt > self.attempt {
            self.attempt = attempt;
            self.is_over = false;
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.progress = None;
        self.preview = None;
        let early = self.early.drain(..).map(|(_, early)| early.key);
        self.left.extend(early);
    }

    /// Whether a file is to be shown; one too many goes at the end, like the others.
    fn keeps(&mut self, early: &Early) -> bool {
        let is_known = |(_, known): &(u64, Early)| known.key == early.key;
        if self.early.iter().any(is_known) {
            return false;
        }
        let has_room = self.early.len() < EARLY_MAX;
        if !has_room {
            self.left.push(early.key.clone());
        }
        has_room
    }

    /// What to show after `new`; `None`: it is late. A bare share keeps the nodes told before.
    fn later(&self, new: Progress) -> Option<Progress> {
        let Some((_, old)) = &self.progress else {
            return Some(new);
        };
        if new.value < old.value || new == *old {
            return None;
        }
        if new.nodes_total == 0 && old.nodes_total > 0 {
            return (new.value > old.value).then(|| Progress {
                value: new.value,
                ..old.clone()
            });
        }
        Some(new)
    }
}

/// One listener's view of the stage.
pub struct Latest {
    stage: Arc<Stage>,
    surface: Surface,
    seen: Seen,
}

impl Latest {
    pub const fn new(stage: Arc<Stage>, surface: Surface, seen: Seen) -> Self {
        Self {
            stage,
            surface,
            seen,
        }
    }

    /// What this listener has not been shown yet, in the order of the moments, so that each id says
    /// that what came before it was seen.
    fn snapshot(&mut self) -> Option<Bytes> {
        let scene = self.stage.lock();
        let mut news: Vec<(u64, &str, String)> = Vec::new();
        if let Some((at, progress)) = &scene.progress {
            news.push((*at, "progress", text(progress)));
        }
        if let Some((at, preview)) = &scene.preview {
            news.push((*at, "preview", text(preview)));
        }
        // A client of the Comfy API would take such a file for one more.
        if self.surface == Surface::Queue {
            let early = scene.early.iter();
            news.extend(early.map(|(at, early)| (*at, "output", early.shown.clone())));
        }
        news.retain(|(at, ..)| *at > self.seen.moment);
        news.sort_by_key(|(at, ..)| *at);
        let mut frames = String::new();
        for (moment, event, data) in news {
            self.seen.moment = moment;
            frames.push_str(&frame(self.seen, event, &data));
        }
        (!frames.is_empty()).then(|| frames.into())
    }
}

/// Our own snapshots always serialize: they hold no maps.
fn text<T: Serialize>(snapshot: &T) -> String {
    serde_json::to_string(snapshot).unwrap_or_else(|_| "{}".into())
}

struct Watching<S, F> {
    latest: Latest,
    frames: Receiver<(Bytes, Seen)>,
    rings: Receiver<()>,
    sleep: S,
    /// After a snapshot, until the next one may be shown.
    pause: Option<Pin<Box<F>>>,
    looks: bool,
}

/// What a listener receives: changes as they come, snapshots in between, a sign of life else.
pub fn stream<S, F>(
    latest: Latest,
    frames: Receiver<(Bytes, Seen)>,
    rings: Receiver<()>,
    sleep: S,
) -> impl Stream<Item = Bytes> + use<S, F>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let watching = Watching {
        latest,
        frames,
        rings,
        sleep,
        pause: None,
        looks: true,
    };
    streams::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((next, watching))
    })
}

enum Heard {
    Frames(Option<(Bytes, Seen)>),
    Ring,
    Time,
}

impl<S, F> Watching<S, F>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // What has been told of the row goes first: it may be the end.
            if let Ok(told) = self.frames.try_recv() {
                return Some(self.changed(told));
            }
            if self.looks && self.pause.is_none() {
                self.looks = false;
                if let Some(snapshot) = self.latest.snapshot() {
                    self.pause = Some(Box::pin((self.sleep)(SNAPSHOT_PAUSE)));
                    return Some(snapshot);
                }
            }
            match self.hear().await {
                Heard::Frames(None) => return None,
                Heard::Frames(Some(told)) => return Some(self.changed(told)),
                Heard::Ring => self.looks = true,
                Heard::Time if self.pause.take().is_some() => {}
                Heard::Time => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }

    fn changed(&mut self, (frames, seen): (Bytes, Seen)) -> Bytes {
        self.latest.seen = Seen {
            moment: self.latest.seen.moment,
            ..seen
        };
        self.looks = true;
        frames
    }

    async fn hear(&mut self) -> Heard {
        let frames = self.frames.next();
        // The bell is gone together with the frames, whose end counts.
        let ring = async {
            if self.rings.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let ring = pin!(ring);
        let frames_or_ring = select(frames, ring);
        let heard = match &mut self.pause {
            Some(pause) => first(frames_or_ring, pause.as_mut()).await,
            None => first(frames_or_ring, pin!((self.sleep)(HEARTBEAT))).await,
        };
        match heard {
            None => Heard::Time,
            Some(Either::Left((frames, _))) => Heard::Frames(frames),
            Some(Either::Right(_)) => Heard::Ring,
        }
    }
}

/// `None`: the time was over before.
async fn first<T: Future + Unpin>(
    work: T,
    time: Pin<&mut impl Future<Output = ()>>,
) -> Option<T::Output> {
    match select(work, time).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
