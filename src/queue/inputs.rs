//! Inputs: files that callers upload before they use them.

use thiserror::Error;

use super::intake::{self, Arriving, Place, Taken, Unfit};
use super::{best_effort, Call, QueueError};
use crate::app::App;
use crate::log;
use crate::media::{self, Media};
use crate::ports::{BlobLabel, ByteStream};
use crate::store::assets::{self, Asset};
use crate::workflow::violation::Violation;

/// One file. Cloudflare takes bodies of 100 MB (Workers, Limits, by plan of the zone), the frame
/// of a form included.
pub const UPLOAD_BYTES_MAX: u64 = 95 << 20;

/// Uploads of one browser's session: several for each job that it may have at a time. Anybody gets
/// a session, and what it stores is paid for by the owner.
pub const SESSION_UPLOADS_MAX: u32 = 50;

/// A file on its way in.
pub struct Incoming {
    pub source: ByteStream,
    /// As announced.
    pub size_bytes: Option<u64>,
    /// What bytes are taken for that nobody recognises; `None`: they are refused.
    pub unknown: Option<Media>,
    /// Asked when the bytes are there: a form may say it after them.
    pub said: Box<dyn FnOnce() -> Result<Said, Refusal> + Send>,
}

/// What a file's sender says of it.
#[derive(Debug, Default)]
pub struct Said {
    pub name: Option<String>,
    /// blake3 in lower-case hex.
    pub hash: Option<String>,
}

/// Why a file is not kept: its sender's fault.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("the bytes received have the hash blake3:{0}")]
    OtherHash(String),
    #[error("this session has uploaded {0} files, which is all that it may")]
    TooMany(u32),
    #[error("the file is not described as it must be")]
    Described(Vec<Violation>),
}

/// Stores a file under a random key while it arrives, then its pointer by content. The same bytes
/// twice are one asset with the newest name: the second copy is deleted. The flag: these bytes are
/// new here.
pub async fn upload(
    app: &App,
    call: &Call,
    incoming: Incoming,
) -> Result<Result<(Asset, bool), Refusal>, QueueError> {
    if call.rights.public_only {
        let most = SESSION_UPLOADS_MAX;
        if assets::count(&*app.db, &call.caller, most).await? >= most {
            return Ok(Err(Refusal::TooMany(most)));
        }
    }
    let arriving = Arriving {
        source: incoming.source,
        room: call.rights.room(&app.room),
        size_bytes_max: UPLOAD_BYTES_MAX,
        size_bytes: incoming.size_bytes,
    };
    let place = |head: &[u8]| place(app, head, incoming.unknown);
    let taken = match intake::take(app, arriving, place).await? {
        Ok(taken) => taken,
        Err(unfit) => return Ok(Err(unfit.into())),
    };
    let name = match agreed(&taken, (incoming.said)()) {
        Ok(name) => name,
        Err(refusal) => {
            best_effort::discard(app, vec![taken.key]).await;
            return Ok(Err(refusal));
        }
    };
    keep(app, call, taken, name).await.map(Ok)
}

fn place(app: &App, head: &[u8], unknown: Option<Media>) -> Result<Place, Unfit> {
    let unknown = unknown.filter(|_| !head.is_empty());
    let media = media::sniff(head).or(unknown).ok_or(Unfit::UnknownKind)?;
    if let Some(flaw) = media.flaw() {
        return Err(flaw.into());
    }
    Ok(Place {
        key: format!("assets/{}", app.mint_job_id()),
        label: BlobLabel {
            content_type: media.content_type.to_owned(),
            name: format!("input.{}", media.extension),
            hash: None,
        },
        media,
    })
}

/// The name that the sender gives it, if these are the bytes it speaks of.
fn agreed(taken: &Taken, said: Result<Said, Refusal>) -> Result<Option<String>, Refusal> {
    let said = said?;
    match said.hash {
        Some(hash) if hash != taken.hash => Err(Refusal::OtherHash(taken.hash.clone())),
        _ => Ok(said.name),
    }
}

async fn keep(
    app: &App,
    call: &Call,
    taken: Taken,
    name: Option<String>,
) -> Result<(Asset, bool), QueueError> {
    let asset = Asset {
        hash: taken.hash,
        key: taken.key,
        content_type: taken.media.content_type.to_owned(),
        kind: taken.media.kind,
        size_bytes: taken.size_bytes,
        width: taken.media.width,
        height: taken.media.height,
        name,
        created_at: app.now(),
    };
    let standing = assets::put(&*app.db, &call.caller, &asset).await?;
    let is_new = standing.key == asset.key;
    if !is_new {
        best_effort::discard(app, vec![asset.key]).await;
    }
    app.log(
        log::info("input.stored")
            .with("request_id", call.request_id.as_str())
            .with("caller", call.caller.as_str())
            .with("kind", standing.kind.as_str())
            .with("size_bytes", standing.size_bytes),
    );
    Ok((standing, is_new))
}
