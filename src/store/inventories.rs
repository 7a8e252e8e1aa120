//! The tables `inventories` and `node_classes`: what each endpoint's ComfyUI has.
//!
//! The row of `inventories` says which classes count: those with its hash. A new inventory is added
//! beside the old one and adopted when it is complete, in one batch that also deletes what no
//! longer counts. A reader sees one or the other, whole.

use serde::Deserialize;

use super::{batch, rows, StoreError};
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

#[derive(Deserialize)]
struct Row {
    endpoint: String,
    hash: String,
    classes: u64,
    lists: u64,
    lists_left_out_json: String,
    size_bytes: u64,
    put_at: UnixMillis,
}

#[derive(Deserialize)]
struct ClassRow {
    hash: String,
    class: Option<String>,
    entry: Option<String>,
}

#[derive(Deserialize)]
struct NameRow {
    class: String,
}

/// Adds classes, each with its entry's text, to an inventory that does not count yet.
pub async fn add(
    db: &dyn Db,
    endpoint: &str,
    hash: &str,
    classes: &[(&str, &str)],
) -> Result<(), StoreError> {
    let pairs = classes.iter().map(|(name, entry)| vec![*name, *entry]);
    let list: serde_json::Value = pairs.collect();
    let add = Statement {
        sql: ADD,
        params: vec![endpoint.into(), hash.into(), list.to_string().into()],
    };
    batch(db, vec![add]).await.map(drop)
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
    let outcomes = batch(db, vec![adopt, forget, select(&stored.endpoint)]).await?;
    Ok(rows::<Row>(FIND, &outcomes[2])?
        .into_iter()
        .next()
        .map(Into::into))
}

pub async fn find(db: &dyn Db, endpoint: &str) -> Result<Option<Stored>, StoreError> {
    let outcomes = batch(db, vec![select(endpoint)]).await?;
    Ok(rows::<Row>(FIND, &outcomes[0])?
        .into_iter()
        .next()
        .map(Into::into))
}

/// Those of the named classes that the endpoint has. `None`: it has no inventory.
pub async fn load(
    db: &dyn Db,
    endpoint: &str,
    names: &[&str],
) -> Result<Option<Loaded>, StoreError> {
    let list = serde_json::Value::from(names.to_vec()).to_string();
    let load = Statement {
        sql: LOAD,
        params: vec![endpoint.into(), list.into()],
    };
    let outcomes = batch(db, vec![load]).await?;
    let rows = rows::<ClassRow>(LOAD, &outcomes[0])?;
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
    let names = Statement {
        sql: NAMES,
        params: vec![endpoint.into()],
    };
    let outcomes = batch(db, vec![names]).await?;
    let rows = rows::<NameRow>(NAMES, &outcomes[0])?;
    Ok(rows.into_iter().map(|row| row.class).collect())
}

fn select(endpoint: &str) -> Statement {
    Statement {
        sql: FIND,
        params: vec![endpoint.into()],
    }
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            endpoint: row.endpoint,
            hash: row.hash,
            classes: row.classes,
            lists: row.lists,
            // Our own text; what cannot be read names nothing.
            lists_left_out: parse::json(&row.lists_left_out_json).unwrap_or_default(),
            size_bytes: row.size_bytes,
            put_at: row.put_at,
        }
    }
}
