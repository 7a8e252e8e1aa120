//! The tables `inventories` and `node_classes`: what each endpoint's ComfyUI has.
//!
//! The row of `inventories` says which classes count: those with its hash. A new inventory is added
//! beside the old one and adopted when it is complete, in one batch that also deletes what no
//! longer counts. A reader sees one or the other, whole.

use super::row::{from_row, FromRow, Row};
use super::{ask, batch, StoreError};
use crate::parse;
use crate::ports::{Db, Statement};
use crate::time::UnixMillis;

/// What was added already stays: the same hash means the same entry.
pub const ADD: &str = "-- inventories::add
INSERT INTO node_classes (endpoint, hash, class, entry)
SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3) WHERE true
ON CONFLICT DO NOTHING";

/// Only when every class is there: another inventory that was adopted meanwhile has deleted them.
pub const ADOPT: &str = "-- inventories::adopt
INSERT INTO inventories (endpoint, hash, classes, lists, lists_left_out_json, size_bytes, put_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE (SELECT count(*) FROM node_classes WHERE endpoint = ?1 AND hash = ?2) = ?3
ON CONFLICT (endpoint) DO UPDATE SET hash = excluded.hash, classes = excluded.classes,
  lists = excluded.lists, lists_left_out_json = excluded.lists_left_out_json,
  size_bytes = excluded.size_bytes, put_at = excluded.put_at";

pub const FORGET: &str = "-- inventories::adopt (forget the old)
DELETE FROM node_classes
WHERE endpoint = ?1 AND hash <> (SELECT hash FROM inventories WHERE endpoint = ?1)";

pub const FIND: &str = "-- inventories::find
SELECT endpoint, hash, classes, lists, lists_left_out_json, size_bytes, put_at FROM inventories
WHERE endpoint = ?1";

/// One row without a class where the endpoint has an inventory and none of the classes.
pub const LOAD: &str = "-- inventories::load
SELECT i.hash, c.class, c.entry FROM inventories AS i LEFT JOIN node_classes AS c
ON c.endpoint = i.endpoint AND c.hash = i.hash AND c.class IN (SELECT value FROM json_each(?2))
WHERE i.endpoint = ?1";

pub const NAMES: &str = "-- inventories::names
SELECT c.class FROM inventories AS i JOIN node_classes AS c
ON c.endpoint = i.endpoint AND c.hash = i.hash
WHERE i.endpoint = ?1";

/// An endpoint's inventory, without its classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub endpoint: String,
    pub hash: String,
    pub classes: u64,
    pub lists: u64,
    pub lists_left_out: Vec<String>,
    pub size_bytes: u64,
    pub put_at: UnixMillis,
}

/// Some classes of one inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub hash: String,
    /// Name and entry of each class that was asked for and is there.
    pub classes: Vec<(String, String)>,
}

impl FromRow for Stored {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            endpoint: row.get("endpoint")?,
            hash: row.get("hash")?,
            classes: row.get("classes")?,
            lists: row.get("lists")?,
            // Our own text; what cannot be read names nothing.
            lists_left_out: parse::json(&row.get::<String>("lists_left_out_json")?)
                .unwrap_or_default(),
            size_bytes: row.get("size_bytes")?,
            put_at: row.get("put_at")?,
        })
    }
}

struct ClassRow {
    hash: String,
    class: Option<String>,
    entry: Option<String>,
}
from_row!(ClassRow { hash, class, entry });

/// Adds classes, each with its entry's text, to an inventory that does not count yet.
pub async fn add(
    db: &dyn Db,
    endpoint: &str,
    hash: &str,
    classes: &[(&str, &str)],
) -> Result<(), StoreError> {
    let pairs = classes.iter().map(|(name, entry)| vec![*name, *entry]);
    let list: serde_json::Value = pairs.collect();
    let params = vec![endpoint.into(), hash.into(), list.to_string().into()];
    ask(db, ADD, params).await.map(drop)
}

/// Lets `stored` count from now on, if all its classes are there. Answers what counts.
pub async fn adopt(db: &dyn Db, stored: &Stored) -> Result<Option<Stored>, StoreError> {
    let left_out = serde_json::Value::from(stored.lists_left_out.clone());
    let adopt = Statement {
        sql: ADOPT,
        params: vec![
            stored.endpoint.as_str().into(),
            stored.hash.as_str().into(),
            stored.classes.into(),
            stored.lists.into(),
            left_out.to_string().into(),
            stored.size_bytes.into(),
            stored.put_at.into(),
        ],
    };
    let forget = Statement {
        sql: FORGET,
        params: vec![stored.endpoint.as_str().into()],
    };
    let find = Statement {
        sql: FIND,
        params: vec![stored.endpoint.as_str().into()],
    };
    batch(db, vec![adopt, forget, find]).await?[2].row()
}

pub async fn find(db: &dyn Db, endpoint: &str) -> Result<Option<Stored>, StoreError> {
    ask(db, FIND, vec![endpoint.into()]).await?.row()
}

/// Those of the named classes that the endpoint has. `None`: it has no inventory.
pub async fn load(
    db: &dyn Db,
    endpoint: &str,
    names: &[&str],
) -> Result<Option<Loaded>, StoreError> {
    let list = serde_json::Value::from(names.to_vec()).to_string();
    let answer = ask(db, LOAD, vec![endpoint.into(), list.into()]).await?;
    let rows: Vec<ClassRow> = answer.rows()?;
    let Some(hash) = rows.first().map(|row| row.hash.clone()) else {
        return Ok(None);
    };
    let classes = rows.into_iter().filter_map(|row| row.class.zip(row.entry));
    Ok(Some(Loaded {
        hash,
        classes: classes.collect(),
    }))
}

/// The names of all classes of an endpoint.
pub async fn names(db: &dyn Db, endpoint: &str) -> Result<Vec<String>, StoreError> {
    ask(db, NAMES, vec![endpoint.into()]).await?.rows()
}
