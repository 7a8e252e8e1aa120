//! D1 behind the port [`Db`].
//!
//! Speaks to the binding itself rather than through `worker::d1`: a batch crosses the border of
//! Wasm as one JSON text and its results come back as one, and the runtime keeps each statement's
//! text from its first use on.

use std::cell::RefCell;
use std::collections::HashMap;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::value::RawValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Error, JsString, Promise};
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;

use crate::parse;
use crate::ports::{Db, DbError, Outcome, Param, Statement};

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    type Database;
    #[wasm_bindgen(constructor)]
    fn new(binding: &JsValue) -> Database;
    #[wasm_bindgen(method, catch)]
    fn prepare(this: &Database, number: u32, sql: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn batch(this: &Database, statements: &str) -> Result<Promise, JsValue>;
}

pub struct D1(SendWrapper<Known>);

/// The database, and the numbers under which it was told its statements. They are constants of the
/// program: the place of the text names it.
struct Known {
    database: Database,
    numbers: RefCell<HashMap<*const str, u32>>,
}

impl D1 {
    pub fn new(binding: &JsValue) -> Self {
        Self(SendWrapper(Known {
            database: Database::new(binding),
            numbers: RefCell::default(),
        }))
    }
}

#[async_trait]
impl Db for D1 {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DbError> {
        let known = &self.0 .0;
        let work = async move { known.run(&statements).await.map_err(|e| failure(&e)) };
        outcomes(&SendFuture::new(work).await?)
    }
}

impl Known {
    async fn run(&self, statements: &[Statement]) -> Result<String, JsValue> {
        let mut bound = Vec::with_capacity(statements.len());
        for statement in statements {
            bound.push((self.number(statement.sql)?, values(&statement.params)));
        }
        let text = serde_json::to_string(&bound).map_err(|error| error.to_string())?;
        let results = JsFuture::from(self.database.batch(&text)?).await?;
        Ok(results.unchecked_into::<JsString>().into())
    }

    fn number(&self, sql: &'static str) -> Result<u32, JsValue> {
        let mut numbers = self.numbers.borrow_mut();
        if let Some(number) = numbers.get(&std::ptr::from_ref(sql)) {
            return Ok(*number);
        }
        let number = u32::try_from(numbers.len()).map_err(|error| error.to_string())?;
        self.database.prepare(number, sql)?;
        numbers.insert(sql, number);
        Ok(number)
    }
}

/// D1 takes JavaScript numbers, exact up to 2^53: as JSON an integer becomes one.
#[derive(Serialize)]
#[serde(untagged)]
enum Bound<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
}

fn values(params: &[Param]) -> Vec<Bound<'_>> {
    let one = |param| match param {
        &Param::Null => Bound::Null,
        &Param::Integer(number) => Bound::Integer(number),
        Param::Text(text) => Bound::Text(text),
    };
    params.iter().map(one).collect()
}

/// The batch was committed: that its answer cannot be read does not undo it.
fn outcomes(text: &str) -> Result<Vec<Outcome>, DbError> {
    let read: Vec<(&RawValue, u64, u64)> =
        parse::json(text).map_err(|error| DbError::Unknown(error.to_string()))?;
    let one = |(rows, changes, rows_written): (&RawValue, u64, u64)| Outcome {
        rows: rows.get().to_owned(),
        changes,
        rows_written,
    };
    Ok(read.into_iter().map(one).collect())
}

/// Refusals of the statement itself: nothing was committed
/// (Cloudflare's documentation, D1, Debug D1).
const REFUSED: [&str; 3] = ["SQLITE_", "D1_TYPE_ERROR", "Wrong number of parameter"];
/// Refusals before the queue: nothing was committed, and asking again makes it worse.
const OVERLOADED: [&str; 2] = ["D1 DB is overloaded", "Too many requests queued"];

/// What is not known to be a refusal may have been committed.
fn failure(error: &JsValue) -> DbError {
    let text = error
        .dyn_ref::<Error>()
        .map_or_else(|| format!("{error:?}"), |error| error.message().into());
    if OVERLOADED.iter().any(|part| text.contains(part)) {
        DbError::Overloaded(text)
    } else if REFUSED.iter().any(|part| text.contains(part)) {
        DbError::Refused(text)
    } else {
        DbError::Unknown(text)
    }
}
