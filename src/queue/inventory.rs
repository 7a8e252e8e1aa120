//! Inventories: what the ComfyUI behind an endpoint has, told by the operator.

use thiserror::Error;

use super::QueueError;
use crate::app::App;
use crate::log;
use crate::store::inventories::{self, Stored};
use crate::store::StoreError;
use crate::workflow::inventory::{self, Inventory, InventoryError};

/// Classes that travel in one statement: its text stays well below D1's 2 MB, also where one class
/// alone is more than this.
const CHUNK_BYTES_MAX: usize = 512 << 10;

#[derive(Debug, Error)]
pub enum PutError {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// Another one was adopted while this one was being added.
    #[error("another inventory was put at the same time")]
    Overtaken,
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl From<StoreError> for PutError {
    fn from(error: StoreError) -> Self {
        Self::Queue(error.into())
    }
}

/// The inventory that counts now, and whether it is another than before.
#[derive(Debug)]
pub struct Put {
    pub stored: Stored,
    pub changed: bool,
}

/// Takes an `object_info` for the endpoint, the current one unless named. Jobs are checked against
/// the old inventory until the new one is complete. The same inventory twice writes nothing.
pub async fn put(app: &App, endpoint: Option<&str>, object_info: &[u8]) -> Result<Put, PutError> {
    let endpoint = endpoint.unwrap_or_else(|| app.providers.current.endpoint());
    let inventory = inventory::read(object_info)?;
    let standing = inventories::find(&*app.db, endpoint).await?;
    if let Some(stored) = standing.filter(|stored| stored.hash == inventory.hash) {
        return Ok(Put {
            stored,
            changed: false,
        });
    }
    for chunk in chunks(&inventory) {
        inventories::add(&*app.db, endpoint, &inventory.hash, &chunk).await?;
    }
    let wanted = row(app, endpoint, inventory);
    let standing = inventories::adopt(&*app.db, &wanted).await?;
    let stored = standing
        .filter(|stored| stored.hash == wanted.hash)
        .ok_or(PutError::Overtaken)?;
    app.log(
        log::info("inventory.adopted")
            .with("endpoint", stored.endpoint.as_str())
            .with("hash", stored.hash.as_str())
            .with("classes", stored.classes),
    );
    Ok(Put {
        stored,
        changed: true,
    })
}

/// What is known of the endpoint's inventory, without its classes.
pub async fn show(app: &App, endpoint: Option<&str>) -> Result<Option<Stored>, QueueError> {
    let endpoint = endpoint.unwrap_or_else(|| app.providers.current.endpoint());
    Ok(inventories::find(&*app.db, endpoint).await?)
}

fn row(app: &App, endpoint: &str, inventory: Inventory) -> Stored {
    Stored {
        endpoint: endpoint.to_owned(),
        classes: inventory.classes.len() as u64,
        lists: inventory.lists as u64,
        size_bytes: inventory.size_bytes() as u64,
        put_at: app.now(),
        hash: inventory.hash,
        lists_left_out: inventory.lists_left_out,
    }
}

fn chunks(inventory: &Inventory) -> Vec<Vec<(&str, &str)>> {
    let mut chunks = Vec::new();
    let mut chunk = Vec::new();
    let mut size_bytes = 0;
    for (name, entry) in &inventory.classes {
        let class_bytes = name.len() + entry.len();
        if size_bytes + class_bytes > CHUNK_BYTES_MAX && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            size_bytes = 0;
        }
        size_bytes += class_bytes;
        chunk.push((name.as_str(), entry.as_str()));
    }
    chunks.push(chunk);
    chunks
}
