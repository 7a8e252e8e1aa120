//! The files of a success, on their way into the object store.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;
use bytes::Bytes;

use crate::app::App;
use crate::config::Environment;
use crate::job::{Cause, Failure, FailureCode, Output, OutputData};
use crate::media::{self, Kind};
use crate::ports::{BlobMeta, HttpError, HttpRequest, Method};
use crate::queue::{best_effort, QueueError};
use crate::store::jobs::{OutputRow, Record};
use crate::workflow::compile::{self, ExpectedOutput};

/// One file, decoded. RunPod's results end at 20 MB; files behind links may be larger, and must fit
/// in the 128 MB of an isolate beside what else it does.
const OUTPUT_BYTES_MAX: usize = 48 << 20;
/// What a file may be called: object stores keep names in headers of a few kilobytes.
const NAME_LENGTH_MAX: usize = 200;
/// Fetching one file from where the worker put it.
const FETCH_TIMEOUT_MS: u32 = 60_000;
/// Workers send base64 with and without its padding.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Stores every file under the keys of this settle, or none: what was stored before one failed is
/// deleted again. The inner error is the worker's fault, the outer one ours.
pub async fn store_all(
    app: &App,
    record: &Record,
    (n, nonce): (u32, &str),
    outputs: Vec<Output>,
) -> Result<Result<Vec<OutputRow>, Failure>, QueueError> {
    let mut stored: Vec<OutputRow> = Vec::new();
    for (i, output) in outputs.into_iter().enumerate() {
        let place = Place {
            record,
            n,
            nonce,
            i,
        };
        match store(app, &place, output).await {
            Ok(Ok(row)) => stored.push(row),
            failed => {
                discard(app, &stored).await;
                return failed.map(|row| row.map(|row| vec![row]));
            }
        }
    }
    Ok(Ok(stored))
}

/// Deletes the files of a settle that lost.
pub async fn discard(app: &App, rows: &[OutputRow]) {
    let keys = rows.iter().map(|row| row.key.clone()).collect();
    best_effort::discard(app, keys).await;
}

/// Where one output goes.
struct Place<'a> {
    record: &'a Record,
    n: u32,
    nonce: &'a str,
    i: usize,
}

/// The inner error is the worker's fault, the outer one ours.
async fn store(
    app: &App,
    place: &Place<'_>,
    output: Output,
) -> Result<Result<OutputRow, Failure>, QueueError> {
    let bytes = match bytes(app, output.data).await? {
        Ok(bytes) => bytes,
        Err(failure) => return Ok(Err(failure)),
    };
    let Some(media) = media::sniff(&bytes) else {
        return Ok(Err(invalid(format!(
            "file {} is of no known kind",
            place.i
        ))));
    };
    let expected = output
        .name
        .as_deref()
        .and_then(|name| compile::node_of(name, &place.record.accepted.outputs));
    let row = OutputRow {
        i: u32::try_from(place.i).unwrap_or(u32::MAX),
        key: format!(
            "{}/{}/{}/{}.{}",
            place.record.job.id, place.n, place.nonce, place.i, media.extension
        ),
        kind: media.kind,
        content_type: media.content_type.to_owned(),
        size_bytes: bytes.len() as u64,
        hash: blake3::hash(&bytes).to_hex().to_string(),
        name: name(place, output.name.as_deref(), expected, media.extension),
        node_id: expected.and_then(|expected| expected.node_id.clone()),
        label: expected
            .and_then(|expected| expected.label.as_ref())
            .map(|label| label.en.clone()),
        width: media.width,
        height: media.height,
    };
    app.blobs.put(&row.key, bytes, &meta(&row)).await?;
    Ok(Ok(row))
}

fn meta(row: &OutputRow) -> BlobMeta {
    BlobMeta {
        size_bytes: row.size_bytes,
        content_type: match row.kind {
            Kind::Image | Kind::Video | Kind::Audio | Kind::Text => row.content_type.clone(),
            // Never shown by a browser, whatever it is.
            Kind::File | Kind::Latent => "application/octet-stream".into(),
        },
        hash: row.hash.clone(),
        name: row.name.clone(),
    }
}

/// What the caller's download is called: as its own node would have named it, where we know.
fn name(
    place: &Place<'_>,
    given: Option<&str>,
    expected: Option<&ExpectedOutput>,
    extension: &str,
) -> String {
    let name = match (given, expected) {
        (Some(given), Some(expected)) => compile::shown_name(given, expected),
        _ => format!("{}-{}.{extension}", place.record.accepted.template, place.i),
    };
    let fits = name.len() <= NAME_LENGTH_MAX && !name.chars().any(char::is_control);
    if fits {
        name
    } else {
        format!("file-{}.{extension}", place.i)
    }
}

async fn bytes(app: &App, data: OutputData) -> Result<Result<Bytes, Failure>, QueueError> {
    let bytes = match data {
        OutputData::Inline(bytes) => bytes,
        OutputData::Base64(text) => match TOLERANT.decode(text.as_bytes()) {
            Ok(bytes) => bytes.into(),
            Err(_) => return Ok(Err(invalid("a file is not base64"))),
        },
        OutputData::Url(url) => return fetch(app, url).await,
    };
    if bytes.len() > OUTPUT_BYTES_MAX {
        return Ok(Err(too_large()));
    }
    Ok(Ok(bytes))
}

/// Files behind links die after a week at most: they are copied before the job succeeds.
async fn fetch(app: &App, url: String) -> Result<Result<Bytes, Failure>, QueueError> {
    let local = app.config.environment == Environment::Local;
    let allowed = url.starts_with("https://") || (local && url.starts_with("http://127.0.0.1:"));
    if !allowed {
        return Ok(Err(invalid("a file is behind a link that is not https")));
    }
    let request = HttpRequest {
        method: Method::Get,
        url,
        headers: Vec::new(),
        body: Bytes::new(),
        timeout_ms: FETCH_TIMEOUT_MS,
        answer_bytes_max: OUTPUT_BYTES_MAX,
    };
    match app.http.send(request).await {
        Ok(answer) if answer.status == 200 => Ok(Ok(answer.body)),
        Ok(answer) if (300..500).contains(&answer.status) => Ok(Err(Failure::new(
            FailureCode::OutputMissing,
            format!("a file could not be fetched: status {}", answer.status),
        ))),
        Ok(answer) => Err(QueueError::Broken(format!(
            "fetching a file answered {}",
            answer.status
        ))),
        Err(HttpError::TooLarge(_)) => Ok(Err(too_large())),
        Err(error) => Err(QueueError::Broken(format!("fetching a file: {error}"))),
    }
}

fn too_large() -> Failure {
    let message = format!("a file is larger than {} MiB", OUTPUT_BYTES_MAX >> 20);
    Failure::of(Cause::OutputTooLarge, message)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureCode::OutputInvalid, message)
}
