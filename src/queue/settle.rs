//! Settle: store the files, then say so. Every way of hearing an ending comes through here.
//!
//! Always: bytes to the object store, then the pointer in the row, then forget the alarm. Each
//! settle writes under keys of its own; a compare-and-set tells exactly one that it won, and the
//! others delete what they wrote.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;
use bytes::Bytes;

use super::{QueueError, DUE_MARGIN_MS};
use crate::app::App;
use crate::id::{JobId, ProviderId};
use crate::job::{
    self, Ending, Failure, FailureCode, JobStatus, Output, OutputData, Report, Times, Verdict,
};
use crate::log;
use crate::media::{self, Kind};
use crate::ports::{BlobMeta, HttpRequest, Method};
use crate::store::jobs::{self, AttemptEnd, Finish, Heard, OutputRow, Record};
use crate::time::UnixMillis;
use crate::workflow::compile::{self, ExpectedOutput};

/// Files of one job. A worker that sends more is misbehaving.
const OUTPUTS_MAX: usize = 64;
/// One file, decoded. RunPod's results end at 20 MB; files behind links may be larger, and must fit
/// in the 128 MB of an isolate beside what else it does.
const OUTPUT_BYTES_MAX: usize = 48 << 20;
/// Workers send base64 with and without its padding.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Fetching one file from where the worker put it.
const FETCH_TIMEOUT_MS: u32 = 60_000;

/// What was heard of one attempt.
#[derive(Debug)]
pub struct News {
    pub n: u32,
    pub provider_id: Option<ProviderId>,
    pub report: Report,
    pub heard: Heard,
}

/// What a piece of news changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The job has ended, by this news or before it, and nothing of it is live.
    Over,
    /// Something changed; the job or another attempt of it goes on.
    Changed,
    Nothing,
}

/// Judges `news` against the job as `record` shows it, and does what follows.
pub async fn settle(app: &App, record: &Record, news: News) -> Result<Settled, QueueError> {
    let News {
        n,
        provider_id,
        report,
        heard,
    } = news;
    let verdict = job::judge(&record.job, n, &report);
    let (outputs, times) = report.into_parts();
    let ended = Ended {
        n,
        provider_id,
        heard,
        times,
    };
    let won = match verdict {
        Verdict::Ignore(why) => {
            app.log(
                log::info("news.ignored")
                    .job(record.job.id)
                    .with("why", why),
            );
            return Ok(Settled::Nothing);
        }
        Verdict::Started => {
            let started = jobs::note_started(&*app.db, record.job.id, n, app.now()).await?;
            return Ok(if started {
                Settled::Changed
            } else {
                Settled::Nothing
            });
        }
        Verdict::Store => succeed(app, record, ended, outputs).await?,
        Verdict::End(ending) => end(app, record, Some(ended), ending).await?,
        Verdict::Close => {
            let outcome = if outputs.is_empty() {
                "failed"
            } else {
                "succeeded"
            };
            close(app, record.job.id, ended, outcome).await?;
            true
        }
    };
    let alone = record
        .job
        .live
        .as_ref()
        .is_none_or(|attempt| attempt.n == n);
    Ok(match (won, alone) {
        (true, true) => Settled::Over,
        (true, false) => Settled::Changed,
        (false, _) => Settled::Nothing,
    })
}

/// The attempt that ended, and how we know.
#[derive(Clone, Debug)]
pub struct Ended {
    pub n: u32,
    pub provider_id: Option<ProviderId>,
    pub heard: Heard,
    pub times: Times,
}

/// Stores `outputs` and ends the job as succeeded; files that are not what they claim end it as
/// failed. True if this settle ended the job.
async fn succeed(
    app: &App,
    record: &Record,
    ended: Ended,
    outputs: Vec<Output>,
) -> Result<bool, QueueError> {
    let nonce = app.nonce();
    let n = ended.n;
    let mut stored = Vec::new();
    for (i, output) in outputs.into_iter().enumerate() {
        let place = Place {
            record,
            n,
            nonce: &nonce,
            i,
        };
        match store(app, &place, output).await? {
            Ok(row) => stored.push(row),
            Err(failure) => {
                discard(app, &stored).await;
                return end(app, record, Some(ended), Ending::Failed(failure)).await;
            }
        }
    }
    let finish = Finish {
        status: JobStatus::Succeeded,
        nonce,
        error: None,
        attempt: Some(attempt_end(ended, "succeeded", None)),
        due_at: leftover_due_at(app, record, n),
        outputs: stored,
    };
    let won = jobs::finish(&*app.db, record.job.id, &finish, app.now()).await?;
    if !won {
        discard(app, &finish.outputs).await;
    }
    report(app, record, &finish, won);
    Ok(won)
}

/// Ends the job without a result. True if this settle ended it.
pub async fn end(
    app: &App,
    record: &Record,
    ended: Option<Ended>,
    ending: Ending,
) -> Result<bool, QueueError> {
    let status = ending.status();
    let error = match ending {
        Ending::Failed(failure) => Some(failure),
        Ending::Canceled | Ending::Expired => None,
    };
    let outcome = status.as_str();
    let finish = Finish {
        status,
        nonce: app.nonce(),
        attempt: ended.map(|ended| attempt_end(ended, outcome, error.clone())),
        error,
        outputs: Vec::new(),
        due_at: None,
    };
    let won = jobs::finish(&*app.db, record.job.id, &finish, app.now()).await?;
    report(app, record, &finish, won);
    Ok(won)
}

/// Ends the live attempt of a job that has ended before.
pub async fn close(
    app: &App,
    id: JobId,
    ended: Ended,
    outcome: &'static str,
) -> Result<(), QueueError> {
    let end = attempt_end(ended, outcome, None);
    Ok(jobs::close_attempt(&*app.db, id, &end, app.now()).await?)
}

fn attempt_end(ended: Ended, outcome: &'static str, error: Option<Failure>) -> AttemptEnd {
    AttemptEnd {
        n: ended.n,
        provider_id: ended.provider_id,
        outcome,
        heard: ended.heard,
        error,
        times: ended.times,
    }
}

/// A late success of an earlier attempt leaves the newer one live: the sweep makes sure that it is
/// canceled even if the watcher is lost.
fn leftover_due_at(app: &App, record: &Record, n: u32) -> Option<UnixMillis> {
    let other = record.job.live.as_ref().filter(|attempt| attempt.n != n);
    other.map(|_| app.now().plus_ms(DUE_MARGIN_MS))
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
    if place.i >= OUTPUTS_MAX {
        return Ok(Err(invalid(format!("more than {OUTPUTS_MAX} files"))));
    }
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
    match (given, expected) {
        (Some(given), Some(expected)) => compile::shown_name(given, expected),
        _ => format!("{}-{}.{extension}", place.record.accepted.template, place.i),
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
        return Ok(Err(invalid("a file is larger than 48 MiB")));
    }
    Ok(Ok(bytes))
}

/// Files behind links die after a week at most: they are copied before the job succeeds.
async fn fetch(app: &App, url: String) -> Result<Result<Bytes, Failure>, QueueError> {
    let local = app.config.environment == crate::config::Environment::Local;
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
        Ok(answer) if (400..500).contains(&answer.status) => Ok(Err(Failure::new(
            FailureCode::OutputMissing,
            format!("a file could not be fetched: status {}", answer.status),
        ))),
        Ok(answer) => Err(QueueError::Broken(format!(
            "fetching a file answered {}",
            answer.status
        ))),
        Err(crate::ports::HttpError::TooLarge(_)) => {
            Ok(Err(invalid("a file is larger than 48 MiB")))
        }
        Err(error) => Err(QueueError::Broken(format!("fetching a file: {error}"))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureCode::OutputInvalid, message)
}

/// Deletes what nobody points to. Best effort: reconcile finds what stays.
async fn discard(app: &App, rows: &[OutputRow]) {
    let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
    if keys.is_empty() {
        return;
    }
    if let Err(error) = app.blobs.delete(&keys).await {
        app.log(log::warn("settle.discard_failed").with("error", error.to_string()));
    }
}

fn report(app: &App, record: &Record, finish: &Finish, won: bool) {
    let attempt = finish.attempt.as_ref();
    let provider_id = attempt.and_then(|end| end.provider_id.as_ref());
    let event = if won { "job.finished" } else { "settle.lost" };
    app.log(
        log::info(event)
            .job(record.job.id)
            .with("status", finish.status.as_str())
            .with("template", record.accepted.template.as_str())
            .with("provider", record.accepted.provider.as_str())
            .with("outputs", finish.outputs.len())
            .with("total_ms", app.now().since_ms(record.job.opened_at))
            .maybe("heard_by", attempt.map(|end| end.heard.as_str()))
            .maybe("runpod_id", provider_id.map(ProviderId::as_str))
            .maybe("delay_ms", attempt.and_then(|end| end.times.delay_ms))
            .maybe(
                "execution_ms",
                attempt.and_then(|end| end.times.execution_ms),
            )
            .maybe(
                "error",
                finish.error.as_ref().map(|failure| failure.code.as_str()),
            ),
    );
}
