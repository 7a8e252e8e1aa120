//! Patience: a body that comes too slowly is given up. Whoever is waited for holds memory that
//! others could use, so in every window so many bytes must come.

use std::sync::Arc;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{poll_immediate, select, Either};
use futures::{stream, StreamExt};

use crate::ports::{Broken, ByteStream, Tasks};

const WINDOW_MS: u64 = 30_000;
/// Somewhat more than a quarter of a megabit a second.
const WINDOW_BYTES_MIN: usize = 1 << 20;

/// The same bytes, which end as [`Broken::TooSlow`] when too few of them come while we wait.
pub fn patient(tasks: &Arc<dyn Tasks>, source: ByteStream) -> ByteStream {
    let watched = Watched {
        source,
        tasks: Arc::clone(tasks),
        window: None,
        came_bytes: 0,
    };
    stream::unfold(watched, |mut watched| async {
        let next = watched.next().await?;
        Some((next, watched))
    })
    .boxed()
}

struct Watched {
    source: ByteStream,
    tasks: Arc<dyn Tasks>,
    /// Ends with the window; there is none before the first wait.
    window: Option<oneshot::Receiver<()>>,
    came_bytes: usize,
}

impl Watched {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        // What is there already is not late, however long we were busy elsewhere.
        if let Some(next) = poll_immediate(self.source.next()).await {
            return self.count(next);
        }
        loop {
            let tasks = &self.tasks;
            let window = self.window.get_or_insert_with(|| begin_window(&**tasks));
            match select(self.source.next(), window).await {
                Either::Left((next, _)) => return self.count(next),
                Either::Right(_) if self.came_bytes < WINDOW_BYTES_MIN => {
                    return Some(Err(Broken::TooSlow));
                }
                Either::Right(_) => {
                    self.came_bytes = 0;
                    self.window = None;
                }
            }
        }
    }

    fn count(&mut self, next: Option<Result<Bytes, Broken>>) -> Option<Result<Bytes, Broken>> {
        if let Some(Ok(piece)) = &next {
            self.came_bytes += piece.len();
        }
        next
    }
}

fn begin_window(tasks: &dyn Tasks) -> oneshot::Receiver<()> {
    let (end, window) = oneshot::channel();
    let task = async {
        // Nobody listens any more when the file has arrived.
        let _ = end.send(());
    };
    tasks.after(WINDOW_MS, Box::pin(task));
    window
}
