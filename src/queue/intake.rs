//! Intake: a file that arrives piece by piece, into the object store.
//!
//! What always holds: the first bytes say what the file is before anything is stored; no more of it
//! is in memory than these and one part of the object; size and hash are counted here, and the size
//! that the object store counts must be the same; an intake that fails leaves nothing.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use thiserror::Error;

use super::{best_effort, QueueError};
use crate::app::App;
use crate::media::{Flaw, Media, HEAD_BYTES};
use crate::ports::{BlobError, BlobLabel, BlobWriter, Broken, ByteStream, PART_BYTES};
use crate::room::{Room, Share};

/// A file on its way, and what is known of it beforehand.
pub struct Arriving {
    pub source: ByteStream,
    /// Where it is counted while it is in memory.
    pub room: Room,
    pub size_bytes_max: u64,
    /// As announced: fewer bytes are a file that broke off.
    pub size_bytes: Option<u64>,
}

/// Where a file goes, told by what it is.
pub struct Place {
    pub media: Media,
    pub key: String,
    pub label: BlobLabel,
}

/// A file that is in the object store, whole.
#[derive(Debug)]
pub struct Taken {
    pub media: Media,
    pub key: String,
    pub size_bytes: u64,
    /// blake3 in lower-case hex.
    pub hash: String,
}

/// Why a file is not taken: its sender's fault.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the bytes are of no kind that is known here")]
    UnknownKind,
    #[error(transparent)]
    Picture(#[from] Flaw),
}

/// Takes a file in. `place` decides by its first bytes, [`HEAD_BYTES`] or all there are. The inner
/// error is the sender's fault, the outer one ours.
pub async fn take(
    app: &App,
    arriving: Arriving,
    place: impl FnOnce(&[u8]) -> Result<Place, Unfit>,
) -> Result<Result<Taken, Unfit>, QueueError> {
    let expected = arriving.size_bytes.unwrap_or(u64::MAX);
    let head_bytes = usize::try_from(expected).map_or(HEAD_BYTES, |n| n.min(HEAD_BYTES));
    let mut share = arriving.room.take(head_bytes).ok_or(QueueError::NoRoom)?;
    let mut source = Source::new(arriving);
    let (head, rest) = match source.head(head_bytes).await {
        Ok(parts) => parts,
        Err(broken) => return Ok(Err(broken.into())),
    };
    let mut place = match place(&head) {
        Ok(place) => place,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let stored = match rest {
        None => {
            place.label.hash = Some(source.hash());
            Ok(app.blobs.put(&place.key, head, &place.label).await)
        }
        Some(rest) => write(app, &place, &mut share, [head, rest], &mut source).await,
    };
    let stored = match stored {
        Ok(stored) => source.agrees_with(stored),
        Err(Failed::Theirs(broken)) => return Ok(Err(broken.into())),
        Err(Failed::Ours(error)) => Err(error),
    };
    if let Err(error) = stored {
        // It may be there all the same, or be another than it should.
        best_effort::discard(app, vec![place.key]).await;
        return Err(error);
    }
    Ok(Ok(Taken {
        media: place.media,
        key: place.key,
        size_bytes: source.size_bytes,
        hash: source.hash(),
    }))
}

/// Why nothing was stored.
enum Failed {
    Theirs(Broken),
    Ours(QueueError),
}

impl From<BlobError> for Failed {
    fn from(error: BlobError) -> Self {
        Self::Ours(error.into())
    }
}

async fn write(
    app: &App,
    place: &Place,
    share: &mut Share,
    begun: [Bytes; 2],
    source: &mut Source,
) -> Result<Result<u64, BlobError>, Failed> {
    if !share.grow(PART_BYTES) {
        return Err(Failed::Ours(QueueError::NoRoom));
    }
    let mut writer = app.blobs.begin(&place.key, &place.label).await?;
    match pour(&mut *writer, begun, source).await {
        Ok(()) => Ok(writer.finish().await),
        Err(failed) => {
            writer.abort().await;
            Err(failed)
        }
    }
}

async fn pour(
    writer: &mut dyn BlobWriter,
    begun: [Bytes; 2],
    source: &mut Source,
) -> Result<(), Failed> {
    for piece in begun {
        writer.write(piece).await?;
    }
    while let Some(piece) = source.next().await.map_err(Failed::Theirs)? {
        writer.write(piece).await?;
    }
    Ok(())
}

/// The bytes as they come, counted and hashed.
struct Source {
    arriving: Arriving,
    size_bytes: u64,
    hasher: blake3::Hasher,
}

impl Source {
    fn new(arriving: Arriving) -> Self {
        Self {
            arriving,
            size_bytes: 0,
            hasher: blake3::Hasher::new(),
        }
    }

    /// The next bytes, of which there are some; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(piece) = self.arriving.source.next().await {
            let piece = piece?;
            self.size_bytes += piece.len() as u64;
            if self.size_bytes > self.arriving.size_bytes_max {
                return Err(Broken::TooLarge(self.arriving.size_bytes_max));
            }
            self.hasher.update(&piece);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        match self.arriving.size_bytes {
            Some(announced) if announced > self.size_bytes => {
                let came = self.size_bytes;
                Err(Broken::Cut(format!("{came} bytes of {announced} came")))
            }
            _ => Ok(None),
        }
    }

    /// The first `most` bytes, and what came with them; no rest: that was all.
    async fn head(&mut self, most: usize) -> Result<(Bytes, Option<Bytes>), Broken> {
        let mut head = BytesMut::with_capacity(most);
        while let Some(mut piece) = self.next().await? {
            let missing = most - head.len();
            if missing == 0 {
                return Ok((head.freeze(), Some(piece)));
            }
            head.extend_from_slice(&piece.split_to(missing.min(piece.len())));
            if !piece.is_empty() {
                return Ok((head.freeze(), Some(piece)));
            }
        }
        Ok((head.freeze(), None))
    }

    /// Of what has come so far.
    fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn agrees_with(&self, stored: Result<u64, BlobError>) -> Result<(), QueueError> {
        let (stored, came) = (stored?, self.size_bytes);
        if stored == came {
            return Ok(());
        }
        let message = format!("{stored} bytes are stored of {came}");
        Err(BlobError(message).into())
    }
}
