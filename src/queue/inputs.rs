//! Inputs: files that callers upload before they use them.

use bytes::Bytes;

use super::{best_effort, Call, QueueError};
use crate::app::App;
use crate::log;
use crate::media::{self, Media};
use crate::ports::BlobMeta;
use crate::store::assets::{self, Asset};

#[derive(Debug)]
pub enum Uploaded {
    Stored(Asset),
    /// The bytes are of no kind that a job could use.
    NoMedia,
}

/// Stores a file under a random key, then its pointer by content. The same bytes twice are one
/// asset: the second copy is deleted.
pub async fn upload(app: &App, call: &Call, bytes: Bytes) -> Result<Uploaded, QueueError> {
    let Some(media) = media::sniff(&bytes) else {
        return Ok(Uploaded::NoMedia);
    };
    let stored = store(app, call, bytes, media).await?;
    Ok(Uploaded::Stored(stored))
}

/// The same for bytes of which `media` is known.
pub async fn store(
    app: &App,
    call: &Call,
    bytes: Bytes,
    media: Media,
) -> Result<Asset, QueueError> {
    let asset = asset(app, &bytes, &media);
    let meta = BlobMeta {
        size_bytes: asset.size_bytes,
        content_type: asset.content_type.clone(),
        hash: asset.hash.clone(),
        name: format!("input.{}", media.extension),
    };
    app.blobs.put(&asset.key, bytes, &meta).await?;
    let standing = assets::put(&*app.db, &call.caller, &asset).await?;
    if standing.key != asset.key {
        best_effort::discard(app, vec![asset.key]).await;
    }
    app.log(
        log::info("input.stored")
            .with("request_id", call.request_id.as_str())
            .with("caller", call.caller.as_str())
            .with("kind", standing.kind.as_str())
            .with("size_bytes", standing.size_bytes),
    );
    Ok(standing)
}

fn asset(app: &App, bytes: &Bytes, media: &Media) -> Asset {
    Asset {
        hash: blake3::hash(bytes).to_hex().to_string(),
        key: format!("assets/{}", app.mint_job_id()),
        content_type: media.content_type.to_owned(),
        kind: media.kind,
        size_bytes: bytes.len() as u64,
        width: media.width,
        height: media.height,
        name: None,
        created_at: app.now(),
    }
}
