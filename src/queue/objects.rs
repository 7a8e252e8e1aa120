//! Objects: which of these keys are stored, and how large each is.
//!
//! An operator who holds rows elsewhere, a backup's, asks whether their files are still here.

use super::QueueError;
use crate::app::App;

/// Keys of one question. A request may ask a thousand times in all (Cloudflare, Workers, Limits).
pub const KEYS_MAX: usize = 500;

/// The size of each object in bytes, in the order of the keys; `None`: it is not there.
pub async fn sizes(app: &App, keys: &[String]) -> Result<Vec<Option<u64>>, QueueError> {
    let mut sizes = Vec::with_capacity(keys.len());
    for key in keys {
        sizes.push(app.blobs.head(key).await?.map(|meta| meta.size_bytes));
    }
    Ok(sizes)
}
