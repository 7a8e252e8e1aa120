//! R2 behind the port [`Blobs`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use worker::send::{SendFuture, SendWrapper};
use worker::{Bucket, HttpMetadata, Object, ObjectBody, Range, ResponseBody, Result};

use super::parts::R2Writer;
use super::respond::Handle;
use crate::ports::{
    Blob, BlobBody, BlobError, BlobLabel, BlobMeta, BlobPage, BlobWriter, Blobs, ByteRange, Listed,
};
use crate::time::UnixMillis;

/// R2 deletes at most so many objects in one call.
const DELETE_MAX: usize = 1_000;

pub struct R2(pub SendWrapper<Bucket>);

#[async_trait]
impl Blobs for R2 {
    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        label: &BlobLabel,
    ) -> std::result::Result<u64, BlobError> {
        ours(put(&self.0 .0, key, bytes, label)).await
    }

    async fn begin(
        &self,
        key: &str,
        label: &BlobLabel,
    ) -> std::result::Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(R2Writer::new(&self.0 .0, key, label)?))
    }

    async fn head(&self, key: &str) -> std::result::Result<Option<BlobMeta>, BlobError> {
        ours(async {
            let found = self.0 .0.head(key).await?;
            found.map(|object| meta_of(&object)).transpose()
        })
        .await
    }

    async fn get(
        &self,
        key: &str,
        range: Option<ByteRange>,
    ) -> std::result::Result<Option<Blob>, BlobError> {
        ours(get(&self.0 .0, key, range)).await
    }

    async fn read(&self, key: &str) -> std::result::Result<Option<Bytes>, BlobError> {
        ours(async {
            let found = self.0 .0.get(key).execute().await?;
            match found.as_ref().and_then(Object::body) {
                Some(body) => Ok(Some(body.bytes().await?.into())),
                None => Ok(None),
            }
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> std::result::Result<(), BlobError> {
        ours(async {
            for some in keys.chunks(DELETE_MAX) {
                self.0 .0.delete_multiple(some.to_vec()).await?;
            }
            Ok(())
        })
        .await
    }

    async fn page(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> std::result::Result<BlobPage, BlobError> {
        ours(async {
            let list = self.0 .0.list().limit(limit);
            let list = match cursor {
                Some(cursor) => list.cursor(cursor),
                None => list,
            };
            let found = list.execute().await?;
            let listed = |object: &Object| {
                let at = i64::try_from(object.uploaded().as_millis()).unwrap_or(i64::MAX);
                Listed {
                    key: object.key(),
                    uploaded_at: UnixMillis::new(at),
                }
            };
            Ok(BlobPage {
                objects: found.objects().iter().map(listed).collect(),
                next: found.cursor(),
            })
        })
        .await
    }

    async fn list(&self, prefix: &str, limit: u32) -> std::result::Result<Vec<String>, BlobError> {
        ours(async {
            let found = self
                .0
                 .0
                .list()
                .prefix(prefix)
                .limit(limit)
                .execute()
                .await?;
            Ok(found.objects().iter().map(Object::key).collect())
        })
        .await
    }
}

/// A future of the platform as one of ours.
fn ours<'a, T: 'a>(
    work: impl Future<Output = Result<T>> + 'a,
) -> SendFuture<impl Future<Output = std::result::Result<T, BlobError>> + 'a> {
    SendFuture::new(async { work.await.map_err(|error| BlobError(error.to_string())) })
}

async fn put(bucket: &Bucket, key: &str, bytes: Bytes, label: &BlobLabel) -> Result<u64> {
    let hash = label
        .hash
        .iter()
        .map(|hash| ("blake3".to_owned(), hash.clone()));
    let own = hash.chain([("name".to_owned(), label.name.clone())]);
    let put = bucket
        .put(key, Vec::from(bytes))
        .http_metadata(HttpMetadata {
            content_type: Some(label.content_type.clone()),
            ..HttpMetadata::default()
        });
    let stored = put
        .custom_metadata(own.collect::<HashMap<_, _>>())
        .execute()
        .await?;
    Ok(stored.map_or(0, |object| object.size()))
}

async fn get(bucket: &Bucket, key: &str, range: Option<ByteRange>) -> Result<Option<Blob>> {
    let get = bucket.get(key);
    let get = match range {
        None => get,
        Some(ByteRange { offset, length }) => get.range(Range::OffsetWithLength { offset, length }),
    };
    let Some(object) = get.execute().await? else {
        return Ok(None);
    };
    let body = match object.body().map(ObjectBody::response_body).transpose()? {
        Some(ResponseBody::Stream(stream)) => {
            BlobBody::Platform(Arc::new(Handle(SendWrapper(stream))))
        }
        Some(ResponseBody::Body(bytes)) => BlobBody::Bytes(bytes.into()),
        Some(ResponseBody::Empty) | None => BlobBody::Bytes(Bytes::new()),
    };
    let meta = meta_of(&object)?;
    Ok(Some(Blob { meta, body }))
}

fn meta_of(object: &Object) -> Result<BlobMeta> {
    let own = object.custom_metadata()?;
    Ok(BlobMeta {
        size_bytes: object.size(),
        label: BlobLabel {
            content_type: object.http_metadata().content_type.unwrap_or_default(),
            name: own.get("name").cloned().unwrap_or_default(),
            hash: own.get("blake3").cloned(),
        },
    })
}
