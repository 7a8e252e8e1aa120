//! Deliver: tell callers what became of their jobs, by webhooks of theirs.
//!
//! The job's watcher finds what is due, sets the time of the next try, and only then lets this one
//! go: beside its own work, so that no receiver keeps a job waiting. A try that succeeds takes the
//! next one back; one that fails, or dies with its answer unread, leaves it standing. So nothing is
//! lost, and an event is told twice only if the first answer was not heard.

mod payload;

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use url::Url;

use super::best_effort::all_at_once;
use super::QueueError;
use crate::address;
use crate::app::App;
use crate::backoff::Jitter;
use crate::config::Environment;
use crate::id::JobId;
use crate::log::{self, Line};
use crate::notify::{self, ROTATION_MS, TRIES_MAX};
use crate::outgoing::retry_after_ms;
use crate::ports::{HttpAnswer, HttpError, HttpRequest, Method, Watch};
use crate::store::deliveries::{self, Delivery, Report, Standing, Try};
use crate::store::jobs::{self, Full, Record};
use crate::store::keys::{self, WebhookSecret};
use crate::time::UnixMillis;

/// Standard Webhooks recommends 15 to 30 s; a receiver that is slower should work afterwards.
const TIMEOUT_MS: u32 = 15_000;
/// A try has ended by then: its time and what the database may need to hear of it.
const CLAIM_MS: u64 = 30_000;
/// Requests at once for one job; the runtime opens six connections at a time (Cloudflare, Workers,
/// Limits), and the job needs one.
const AT_ONCE_MAX: usize = 4;
/// What is read of an answer, so that its connection can be used again. Nothing of it is kept.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The receiver wants no more.
const GONE: u16 = 410;

/// Begins what is due and arms the alarm for what follows. True: something is still to be told.
/// Running twice begins each try once.
pub(super) async fn deliver(
    app: &Arc<App>,
    watch: &dyn Watch,
    record: &Record,
) -> Result<bool, QueueError> {
    if record.accepted.webhook_url.is_none() {
        return Ok(false);
    }
    let job = record.job.id;
    let now = app.now();
    let known = deliveries::pending(&*app.db, job).await?;
    let is_gone = known.iter().any(|d| d.due_at.is_none());
    let pending = known.into_iter().filter(|d| d.due_at.is_some());
    let pending: Vec<Delivery> = pending.collect();
    if is_gone && !pending.is_empty() {
        for delivery in &pending {
            app.log(line_of(delivery, &unheard(delivery, now)));
        }
        deliveries::forsake(&*app.db, job, now).await?;
        return Ok(false);
    }
    let is_due = |d: &Delivery| d.due_at.is_some_and(|at| at <= now);
    let (due, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(is_due);
    let mut next: Option<UnixMillis> = later.iter().filter_map(|d| d.due_at).min();
    let (due, spent): (Vec<_>, Vec<_>) = due.into_iter().partition(|d| tries_of(d) < TRIES_MAX);
    for delivery in &spent {
        let report = unheard(delivery, now);
        note(app, delivery, &report).await?;
    }
    if !due.is_empty() {
        let (begun_now, rest) = due.split_at(due.len().min(AT_ONCE_MAX));
        let until = begin(app, job, begun_now).await?;
        let at = if rest.is_empty() {
            until
        } else {
            now.plus_ms(1)
        };
        next = Some(next.map_or(at, |next| next.min(at)));
    }
    if let Some(at) = next {
        watch.arm(at).await?;
    }
    Ok(next.is_some())
}

/// Since it happened, or was replayed.
const fn tries_of(delivery: &Delivery) -> u32 {
    delivery.tries.saturating_sub(delivery.tries_before)
}

/// Claims the tries and lets them go. Answers when the first of them is to be followed by another.
async fn begin(app: &Arc<App>, job: JobId, due: &[Delivery]) -> Result<UnixMillis, QueueError> {
    let now = app.now();
    let jitter = Jitter(app.random::<1>()[0]);
    let planned = due.iter().map(|delivery| {
        let delay_ms = notify::next_delay_ms(tries_of(delivery) + 1, jitter);
        now.plus_ms(delay_ms.unwrap_or(0).max(CLAIM_MS))
    });
    let planned: Vec<UnixMillis> = planned.collect();
    let won = deliveries::claim(&*app.db, due, &planned).await?;
    let claimed = due.iter().zip(&planned).zip(won);
    let ours = claimed.filter(|(_, won)| *won);
    let claimed = ours.map(|((delivery, next_at), _)| Delivery {
        due_at: Some(*next_at),
        tries: delivery.tries + 1,
        ..delivery.clone()
    });
    let claimed: Vec<Delivery> = claimed.collect();
    if !claimed.is_empty() {
        let sending = Arc::clone(app);
        let task = async move {
            if let Err(error) = send(&sending, job, &claimed).await {
                unsent(&sending, job, &error);
            }
        };
        app.tasks.after(0, Box::pin(task));
    }
    Ok(planned.into_iter().min().unwrap_or(now))
}

async fn send(app: &App, job: JobId, claimed: &[Delivery]) -> Result<(), QueueError> {
    let Some(full) = jobs::full(&*app.db, job).await? else {
        return Ok(());
    };
    let keys = signing_keys(app, &full.record).await?;
    let tries = claimed.iter().map(|delivery| {
        let told = async {
            let report = attempt(app, &full, &keys, delivery).await;
            let noted = note(app, delivery, &report).await;
            noted.inspect_err(|error| unsent(app, job, error)).is_ok()
        };
        told.boxed()
    });
    all_at_once(tries.collect()).await;
    Ok(())
}

fn unsent(app: &App, job: JobId, error: &QueueError) {
    let line = log::warn("webhook.unsent").job(job);
    app.log(line.with("error", error.to_string()));
}

/// What signs for whom a job's caller is told: with the secret that they share, and for anybody.
struct SigningKeys {
    secrets: Vec<[u8; 32]>,
    seeds: Vec<[u8; 32]>,
}

async fn signing_keys(app: &App, record: &Record) -> Result<SigningKeys, QueueError> {
    let key = record.accepted.webhook_key.as_deref().unwrap_or_default();
    let standing = keys::webhook_secret(&*app.db, key).await?;
    let standing = standing.unwrap_or(FIRST_SECRET);
    Ok(SigningKeys {
        secrets: secrets_of(app, key, standing),
        seeds: seeds_of(app, key, standing),
    })
}

/// Of callers without a row: the operator, and callers without a key.
pub(super) const FIRST_SECRET: WebhookSecret = WebhookSecret {
    number: 1,
    rotated_at: None,
};

pub(super) fn secrets_of(app: &App, key: &str, standing: WebhookSecret) -> Vec<[u8; 32]> {
    let secrets = |number| app.signer.webhook_secrets(key, number);
    numbers(app, standing).flat_map(secrets).collect()
}

/// What the Ed25519 keys are made of that sign the same.
pub(super) fn seeds_of(app: &App, key: &str, standing: WebhookSecret) -> Vec<[u8; 32]> {
    let seeds = |number| app.signer.ed25519_seeds(key, number);
    numbers(app, standing).flat_map(seeds).collect()
}

/// The newest first; the one of before signs, too, for a while after a rotation.
fn numbers(app: &App, standing: WebhookSecret) -> impl Iterator<Item = u32> {
    let old_until = standing.rotated_at.map(|at| at.plus_ms(ROTATION_MS));
    let has_old = old_until.is_some_and(|until| app.now() < until);
    let oldest = standing.number - u32::from(has_old);
    (oldest..=standing.number).rev()
}

/// One request, and what came of it.
async fn attempt(app: &App, full: &Full, keys: &SigningKeys, delivery: &Delivery) -> Report {
    let at = app.now();
    let url = full.record.accepted.webhook_url.as_deref();
    let url = url.unwrap_or_default();
    // What was public when it was accepted is asked again: the rules may have become stricter.
    let may_loop_back = app.config.environment == Environment::Local;
    let answer = match address::check(url, may_loop_back) {
        Ok(url) => {
            let request = request(app, full, keys, delivery, url).await;
            app.http.open(request).await
        }
        Err(forbidden) => Err(HttpError::NotSent(forbidden.to_string())),
    };
    let (status, why, wait_ms) = match answer {
        Ok(answer) => {
            let wait_ms = retry_after_ms(&answer.headers, app.now());
            let status = answer.status;
            drain(answer).await;
            let why = (!is_taken(status)).then_some("the receiver did not take it");
            (Some(status), why, wait_ms)
        }
        Err(error) => (None, Some(error.in_our_words()), None),
    };
    let made = Try {
        n: delivery.tries,
        at,
        status,
        duration_ms: app.now().since_ms(at),
        why: why.map(str::to_owned),
    };
    let standing = standing(delivery, status, wait_ms, app.now());
    Report { made, standing }
}

const fn is_taken(status: u16) -> bool {
    matches!(status, 200..=299)
}

fn standing(
    delivery: &Delivery,
    status: Option<u16>,
    wait_ms: Option<u64>,
    now: UnixMillis,
) -> Standing {
    if status.is_some_and(is_taken) {
        return Standing::Delivered(now);
    }
    if status == Some(GONE) || tries_of(delivery) >= TRIES_MAX {
        return Standing::Missed(now);
    }
    let planned = delivery.due_at.unwrap_or(now);
    let wait_ms = wait_ms.unwrap_or(0).min(notify::RETRY_AFTER_MS_MAX);
    Standing::Again(planned.max(now.plus_ms(wait_ms)))
}

/// The sender of the last try died before it told what came of it.
fn unheard(delivery: &Delivery, now: UnixMillis) -> Report {
    Report {
        made: Try {
            n: delivery.tries,
            at: now,
            status: None,
            duration_ms: 0,
            why: Some("what came of it was not heard".to_owned()),
        },
        standing: Standing::Missed(now),
    }
}

async fn note(app: &App, delivery: &Delivery, report: &Report) -> Result<(), QueueError> {
    // First the line, whatever the database does.
    app.log(line_of(delivery, report));
    Ok(deliveries::report(&*app.db, &delivery.event, report).await?)
}

fn line_of(delivery: &Delivery, report: &Report) -> Line {
    let event = &delivery.event;
    let line = match report.standing {
        Standing::Delivered(_) => log::info("webhook.delivered"),
        Standing::Again(_) => log::warn("webhook.failed"),
        Standing::Missed(_) => log::error("webhook.missed"),
    };
    line.job(event.job)
        .with("type", notify::event_type(event.status))
        .with("try", report.made.n)
        .maybe("status", report.made.status)
        .maybe("why", report.made.why.as_deref())
        .with("duration_ms", report.made.duration_ms)
}

/// To the address as it was read and judged: another reader may find another host in its text.
async fn request(
    app: &App,
    full: &Full,
    keys: &SigningKeys,
    delivery: &Delivery,
    url: Url,
) -> HttpRequest {
    let event = &delivery.event;
    let id = notify::event_id(event.job, event.round, event.status);
    let body = payload::body(app, full, delivery);
    let now = app.now();
    let header = |name: &str, value: String| (name.to_owned(), value);
    HttpRequest {
        method: Method::Post,
        url: url.into(),
        headers: vec![
            header("content-type", "application/json".to_owned()),
            header(
                "user-agent",
                concat!("edge-queue/", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
            header("webhook-id", id.clone()),
            header("webhook-timestamp", (now.get() / 1000).to_string()),
            header(
                "webhook-signature",
                signatures(app, keys, &notify::signed_text(&id, now, &body)).await,
            ),
        ],
        body: Bytes::from(body),
        timeout_ms: TIMEOUT_MS,
    }
}

async fn signatures(app: &App, keys: &SigningKeys, signed: &str) -> String {
    let mut all = notify::signatures(&keys.secrets, signed);
    for seed in &keys.seeds {
        let signature = app.ed25519.sign(seed, signed).await;
        all.extend(signature.as_deref().map(notify::public_signature));
    }
    all.join(" ")
}

/// The status is all that counts: an answer that breaks off later has been given.
async fn drain(answer: HttpAnswer) {
    let mut body = answer.body;
    let mut left = ANSWER_BYTES_MAX;
    while let Some(Ok(piece)) = body.next().await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
