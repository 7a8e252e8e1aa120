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

use super::frames::{frame, Seen};
use super::HEARTBEAT;
use crate::job::{Job, Preview, Progress, Told};
use crate::time::UnixMillis;

/// Between two snapshots on one stream: two a second, as the Comfy API promises.
pub const SNAPSHOT_PAUSE: Duration = Duration::from_millis(500);

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
}

impl Stage {
    /// The row has spoken: what is told of attempts that are not live is late from now on.
    pub fn set(&self, job: &Job) {
        let mut scene = self.lock();
        let live = job.live.as_ref().map_or(job.attempts_begun, |live| live.n);
        scene.begin(live);
        scene.is_over = job.live.is_none() || job.status.is_terminal();
        if scene.is_over {
            scene.progress = None;
            scene.preview = None;
        }
    }

    /// True if there is something new to show.
    pub fn take(&self, told: Told, now: UnixMillis) -> bool {
        let mut scene = self.lock();
        if told.attempt < scene.attempt || (told.attempt == scene.attempt && scene.is_over) {
            return false;
        }
        scene.begin(told.attempt);
        let moment = u64::try_from(now.get()).unwrap_or(0).max(scene.moment + 1);
        let progress = told.progress.and_then(|new| scene.later(new));
        let is_new = progress.is_some() || told.preview.is_some();
        if let Some(progress) = progress {
            scene.progress = Some((moment, progress));
            scene.moment = moment;
        }
        if let Some(preview) = told.preview {
            // A moment of its own: whoever is cut off between the two has seen one of them.
            scene.preview = Some((moment + 1, preview));
            scene.moment = moment + 1;
        }
        is_new
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
            self.progress = None;
            self.preview = None;
        }
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
    seen: Seen,
}

impl Latest {
    pub const fn new(stage: Arc<Stage>, seen: Seen) -> Self {
        Self { stage, seen }
    }

    /// What this listener has not been shown yet.
    fn snapshot(&mut self) -> Option<Bytes> {
        let scene = self.stage.lock();
        let after = self.seen.moment;
        let mut frames = String::new();
        let mut show = |moment, event, data: serde_json::Result<String>| {
            let Ok(data) = data else { return };
            let id = Seen {
                moment,
                ..self.seen
            };
            frames.push_str(&frame(id, event, &data));
        };
        let progress = scene.progress.as_ref().filter(|(at, _)| *at > after);
        let preview = scene.preview.as_ref().filter(|(at, _)| *at > after);
        // In the order of their moments, so that each id says that what came before was seen.
        let late = preview.zip(progress).is_some_and(|(p, q)| p.0 < q.0);
        if let Some((at, preview)) = preview.filter(|_| late) {
            show(*at, "preview", serde_json::to_string(preview));
        }
        if let Some((at, progress)) = progress {
            show(*at, "progress", serde_json::to_string(progress));
        }
        if let Some((at, preview)) = preview.filter(|_| !late) {
            show(*at, "preview", serde_json::to_string(preview));
        }
        let newest = [progress.map(|p| p.0), preview.map(|p| p.0)];
        self.seen.moment = newest.into_iter().flatten().max().unwrap_or(after);
        (!frames.is_empty()).then(|| frames.into())
    }
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
