//! The jobs' watchers seen from outside: one durable object per job, found by the job's id.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{select, Either};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::Promise;
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{web_sys, Delay};

use super::respond::Handle;
use crate::id::{JobId, Secret};
use crate::job::{Progress, Told};
use crate::parse;
use crate::ports::{BlobBody, Listen, Listening, Surface, WatcherError, Watchers};
use crate::time::UnixMillis;

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    pub(super) fn call(
        namespace: &JsValue,
        name: &str,
        path: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Result<Promise, JsValue>;
}

/// The whole answer of an object.
pub(super) async fn text(response: &web_sys::Response) -> Result<String, JsValue> {
    let text = JsFuture::from(response.text()?).await?;
    Ok(text.as_string().unwrap_or_default())
}

type Answered = SendWrapper<web_sys::Response>;

/// How a watcher says that it has no room for another listener.
pub const FULL: u16 = 429;

/// The namespace's binding.
pub struct DurableWatchers(pub SendWrapper<JsValue>);

impl DurableWatchers {
    async fn call(&self, job: JobId, path: &str) -> Result<Answered, WatcherError> {
        self.call_with(job, path, None, None).await
    }

    async fn call_with(
        &self,
        job: JobId,
        path: &str,
        last_event_id: Option<&str>,
        body: Option<&str>,
    ) -> Result<Answered, WatcherError> {
        let namespace = &self.0 .0;
        let headers: Vec<_> = last_event_id
            .map(|id| ("last-event-id", id))
            .into_iter()
            .collect();
        let headers = serde_json::to_string(&headers).map_err(|e| WatcherError(e.to_string()))?;
        let called = SendFuture::new(async move {
            let promise = call(namespace, &job.to_string(), path, &headers, body)?;
            JsFuture::from(promise)
                .await
                .map(JsCast::unchecked_into::<web_sys::Response>)
        });
        let response = called
            .await
            .map_err(|error| WatcherError(format!("{error:?}")))?;
        if response.status() >= 400 && response.status() != FULL {
            let message = format!("{path} answered {}", response.status());
            return Err(WatcherError(message));
        }
        Ok(SendWrapper(response))
    }
}

#[async_trait]
impl Watchers for DurableWatchers {
    async fn wake(&self, job: JobId) -> Result<(), WatcherError> {
        self.call(job, "/wake").await.map(drop)
    }

    async fn wait(&self, job: JobId, version: u64, limit_ms: u32) -> Result<(), WatcherError> {
        let path = format!("/wait?version={version}&limit_ms={limit_ms}");
        self.call(job, &path).await.map(drop)
    }

    async fn alarm_at(&self, job: JobId) -> Result<Option<UnixMillis>, WatcherError> {
        let response = self.call(job, "/alarm").await?;
        let text = SendFuture::new(async move { text(&response.0).await }).await;
        let text = text.map_err(|error| WatcherError(format!("{error:?}")))?;
        Ok(text.parse().map(UnixMillis::new).ok())
    }

    async fn events(&self, job: JobId, listen: Listen<'_>) -> Result<Listening, WatcherError> {
        let path = match listen.surface {
            Surface::Queue => "/events",
            Surface::Comfy => "/events/comfy",
        };
        let response = self.call_with(job, path, listen.after, None).await?;
        if response.0.status() == FULL {
            return Ok(Listening::Full);
        }
        let stream = response
            .0
            .body()
            .ok_or_else(|| WatcherError("no stream".into()))?;
        let handle = Arc::new(Handle(SendWrapper(stream)));
        Ok(Listening::Stream(BlobBody::Platform(handle)))
    }

    async fn keep(&self, job: JobId, secret: &Secret) -> Result<(), WatcherError> {
        self.call_with(job, "/keep", None, Some(secret.reveal()))
            .await
            .map(drop)
    }

    async fn tell(&self, job: JobId, told: &Told) -> Result<(), WatcherError> {
        let body = serde_json::to_string(told).map_err(|e| WatcherError(e.to_string()))?;
        self.call_with(job, "/tell", None, Some(&body))
            .await
            .map(drop)
    }

    async fn progress(&self, job: JobId, limit_ms: u32) -> Result<Option<Progress>, WatcherError> {
        let limit = SendFuture::new(async move {
            Delay::from(Duration::from_millis(limit_ms.into())).await;
        });
        let asked = Box::pin(self.call(job, "/progress"));
        let Either::Left((called, _)) = select(asked, Box::pin(limit)).await else {
            return Ok(None);
        };
        let response = called?;
        let text = SendFuture::new(async move { text(&response.0).await }).await;
        let text = text.map_err(|error| WatcherError(format!("{error:?}")))?;
        parse::json(&text).map_err(|e| WatcherError(e.to_string()))
    }
}
