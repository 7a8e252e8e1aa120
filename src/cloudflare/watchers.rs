//! The jobs' watchers seen from outside: one durable object per job, found by the job's id.

use std::sync::Arc;

use async_trait::async_trait;
use worker::send::{SendFuture, SendWrapper};
use worker::{Headers, ObjectNamespace, Request, RequestInit, Response, ResponseBody};

use super::respond::Handle;
use crate::id::JobId;
use crate::ports::{BlobBody, WatcherError, Watchers};
use crate::time::UnixMillis;

pub struct DurableWatchers(pub SendWrapper<ObjectNamespace>);

impl DurableWatchers {
    async fn call(
        &self,
        job: JobId,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<SendWrapper<Response>, WatcherError> {
        let namespace = SendWrapper(&self.0 .0);
        let called = SendFuture::new(async move {
            let headers = Headers::new();
            if let Some(id) = last_event_id {
                headers.set("last-event-id", id)?;
            }
            let mut init = RequestInit::new();
            init.with_headers(headers);
            // The host is not looked up: the stub decides who answers.
            let request = Request::new_with_init(&format!("https://watcher{path}"), &init)?;
            let stub = namespace.0.get_by_name(&job.to_string())?;
            stub.fetch_with_request(request).await
        });
        let response = called
            .await
            .map_err(|error| WatcherError(error.to_string()))?;
        if response.status_code() >= 400 {
            let message = format!("{path} answered {}", response.status_code());
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
        let mut response = self.call(job, "/alarm", None).await?;
        let read = SendFuture::new(async move { response.0.text().await });
        let text = read
            .await
            .map_err(|error| WatcherError(error.to_string()))?;
        Ok(text.parse().map(UnixMillis::new).ok())
    }

    async fn events(&self, job: JobId, after: Option<&str>) -> Result<BlobBody, WatcherError> {
        let response = self.call(job, "/events", after).await?;
        match response.0.body() {
            ResponseBody::Stream(stream) => Ok(BlobBody::Platform(Arc::new(Handle(SendWrapper(
                stream.clone(),
            ))))),
            ResponseBody::Body(bytes) => Ok(BlobBody::Bytes(bytes.clone().into())),
            ResponseBody::Empty => Err(WatcherError("no stream".into())),
        }
    }
}
