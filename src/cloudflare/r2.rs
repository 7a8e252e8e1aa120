//! R2 behind the port [`Blobs`].

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use worker::send::{SendFuture, SendWrapper};
use worker::{Bucket, HttpMetadata, Object, ObjectBody, Range, ResponseBody, Result};

use super::respond::Handle;
use crate::ports::{Blob, BlobBody, BlobError, BlobMeta, BlobPage, Blobs, ByteRange, Listed};
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
        meta: &BlobMeta,
    ) -> std::result::Result<(), BlobError> {
        ours(put(&self.0 .0, key, bytes, meta)).await
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

async fn put(bucket: &Bucket, key: &str, bytes: Bytes, meta: &BlobMeta) -> Result<()> {
    let own = [("blake3", &meta.hash), ("name", &meta.name)];
    let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
    let put = bucket
        .put(key, Vec::from(bytes))
        .http_metadata(HttpMetadata {
            content_type: Some(meta.content_type.clone()),
            ..HttpMetadata::default()
        });
    put.custom_metadata(HashMap::from(own))
        .execute()
        .await
        .map(drop)
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
    let text = |name: &str| own.get(name).cloned().unwrap_or_default();
    Ok(BlobMeta {
        size_bytes: object.size(),
        content_type: object.http_metadata().content_type.unwrap_or_default(),
        hash: text("blake3"),
        name: text("name"),
    })
}
