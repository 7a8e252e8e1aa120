//! Inputs: files that callers upload before they use them.

use thiserror::Error;

use super::intake::{self, Arriving, Place, Taken, Unfit};
use super::{best_effort, Call, QueueError};
use crate::app::App;
use crate::log;
use crate::media::{self, Kind, Media};
use crate::ports::{BlobLabel, Broken, ByteStream};
use crate::store::assets::{self, Asset};
use crate::store::spending::{self, Beside, Charged};
use crate::time::UnixMillis;
use crate::workflow::violation::Violation;

/// One file. Cloudflare takes bodies of 100 MB (Workers, Limits, by plan of the zone), the frame
/// of a form included.
pub const UPLOAD_BYTES_MAX: u64 = 95 << 20;

/// Uploads of one browser's session: several for each job that it may have at a time. Anybody gets
/// a session, and what it stores is paid for by the owner.
pub const SESSION_UPLOADS_MAX: u32 = 50;
/// One file of a stranger: nothing that a job is sent with may be larger.
pub const STRANGER_UPLOAD_BYTES_MAX: u64 = 10 << 20;
/// Uploads that a share of the strangers' day has for each of its jobs.
const STRANGER_UPLOADS_PER_JOB: u32 = 4;
/// Uploads that a key has for each job of its day: more than most jobs take, and each stays for
/// months in a store that somebody pays for.
const KEY_UPLOADS_PER_JOB: u32 = 16;

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
    #[error("the uploads of this day are used up; the next day begins at 00:00 UTC")]
    Spent(UnixMillis),
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
    let is_stranger = call.rights.is_stranger();
    let size_bytes_max = if is_stranger {
        STRANGER_UPLOAD_BYTES_MAX
    } else {
        UPLOAD_BYTES_MAX
    };
    if incoming
        .size_bytes
        .is_some_and(|size| size > size_bytes_max)
    {
        let broken = Broken::TooLarge(size_bytes_max);
        return Ok(Err(Unfit::Broken(broken).into()));
    }
    if let Some(refusal) = charge(app, call).await? {
        return Ok(Err(refusal));
    }
    let arriving = Arriving {
        source: incoming.source,
        room: call.rights.room(&app.room),
        size_bytes_max,
        size_bytes: incoming.size_bytes,
    };
    let unknown = incoming.unknown;
    let place = |head: &[u8]| {
        let media = recognise(head, unknown)?;
        // Strangers get links to what they send: a program or an archive is not for us to hand on.
        if is_stranger && matches!(media.kind, Kind::File | Kind::Latent) {
            return Err(Unfit::UnknownKind);
        }
        Ok(place(app, media))
    };
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
    let kept = keep(app, call, taken, name).await?;
    Ok(kept.ok_or(Refusal::TooMany(SESSION_UPLOADS_MAX)))
}

/// Counts an upload before it is taken in, in one statement, however many come at once: of whoever
/// has so many jobs a day, and so much to store.
async fn charge(app: &App, call: &Call) -> Result<Option<Refusal>, QueueError> {
    let account = call.rights.account.as_ref();
    let counted = account.and_then(|account| Some((account, account.limits.jobs_per_day?)));
    let Some((account, jobs_per_day)) = counted else {
        return Ok(None);
    };
    let per_job = if call.rights.is_stranger() {
        STRANGER_UPLOADS_PER_JOB
    } else {
        KEY_UPLOADS_PER_JOB
    };
    let now = app.now();
    let upload = Beside {
        account: format!("{}:uploads", account.name),
        caller: &call.caller,
        now,
        day_max: jobs_per_day.saturating_mul(per_job),
        uploads_max: call.rights.public_only.then_some(SESSION_UPLOADS_MAX),
    };
    Ok(match spending::charge_beside(&*app.db, &upload).await? {
        Charged::Yes => None,
        Charged::DayIsSpent => Some(Refusal::Spent(now)),
        Charged::CallerHasAll => Some(Refusal::TooMany(SESSION_UPLOADS_MAX)),
    })
}

fn recognise(head: &[u8], unknown: Option<Media>) -> Result<Media, Unfit> {
    let unknown = unknown.filter(|_| !head.is_empty());
    let media = media::sniff(head).or(unknown).ok_or(Unfit::UnknownKind)?;
    match media.flaw_of_input(head) {
        Some(flaw) => Err(flaw.into()),
        None => Ok(media),
    }
}

fn place(app: &App, media: Media) -> Place {
    Place {
        key: format!("assets/{}", app.mint_job_id()),
        label: BlobLabel {
            content_type: media.content_type.to_owned(),
            name: format!("input.{}", media.extension),
            hash: None,
        },
        media,
    }
}

/// The name that the sender gives it, if these are the bytes it speaks of.
fn agreed(taken: &Taken, said: Result<Said, Refusal>) -> Result<Option<String>, Refusal> {
    let said = said?;
    match said.hash {
        Some(hash) if hash != taken.hash => Err(Refusal::OtherHash(taken.hash.clone())),
        _ => Ok(said.name),
    }
}

/// `None`: as many of the caller's were there before, at the same time.
async fn keep(
    app: &App,
    call: &Call,
    taken: Taken,
    name: Option<String>,
) -> Result<Option<(Asset, bool)>, QueueError> {
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
    let most = call.rights.public_only.then_some(SESSION_UPLOADS_MAX);
    let standing = assets::put(&*app.db, &call.caller, &asset, most).await?;
    let Some(standing) = standing else {
        best_effort::discard(app, vec![asset.key]).await;
        return Ok(None);
    };
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
    Ok(Some((standing, is_new)))
}
