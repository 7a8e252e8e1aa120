//! The jobs' watchers seen from outside: one durable object per job, found by the job's id.

use std::sync::Arc;

use async_trait::async_trait;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::Promise;
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

use super::respond::Handle;
use crate::id::JobId;
use crate::ports::{BlobBody, WatcherError, Watchers};
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

/// The namespace's binding.
pub struct DurableWatchers(pub SendWrapper<JsValue>);

impl DurableWatchers {
    async fn call(
        &self,
        job: JobId,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<SendWrapper<web_sys::Response>, WatcherError> {
        let namespace = &self.0 .0;
        let headers: Vec<_> = last_event_id
            .map(|id| ("last-event-id", id))
            .into_iter()
            .collect();
        let headers = serde_json::to_string(&headers).map_err(|e| WatcherError(e.to_string()))?;
        let called = SendFuture::new(async move {
            let promise = call(namespace, &job.to_string(), path, &headers, None)?;
            JsFuture::from(promise)
                .await
                .map(JsCast::unchecked_into::<web_sys::Response>)
        });
        let response = called
            .await
            .map_err(|error| WatcherError(format!("{error:?}")))?;
        if response.status() >= 400 {
            let message = format!("{path} answered {}", response.status());
            return Err(WatcherError(message));
        }
        Ok(SendWrapper(response))
    }
}

#[async_trait]
impl Watchers for DurableWatchers {
    async fn wake(&self, job: JobId) -> Result<(), WatcherError> {
        self.call(job, "/wake", None).await.map(drop)
    }

    async fn wait(&self, job: JobId, version: u64, limit_ms: u32) -> Result<(), WatcherError> {
        let path = format!("/wait?version={version}&limit_ms={limit_ms}");
        self.call(job, &path, None).await.map(drop)
    }

    async fn alarm_at(&self, job: JobId) -> Result<Option<UnixMillis>, WatcherError> {
        let response = self.call(job, "/alarm", None).await?;
        let read = async move { JsFuture::from(response.0.text()?).await };
        let text = SendFuture::new(read).await;
        let text = text.map_err(|error| WatcherError(format!("{error:?}")))?;
        let text = text.as_string().unwrap_or_default();
        Ok(text.parse().map(UnixMillis::new).ok())
    }

    async fn events(&self, job: JobId, after: Option<&str>) -> Result<BlobBody, WatcherError> {
        let response = self.call(job, "/events", after).await?;
        let stream = response
            .0
            .body()
            .ok_or_else(|| WatcherError("no stream".into()))?;
        Ok(BlobBody::Platform(Arc::new(Handle(SendWrapper(stream)))))
    }
}
