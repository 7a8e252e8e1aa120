//! `Watcher`: the durable object that looks after one job until nothing is left to do.
//!
//! What it guarantees: its alarm is set before any step and never fails, so a job goes on whatever
//! dies; a wake that arrives while a step runs is never lost, because it only ever moves the alarm
//! earlier, and a step that saw a wake does not forget the job. The runtime runs one alarm at a
//! time, and other calls interleave only where the step awaits something else than storage.
//!
//! What it stores: its alarm, the number of the attempt whose submit was begun, the provider's name
//! for it if the database could not take that, and a secret that the caller gave for the job,
//! sealed. Everything else is in the job's row. Listeners live in memory: they come back by
//! themselves after a restart.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use worker::send::{SendFuture, SendWrapper};
use worker::{durable_object, Date, Delay, DurableObject, Env, Request, Response, Result};
use worker::{ScheduledTime, State, Storage};

use super::seal;
use super::watchers::FULL;
use crate::app::App;
use crate::http::RENDER;
use crate::id::{JobId, ProviderId, Secret};
use crate::job::Told;
use crate::parse;
use crate::ports::{Listen, Surface, Watch, WatcherError, ORPHAN_MS};
use crate::queue::advance::{on_alarm, Next};
use crate::queue::listen::Hub;
use crate::time::UnixMillis;

/// Until the next try of a watcher that has no settings.
const UNCONFIGURED: Duration = Duration::from_mins(1);

/// Where the number of the attempt is kept whose submit was begun.
const SENDING: &str = "sending";

/// Where the provider's name for an attempt is kept that the database could not take.
const SENT: &str = "sent";

/// Where a caller's secret is kept, sealed.
const SECRET: &str = "secret";

#[durable_object]
pub struct Watcher {
    state: State,
    app: AssertUnwindSafe<std::result::Result<Arc<App>, String>>,
    hub: AssertUnwindSafe<Arc<Hub>>,
    /// Wakes heard by this instance: tells a step that somebody asked for another one meanwhile.
    wakes: AssertUnwindSafe<Cell<u64>>,
}

impl DurableObject for Watcher {
    fn new(state: State, env: Env) -> Self {
        let app = super::app(&env).map_err(|_| "the service is not configured".to_owned());
        Self {
            state,
            app: AssertUnwindSafe(app),
            hub: AssertUnwindSafe(Arc::new(Hub::new(RENDER))),
            wakes: AssertUnwindSafe(Cell::new(0)),
        }
    }

    /// Twice is the same as once, for every call.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (app, id) = self.job()?;
        match request.path().as_str() {
            "/wake" => {
                self.wakes.set(self.wakes.get() + 1);
                let at = app.now().plus_ms(1);
                let armed = self.watch()?.arm_storage(at).await;
                // The row has changed, whether or not the storage can take the alarm.
                self.hub.publish(&app, id).await;
                armed?;
                Response::empty()
            }
            "/alarm" => {
                let at = self.state.storage().get_alarm().await?;
                Response::ok(at.map_or_else(String::new, |at| at.to_string()))
            }
            "/wait" => {
                let number = |name: &str| {
                    let url = request.url().ok()?;
                    let found = url.query_pairs().find(|(key, _)| key == name)?;
                    found.1.parse::<u64>().ok()
                };
                let version = number("version").unwrap_or(0);
                let limit = Duration::from_millis(number("limit_ms").unwrap_or(0));
                self.hub.wait(&app, id, version, Delay::from(limit)).await;
                Response::empty()
            }
            "/events" => self.events(&app, id, &request, Surface::Queue).await,
            "/events/comfy" => self.events(&app, id, &request, Surface::Comfy).await,
            "/tell" => {
                let told: Told = parse::json(&request.text().await?)?;
                self.hub.hear(&app, id, told).await;
                Response::empty()
            }
            "/keep" => {
                let secret = request.text().await?;
                let sealed = seal::seal(&app.signer, &secret).await;
                let sealed = sealed.ok_or("the secret cannot be sealed")?;
                self.state.storage().put(SECRET, sealed).await?;
                let at = app.now().plus_ms(ORPHAN_MS);
                self.watch()?.arm_storage(at).await?;
                Response::empty()
            }
            "/progress" => Response::from_json(&self.hub.progress()),
            _ => Response::error("no such call", 404),
        }
    }

    /// Running twice takes two steps, each of which is safe.
    async fn alarm(&self) -> Result<Response> {
        let Ok((app, id)) = self.job() else {
            // A deploy without its settings: its jobs wait for the next one.
            self.state.storage().set_alarm(UNCONFIGURED).await?;
            return Response::empty();
        };
        let wakes = self.wakes.get();
        // Fails only if no alarm could be set: then the platform rings again.
        let next = on_alarm(&app, &self.watch()?, id)
            .await
            .map_err(|error| error.to_string())?;
        let forgotten = if next == Next::Forget && self.wakes.get() == wakes {
            self.forget().await
        } else {
            Ok(())
        };
        // Last: reading the row lets other calls in, and a wake among them must find its alarm
        // standing afterwards.
        self.hub.publish(&app, id).await;
        forgotten?;
        Response::empty()
    }
}

impl Watcher {
    fn job(&self) -> Result<(Arc<App>, JobId)> {
        let name = self.state.id().name();
        let id = name.as_deref().and_then(JobId::parse);
        let id = id.ok_or("a watcher is named by its job")?;
        let app = self.app.as_ref().map_err(Clone::clone)?;
        Ok((Arc::clone(app), id))
    }

    async fn events(
        &self,
        app: &App,
        id: JobId,
        request: &Request,
        surface: Surface,
    ) -> Result<Response> {
        let last = request.headers().get("last-event-id")?;
        let listen = Listen {
            surface,
            after: last.as_deref(),
        };
        match self.hub.events(app, id, listen, Delay::from).await {
            Some(events) => Response::from_stream(events.map(Ok::<_, worker::Error>)),
            None => Response::error("too many listeners", FULL),
        }
    }

    fn watch(&self) -> Result<DurableWatch> {
        Ok(DurableWatch {
            storage: SendWrapper(self.state.storage()),
            hub: Arc::clone(&self.hub),
            app: self.job()?.0,
        })
    }

    async fn forget(&self) -> Result<()> {
        let storage = self.state.storage();
        // A delete is a row written, and the alarm that ends here has rung.
        if storage.get_alarm().await?.is_some() {
            storage.delete_alarm().await?;
        }
        storage.delete_all().await
    }
}

/// The watcher's own storage and listeners behind the port [`Watch`].
struct DurableWatch {
    storage: SendWrapper<Storage>,
    hub: Arc<Hub>,
    app: Arc<App>,
}

impl DurableWatch {
    async fn arm_storage(&self, at: UnixMillis) -> Result<()> {
        let storage = &self.storage.0;
        let set = storage.get_alarm().await?;
        // One that should have rung is stuck: it is set anew.
        let now = i64::try_from(Date::now().as_millis()).unwrap_or(0);
        if set.is_some_and(|set| now <= set && set <= at.get()) {
            return Ok(());
        }
        let at = chrono::DateTime::from_timestamp_millis(at.get()).unwrap_or_default();
        storage.set_alarm(ScheduledTime::from(at)).await
    }
}

fn lost(error: &worker::Error) -> WatcherError {
    WatcherError(error.to_string())
}

#[async_trait]
impl Watch for DurableWatch {
    async fn sending(&self) -> std::result::Result<Option<u32>, WatcherError> {
        let storage = SendWrapper(&self.storage.0);
        let read = SendFuture::new(async move { storage.0.get::<u32>(SENDING).await });
        read.await.map_err(|error| lost(&error))
    }

    async fn set_sending(&self, attempt: Option<u32>) -> std::result::Result<(), WatcherError> {
        let storage = SendWrapper(&self.storage.0);
        let write = SendFuture::new(async move {
            match attempt {
                Some(attempt) => storage.0.put(SENDING, attempt).await,
                None => storage.0.delete(SENDING).await.map(drop),
            }
        });
        write.await.map_err(|error| lost(&error))
    }

    async fn sent(&self) -> std::result::Result<Option<(u32, ProviderId)>, WatcherError> {
        let storage = SendWrapper(&self.storage.0);
        let read = SendFuture::new(async move { storage.0.get::<String>(SENT).await });
        let kept = read.await.map_err(|error| lost(&error))?;
        Ok(kept.and_then(|kept| {
            let (attempt, id) = kept.split_once(' ')?;
            Some((attempt.parse().ok()?, ProviderId::parse(id)?))
        }))
    }

    async fn keep_sent(
        &self,
        attempt: u32,
        id: &ProviderId,
    ) -> std::result::Result<(), WatcherError> {
        let storage = SendWrapper(&self.storage.0);
        let kept = format!("{attempt} {}", id.as_str());
        let write = SendFuture::new(async move { storage.0.put(SENT, kept).await });
        write.await.map_err(|error| lost(&error))
    }

    async fn secret(&self) -> std::result::Result<Option<Secret>, WatcherError> {
        let (storage, signer) = (SendWrapper(&self.storage.0), &self.app.signer);
        let read = SendFuture::new(async move {
            let Some(sealed) = storage.0.get::<String>(SECRET).await? else {
                return Ok(None);
            };
            let opened = seal::unseal(signer, &sealed).await;
            let lost = "no valid secret of TOKEN_SECRETS opens what is kept for this job";
            opened.map(Some).ok_or_else(|| lost.into())
        });
        read.await.map_err(|error: worker::Error| lost(&error))
    }

    fn tell(&self, told: Told) {
        self.hub.tell(&self.app, told);
    }

    fn take_early(&self) -> Vec<String> {
        self.hub.take_early()
    }

    async fn arm(&self, at: UnixMillis) -> std::result::Result<(), WatcherError> {
        SendFuture::new(self.arm_storage(at))
            .await
            .map_err(|error| lost(&error))
    }
}
