//! Handing an attempt to the provider, once.
//!
//! Before the request leaves, the watcher notes `sending = n`. An attempt that began without the
//! note provably never left: another takes its place. One with the note and without an answer is
//! waited for: its callback or its time to live decides. So a number is sent once at the most,
//! whatever the database says or will still do of what it was asked.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{ended_by, first_look_ms, settle, Next, Turn};
use crate::backoff::{retry_delay_ms, Jitter};
use crate::gate::{Admission, Fate};
use crate::id::ProviderId;
use crate::job::{Cause, Ending, Failure, Told};
use crate::log;
use crate::providers::{Order, OrderFile, Submitted};
use crate::queue::create::prompt_key;
use crate::queue::{gate, QueueError};
use crate::store::jobs::{self, Begun, Heard, Record};
use crate::token::CallbackClaim;
use crate::workflow::compile;

/// Until another try when this isolate holds too much: other orders take seconds.
const ROOM_AGAIN_MS: u64 = 2_000;

impl Turn<'_> {
    pub(super) async fn dispatch(&self, n: u32) -> Result<Next, QueueError> {
        match gate::admit(self.app, self.record).await {
            Admission::Granted { tries } => {
                if gate::waits(self.record) {
                    let look_ms = first_look_ms(self.app, self.record, self.provider);
                    self.watch.arm(self.app.now().plus_ms(look_ms)).await?;
                }
                self.begin(n, tries).await
            }
            Admission::Wait { until, reason } => {
                if self.record.wait_reason.as_deref() != Some(reason.text()) {
                    jobs::hold(&*self.app.db, self.job().id, reason.text()).await?;
                }
                self.watch.arm(until).await?;
                Ok(Next::Stay)
            }
        }
    }

    /// The attempt began before, and its submit did not.
    pub(super) async fn withdraw(&self, n: u32) -> Result<Next, QueueError> {
        let now = self.app.now();
        let reason = "an attempt was given up before it was sent";
        jobs::put_off(&*self.app.db, self.job().id, n, now, now, reason).await?;
        self.watch.arm(now.plus_ms(1)).await?;
        Ok(Next::Stay)
    }

    /// `tries`: the gate waits to hear how it went.
    async fn begin(&self, n: u32, tries: bool) -> Result<Next, QueueError> {
        let now = self.app.now();
        let held_bytes = self.held_bytes().await?;
        let Some(_room) = self.app.room.take(held_bytes) else {
            self.watch.arm(now.plus_ms(ROOM_AGAIN_MS)).await?;
            return Ok(Next::Stay);
        };
        let begun =
            jobs::begin_attempt(&*self.app.db, self.job().id, n, &self.app.nonce(), now).await?;
        let Some(begun) = begun.filter(|begun| begun.won) else {
            self.watch.arm(now.plus_ms(1)).await?;
            return Ok(Next::Stay);
        };
        // The database was put back to an earlier state: what left since then is waited for.
        if self.watch.sending().await?.is_some_and(|sent| sent >= n) {
            return Ok(Next::Stay);
        }
        // Whatever was told of an earlier attempt is over, whether anybody listens or not.
        self.watch.tell(Told {
            attempt: n,
            ..Told::default()
        });
        let order = match self.order(n, &begun).await? {
            Ok(order) => order,
            Err(failure) => return self.refuse(&begun.record, n, failure).await,
        };
        self.watch.set_sending(Some(n)).await?;
        self.hand_over(&begun.record, &order, tries).await
    }

    async fn hand_over(
        &self,
        record: &Record,
        order: &Order,
        tries: bool,
    ) -> Result<Next, QueueError> {
        let n = order.attempt;
        match self.provider.submit(order).await {
            Submitted::Accepted(id) => {
                let next = self.accepted(n, &id).await;
                if tries {
                    gate::tell(self.app, record, Fate::Taken).await;
                }
                next
            }
            // Provably not taken: the note is withdrawn first, so that a failure of ours from here
            // on is no unknown submit.
            Submitted::NotNow {
                failure,
                retry_after_ms,
                evidence,
            } => {
                self.watch.set_sending(None).await?;
                self.keep("submit.failed", n, &evidence).await;
                self.put_off(record, n, &failure, retry_after_ms).await
            }
            Submitted::Refused { failure, evidence } => {
                self.watch.set_sending(None).await?;
                self.keep("submit.failed", n, &evidence).await;
                self.refuse(record, n, failure).await
            }
            Submitted::Unknown { evidence } => {
                self.keep("submit.failed", n, &evidence).await;
                let gone_at = gate::doubtful_until(record, self.app.now());
                gate::tell(self.app, record, Fate::Unknown(gone_at)).await;
                Ok(Next::Stay)
            }
        }
    }

    async fn accepted(&self, n: u32, id: &ProviderId) -> Result<Next, QueueError> {
        // First the line, whatever the database does: it is how an operator finds the run.
        self.app.log(
            log::info("job.submitted")
                .job(self.job().id)
                .with("attempt", n)
                .with("provider", self.provider.name())
                .with("runpod_id", id.as_str()),
        );
        let noted = match jobs::note_provider_id(&*self.app.db, self.job().id, n, id).await {
            Ok(noted) => noted,
            // Nobody can ask for it again: the next step writes it down.
            Err(error) => {
                self.watch.keep_sent(n, id).await?;
                return Err(error.into());
            }
        };
        // Canceled or finished while the submit was on its way: the next step sees to it.
        if noted.is_some_and(|record| record.job.status != self.job().status) {
            self.watch.arm(self.app.now().plus_ms(1)).await?;
        }
        Ok(Next::Stay)
    }

    async fn put_off(
        &self,
        record: &Record,
        n: u32,
        failure: &Failure,
        retry_after_ms: Option<u64>,
    ) -> Result<Next, QueueError> {
        let jitter = Jitter(self.app.random::<1>()[0]);
        let delay_ms = retry_delay_ms(record.job.refusals + 1, jitter);
        let now = self.app.now();
        let until = now.plus_ms(delay_ms.max(retry_after_ms.unwrap_or(0)));
        let reason = &failure.message;
        jobs::put_off(&*self.app.db, self.job().id, n, now, until, reason).await?;
        self.watch.arm(until).await?;
        let asked = retry_after_ms.map(|ms| now.plus_ms(ms));
        gate::tell(self.app, record, Fate::PutOff(asked)).await;
        Ok(Next::Stay)
    }

    async fn refuse(&self, record: &Record, n: u32, failure: Failure) -> Result<Next, QueueError> {
        let attempt = ended_by(n, None, Heard::Submit);
        let ending = Ending::Failed(failure);
        let settled = settle::end(self.app, record, attempt, ending).await?;
        Ok(settled.into())
    }

    /// The inner error is final: what the job needs is not there any more.
    async fn order(&self, n: u32, begun: &Begun) -> Result<Result<Order, Failure>, QueueError> {
        let accepted = &begun.record.accepted;
        let Some(prompt) = self.prompt(begun).await? else {
            return Ok(Err(gone("the stored prompt")));
        };
        let Some(files) = self.files(&begun.record).await? else {
            return Ok(Err(gone("an input file")));
        };
        let claim = CallbackClaim {
            job: self.job().id,
            attempt: n,
        };
        Ok(Ok(Order {
            job: self.job().id,
            attempt: n,
            endpoint: accepted.endpoint.clone(),
            protocol: accepted.protocol,
            prompt,
            prompt_hash: accepted.prompt_hash.clone(),
            files,
            outputs: accepted.outputs.clone(),
            callback_url: format!(
                "{}/api/webhooks/{}/{}",
                self.app.config.public_url,
                self.provider.name(),
                self.app.signer.callback(claim)
            ),
            progress_url: format!(
                "{}/api/progress/{}",
                self.app.config.public_url,
                self.app.signer.progress(claim)
            ),
            execution_limit_ms: begun.record.job.execution_limit_from(self.app.now()),
            ttl_ms: begun.record.job.ttl_ms(self.app.now()),
            partner_key: self.watch.secret().await?,
            simulate: accepted.labels.get("simulate").cloned(),
        }))
    }

    /// What an order takes while it is sent: its files as they are, and a third more in base64; and
    /// a large prompt as it is stored, as it is marked, and twice in what is sent.
    async fn held_bytes(&self) -> Result<usize, QueueError> {
        let accepted = &self.record.accepted;
        let files: u64 = accepted.files.iter().map(|file| file.size_bytes).sum();
        let mut held = files.saturating_add(files.div_ceil(3).saturating_mul(4));
        if accepted.prompt_in_blob {
            let stored = self.app.blobs.head(&prompt_key(self.job().id)).await?;
            let size_bytes = stored.map_or(0, |meta| meta.size_bytes);
            held = held.saturating_add(size_bytes.saturating_mul(4));
        }
        Ok(usize::try_from(held).unwrap_or(usize::MAX))
    }

    async fn prompt(&self, begun: &Begun) -> Result<Option<Box<RawValue>>, QueueError> {
        let text = if begun.record.accepted.prompt_in_blob {
            let stored = self.app.blobs.read(&prompt_key(self.job().id)).await?;
            stored.and_then(|bytes| String::from_utf8(bytes.into()).ok())
        } else {
            begun.prompt.clone()
        };
        let mark = self.app.signer.name_mark(self.job().id);
        let text = text.map(|text| compile::mark_outputs(&text, &mark));
        Ok(text.and_then(|text| RawValue::from_string(text).ok()))
    }

    async fn files(&self, record: &Record) -> Result<Option<Vec<OrderFile>>, QueueError> {
        let mut files = Vec::new();
        for file in &record.accepted.files {
            let Some(bytes) = self.app.blobs.read(&file.key).await? else {
                return Ok(None);
            };
            files.push(OrderFile {
                name: file.name.clone(),
                content_type: file.content_type.clone(),
                bytes: Bytes::clone(&bytes),
            });
        }
        Ok(Some(files))
    }
}

fn gone(what: &str) -> Failure {
    let message = format!("{what} is no longer in the object store");
    Failure::of(Cause::Unsendable, message)
}
