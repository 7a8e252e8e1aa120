//! The files of a success, on their way into the object store.

use bytes::Bytes;
use futures::{stream, StreamExt};

use super::decode::Decoded;
use super::links;
use crate::app::App;
use crate::job::{Cause, Failure, Output, OutputData};
use crate::media::{self, Kind, Media};
use crate::outgoing::declared_length;
use crate::ports::{BlobLabel, Broken};
use crate::queue::intake::{self, Arriving, Place, Unfit};
use crate::queue::{best_effort, QueueError};
use crate::store::jobs::{OutputRow, Record};
use crate::time::UnixMillis;
use crate::workflow::compile::{self, ExpectedOutput};

/// One file. Only files behind links get so large; they are hashed on their way, at 0.2 to 0.3 s of
/// CPU for 100 MB, and an alarm has 30 s.
const OUTPUT_BYTES_MAX: u64 = 2 << 30;
/// All files of one job, for the same reason.
const ALL_BYTES_MAX: u64 = 4 << 30;
/// What a file may be called: object stores keep names in headers of a few kilobytes.
const NAME_LENGTH_MAX: usize = 200;
/// Of the part of a key that names its settle (see `queue::read::ResultKey`).
const NONCE_LENGTH: usize = 16;
/// Fetching one file from where the worker put it: two gibibytes at 60 Mbit a second.
const FETCH_MS_MAX: u64 = 5 * 60_000;
/// Fetching all files: an alarm has 15 min, in which they must also be written down.
const FETCH_ALL_MS_MAX: u64 = 12 * 60_000;

/// Stores every file under the keys of this settle, or none: what was stored before one failed is
/// deleted again. The inner error is the worker's fault, the outer one ours.
pub async fn store_all(
    app: &App,
    record: &Record,
    (n, nonce): (u32, &str),
    outputs: Vec<Output>,
) -> Result<Result<Vec<OutputRow>, Failure>, QueueError> {
    let mut stored: Vec<OutputRow> = Vec::new();
    let until = app.now().plus_ms(FETCH_ALL_MS_MAX);
    for (i, output) in outputs.into_iter().enumerate() {
        let spot = Spot {
            record,
            n,
            nonce,
            i,
            until,
            left_bytes: ALL_BYTES_MAX - stored.iter().map(|row| row.size_bytes).sum::<u64>(),
        };
        match store(app, &spot, output).await {
            Ok(Ok(row)) => stored.push(row),
            failed => {
                discard(app, &stored).await;
                return failed.map(|row| row.map(|row| vec![row]));
            }
        }
    }
    Ok(Ok(stored))
}

/// Stores a file of attempt `n` that is done before its job, under a key that the same bytes have
/// again.
pub async fn store_early(
    app: &App,
    record: &Record,
    n: u32,
    (name, bytes): (Option<String>, Bytes),
) -> Result<Result<OutputRow, Failure>, QueueError> {
    let hash = blake3::hash(&bytes).to_hex();
    let spot = Spot {
        record,
        n,
        nonce: &hash[..NONCE_LENGTH],
        i: 0,
        until: app.now(),
        left_bytes: bytes.len() as u64,
    };
    let data = OutputData::Inline(bytes);
    store(app, &spot, Output { name, data }).await
}

/// Deletes the files of a settle that lost.
pub async fn discard(app: &App, rows: &[OutputRow]) {
    let keys = rows.iter().map(|row| row.key.clone()).collect();
    best_effort::discard(app, keys).await;
}

/// Where one output goes, and what is left for it.
struct Spot<'a> {
    record: &'a Record,
    n: u32,
    nonce: &'a str,
    i: usize,
    until: UnixMillis,
    left_bytes: u64,
}

/// The inner error is the worker's fault, the outer one ours.
async fn store(
    app: &App,
    spot: &Spot<'_>,
    output: Output,
) -> Result<Result<OutputRow, Failure>, QueueError> {
    let given = output.name.as_deref();
    let expected = given.and_then(|name| compile::node_of(name, &spot.record.accepted.outputs));
    let arriving = match open(app, spot, output.data).await? {
        Ok(arriving) => arriving,
        Err(failure) => return Ok(Err(failure)),
    };
    let place = |head: &[u8]| {
        let media = recognise(head, given, expected)?;
        let name = name(spot, given, expected, media.extension);
        Ok(Place {
            key: format!(
                "{}/{}/{}/{}.{}",
                spot.record.job.id, spot.n, spot.nonce, spot.i, media.extension
            ),
            label: label(&media, name),
            media,
        })
    };
    let most = arriving.size_bytes_max;
    let taken = match intake::take(app, arriving, place).await? {
        Ok(taken) => taken,
        // What broke off on its way may be whole the next time.
        Err(Unfit::Broken(Broken::Cut(_) | Broken::TooSlow)) => {
            return Err(links::passing("it broke off or came too slowly"));
        }
        Err(Unfit::Broken(Broken::TooLarge(_))) => return Ok(Err(too_large(most))),
        Err(unfit) => return Ok(Err(invalid(format!("file {}: {unfit}", spot.i)))),
    };
    Ok(Ok(OutputRow {
        i: u32::try_from(spot.i).unwrap_or(u32::MAX),
        key: taken.key,
        kind: taken.media.kind,
        content_type: taken.media.content_type.to_owned(),
        size_bytes: taken.size_bytes,
        hash: taken.hash,
        name: name(spot, given, expected, taken.media.extension),
        node_id: expected.and_then(|expected| expected.node_id.clone()),
        label: expected
            .and_then(|expected| expected.label.as_ref())
            .map(|label| label.en.clone()),
        width: taken.media.width,
        height: taken.media.height,
    }))
}

/// What a file is. Bytes that nobody knows are a file as they are if the worker named them; a text
/// where a picture, film or sound must be is a page that says why it is not there.
fn recognise(
    head: &[u8],
    name: Option<&str>,
    expected: Option<&ExpectedOutput>,
) -> Result<Media, Unfit> {
    let unknown = || name.filter(|_| !head.is_empty()).map(media::unknown);
    let media = media::sniff(head)
        .or_else(unknown)
        .ok_or(Unfit::UnknownKind)?;
    let wanted = expected.and_then(|expected| expected.kind);
    if media.kind == Kind::Text && wanted.is_some_and(Kind::is_played) {
        return Err(Unfit::UnknownKind);
    }
    media.flaw().map_or(Ok(media), |flaw| Err(flaw.into()))
}

fn label(media: &Media, name: String) -> BlobLabel {
    BlobLabel {
        content_type: match media.kind {
            Kind::Image | Kind::Video | Kind::Audio | Kind::Text => media.content_type.to_owned(),
            // Never shown by a browser, whatever it is.
            Kind::File | Kind::Latent => "application/octet-stream".into(),
        },
        name,
        hash: None,
    }
}

/// What the caller's download is called: as its own node would have named it, where we know.
fn name(
    spot: &Spot<'_>,
    given: Option<&str>,
    expected: Option<&ExpectedOutput>,
    extension: &str,
) -> String {
    let name = match (given, expected) {
        (Some(given), Some(expected)) => compile::shown_name(given, expected),
        _ => format!("{}-{}.{extension}", spot.record.accepted.template, spot.i),
    };
    let fits = name.len() <= NAME_LENGTH_MAX && !name.chars().any(char::is_control);
    if fits {
        name
    } else {
        format!("file-{}.{extension}", spot.i)
    }
}

/// The bytes of one output, as they can be had piece by piece.
async fn open(
    app: &App,
    spot: &Spot<'_>,
    data: OutputData,
) -> Result<Result<Arriving, Failure>, QueueError> {
    let size_bytes_max = OUTPUT_BYTES_MAX.min(spot.left_bytes);
    let (source, size_bytes) = match data {
        OutputData::Inline(bytes) => {
            let size = bytes.len() as u64;
            (
                stream::iter([Ok::<Bytes, Broken>(bytes)]).boxed(),
                Some(size),
            )
        }
        OutputData::Base64(text) => (stream::iter(Decoded::new(text)).boxed(), None),
        OutputData::Url(link) => {
            let left_ms = spot.until.since_ms(app.now()).min(FETCH_MS_MAX);
            let timeout_ms = u32::try_from(left_ms).unwrap_or(u32::MAX);
            let answer = match links::open(app, &link, timeout_ms).await? {
                Ok(answer) => answer,
                Err(failure) => return Ok(Err(failure)),
            };
            let declared = declared_length(&answer.headers).map(|length| length as u64);
            if declared.is_some_and(|length| length > size_bytes_max) {
                return Ok(Err(too_large(size_bytes_max)));
            }
            (answer.body, declared)
        }
    };
    Ok(Ok(Arriving {
        source,
        room: app.room.clone(),
        size_bytes_max,
        size_bytes,
    }))
}

fn too_large(most: u64) -> Failure {
    let message = format!("a file is larger than {} MiB", most >> 20);
    Failure::of(Cause::OutputTooLarge, message)
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::of(Cause::OutputInvalid, message)
}
