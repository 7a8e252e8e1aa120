//! The fake's webhooks: when they leave, how they are wrong, and when they are tried again.

use bytes::Bytes;

use super::job::FakeJob;
use crate::time::UnixMillis;

/// Tries after the first, counted from the first: as RunPod's own test saw them.
const RETRY_AFTER_MS: [u64; 2] = [5_000, 20_000];

/// A webhook on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For [`super::FakeRunpod::delivered`].
    pub id: u64,
    /// The provider id of the job it is about.
    pub job: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// A delivery that may have to be tried again.
struct Pending {
    delivery: Delivery,
    first_at: Option<UnixMillis>,
    tries: usize,
    /// `None`: it is under way.
    due_at: Option<UnixMillis>,
}

#[derive(Default)]
pub(super) struct Outbox {
    pending: Vec<Pending>,
    minted: u64,
}

impl Outbox {
    /// Makes the webhooks of a job that has just ended.
    pub(super) fn announce(&mut self, job: &FakeJob, at: UnixMillis) {
        let Some(url) = &job.webhook else {
            return;
        };
        let plan = &job.plan.webhook;
        let news = serde_json::to_vec(&job.news()).unwrap_or_default();
        if plan.forged {
            self.push(job, at, forged_url(url), forged_body(&job.id).into());
        }
        let body = if plan.wrong_id {
            wrong_id(&job.id, &news).into()
        } else {
            Bytes::from(news)
        };
        let cut = plan.cut_bytes.unwrap_or(body.len()).min(body.len());
        for _ in 0..plan.copies {
            self.push(job, at, url.clone(), body.slice(..cut));
        }
    }

    fn push(&mut self, job: &FakeJob, due_at: UnixMillis, url: String, body: Bytes) {
        self.minted += 1;
        let id = self.minted;
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("traceparent", format!("00-{id:032x}-{id:016x}-01")),
            ("user-agent", "Go-http-client/2.0".to_owned()),
        ];
        let delivery = Delivery {
            id,
            job: job.id.clone(),
            url,
            headers: headers.map(|(name, value)| (name.into(), value)).into(),
            body,
        };
        self.pending.push(Pending {
            delivery,
            first_at: None,
            tries: 0,
            due_at: Some(due_at),
        });
    }

    pub(super) fn due(&mut self, now: UnixMillis) -> Vec<Delivery> {
        let mut due: Vec<(UnixMillis, Delivery)> = Vec::new();
        for pending in &mut self.pending {
            if let Some(at) = pending.due_at.filter(|at| *at <= now) {
                pending.due_at = None;
                pending.first_at.get_or_insert(now);
                due.push((at, pending.delivery.clone()));
            }
        }
        due.sort_by_key(|(at, delivery)| (*at, delivery.id));
        due.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Any 2xx ends a delivery; everything else, an absent answer included, is tried again.
    pub(super) fn delivered(&mut self, id: u64, status: Option<u16>) {
        let Some(index) = self.pending.iter().position(|p| p.delivery.id == id) else {
            return;
        };
        let pending = &mut self.pending[index];
        let again = RETRY_AFTER_MS.get(pending.tries);
        pending.tries += 1;
        match (status, again, pending.first_at) {
            (Some(200..=299), ..) | (_, None, _) | (.., None) => {
                self.pending.remove(index);
            }
            (_, Some(ms), Some(first_at)) => pending.due_at = Some(first_at.plus_ms(*ms)),
        }
    }

    pub(super) fn next_at(&self) -> Option<UnixMillis> {
        self.pending.iter().filter_map(|p| p.due_at).min()
    }
}

/// The right host and route with a token that was guessed.
fn forged_url(url: &str) -> String {
    let kept = url.len().saturating_sub(1);
    match url.get(..kept) {
        Some(kept) if url.ends_with('x') => format!("{kept}y"),
        Some(kept) => format!("{kept}x"),
        None => url.to_owned(),
    }
}

fn forged_body(id: &str) -> String {
    format!(
        "{{\"delayTime\":1,\"executionTime\":1,\"id\":\"{id}\",\
         \"output\":{{\"images\":[\"https://evil.example/1.png\"]}},\"status\":\"COMPLETED\"}}"
    )
}

fn wrong_id(id: &str, news: &[u8]) -> String {
    let other = "00000000-0000-4000-8000-000000000000-u1";
    String::from_utf8_lossy(news).replacen(id, other, 1)
}
