//! R2 behind the port [`Blobs`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use worker::send::{SendFuture, SendWrapper};
use worker::{Bucket, HttpMetadata, Object, Range, ResponseBody};

use super::respond::Handle;
use crate::ports::{Blob, BlobBody, BlobError, BlobMeta, Blobs, ByteRange};

/// R2 deletes at most so many objects in one call.
const DELETE_MAX: usize = 1_000;

pub struct R2(pub SendWrapper<Bucket>);

impl R2 {
    /// Runs a future of the platform as one of ours.
    async fn run<T>(
        &self,
        work: impl std::future::Future<Output = worker::Result<T>>,
    ) -> Result<T, BlobError> {
        let done = SendFuture::new(work).await;
        done.map_err(|error| BlobError(error.to_string()))
    }
}

#[async_trait]
impl Blobs for R2 {
    async fn put(&self, key: &str, bytes: Bytes, meta: &BlobMeta) -> Result<(), BlobError> {
        let put = SendWrapper(
            self.0
                 .0
                .put(key, Vec::from(bytes))
                .http_metadata(HttpMetadata {
                    content_type: Some(meta.content_type.clone()),
                    ..HttpMetadata::default()
                })
                .custom_metadata(HashMap::from([
                    ("blake3".to_owned(), meta.hash.clone()),
                    ("name".to_owned(), meta.name.clone()),
                ])),
        );
        self.run(async move { put.0.execute().await })
            .await
            .map(drop)
    }

    async fn head(&self, key: &str) -> Result<Option<BlobMeta>, BlobError> {
        let bucket = SendWrapper(&self.0 .0);
        let found = self.run(async move { bucket.0.head(key).await }).await?;
        found.map(|object| meta_of(&object)).transpose()
    }

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Blob>, BlobError> {
        let Some(object) = self.object(key, range).await? else {
            return Ok(None);
        };
        let object = SendWrapper(object);
        let meta = meta_of(&object.0)?;
        let stream = object.0.body().map(|body| body.response_body());
        match stream
            .transpose()
            .map_err(|error| BlobError(error.to_string()))?
        {
            Some(ResponseBody::Stream(stream)) => Ok(Some(Blob {
                meta,
                body: BlobBody::Platform(Arc::new(Handle(SendWrapper(stream)))),
            })),
            Some(ResponseBody::Body(bytes)) => Ok(Some(Blob {
                meta,
                body: BlobBody::Bytes(bytes.into()),
            })),
            Some(ResponseBody::Empty) | None => Ok(Some(Blob {
                meta,
                body: BlobBody::Bytes(Bytes::new()),
            })),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        let Some(object) = self.object(key, None).await?.map(SendWrapper) else {
            return Ok(None);
        };
        self.run(async move {
            match object.0.body() {
                Some(body) => body.bytes().await.map(|bytes| Some(bytes.into())),
                None => Ok(None),
            }
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BlobError> {
        for some in keys.chunks(DELETE_MAX) {
            let bucket = SendWrapper(&self.0 .0);
            let some = some.to_vec();
            self.run(async move { bucket.0.delete_multiple(some).await })
                .await?;
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, limit: u32) -> Result<Vec<String>, BlobError> {
        let list = SendWrapper(self.0 .0.list().prefix(prefix).limit(limit));
        let found = self.run(async move { list.0.execute().await }).await?;
        Ok(found.objects().iter().map(Object::key).collect())
    }
}

impl R2 {
    async fn object(
        &self,
        key: &str,
        range: Option<ByteRange>,
    ) -> Result<Option<Object>, BlobError> {
        let get = self.0 .0.get(key);
        let get = SendWrapper(match range {
            None => get,
            Some(range) => get.range(Range::OffsetWithLength {
                offset: range.offset,
                length: range.length,
            }),
        });
        self.run(async move { get.0.execute().await }).await
    }
}

fn meta_of(object: &Object) -> Result<BlobMeta, BlobError> {
    let own = object
        .custom_metadata()
        .map_err(|error| BlobError(error.to_string()))?;
    let text = |name: &str| own.get(name).cloned().unwrap_or_default();
    Ok(BlobMeta {
        size_bytes: object.size(),
        content_type: object.http_metadata().content_type.unwrap_or_default(),
        hash: text("blake3"),
        name: text("name"),
    })
}
