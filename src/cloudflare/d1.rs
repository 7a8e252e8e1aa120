//! D1 behind the port [`Db`].
//!
//! Speaks to the binding itself rather than through `worker::d1`: rows travel as one JSON text per
//! statement, which the runtime writes and serde reads, instead of being picked apart member by
//! member across the border of Wasm.

use async_trait::async_trait;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Error, Promise, Reflect, JSON};
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::Env;

use crate::ports::{Db, DbError, Outcome, Param, Statement};

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type Database;
    #[wasm_bindgen(method, catch)]
    fn prepare(this: &Database, sql: &str) -> Result<Prepared, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn batch(this: &Database, statements: &Array) -> Result<Promise, JsValue>;

    type Prepared;
    #[wasm_bindgen(method, catch, variadic)]
    fn bind(this: &Prepared, values: &Array) -> Result<Prepared, JsValue>;
}

pub struct D1(SendWrapper<Database>);

impl D1 {
    pub fn new(env: &Env, binding: &str) -> worker::Result<Self> {
        let database = Reflect::get(env.as_ref(), &binding.into())?;
        if database.is_undefined() {
            return Err(format!("the binding {binding} is missing").into());
        }
        Ok(Self(SendWrapper(database.unchecked_into())))
    }
}

#[async_trait]
impl Db for D1 {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DbError> {
        let database = self.0 .0.clone();
        SendFuture::new(async move { run(&database, &statements).await.map_err(|e| failure(&e)) })
            .await
    }
}

async fn run(database: &Database, statements: &[Statement]) -> Result<Vec<Outcome>, JsValue> {
    let batch = Array::new();
    for statement in statements {
        let values: Array = statement.params.iter().map(bound).collect();
        batch.push(&database.prepare(statement.sql)?.bind(&values)?.into());
    }
    let results = JsFuture::from(database.batch(&batch)?).await?;
    let results: Array = results.unchecked_into();
    results.iter().map(|result| outcome(&result)).collect()
}

fn outcome(result: &JsValue) -> Result<Outcome, JsValue> {
    let rows = Reflect::get(result, &"results".into())?;
    let rows = if rows.is_undefined() {
        "[]".to_owned()
    } else {
        String::from(JSON::stringify(&rows)?)
    };
    let meta = Reflect::get(result, &"meta".into())?;
    let count = |name: &str| {
        let value = Reflect::get(&meta, &name.into())
            .ok()
            .and_then(|v| v.as_f64());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts of rows.
        value.map_or(0, |count| count as u64)
    };
    Ok(Outcome {
        rows,
        changes: count("changes"),
        rows_written: count("rows_written"),
    })
}

/// D1 takes JavaScript numbers: exact up to 2^53, and a `BigInt` is refused.
#[allow(clippy::cast_precision_loss)]
fn bound(param: &Param) -> JsValue {
    match param {
        Param::Null => JsValue::NULL,
        Param::Integer(number) => JsValue::from_f64(*number as f64),
        Param::Text(text) => JsValue::from_str(text),
    }
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
