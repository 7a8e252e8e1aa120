//! D1 in memory: SQLite with D1's limits and D1's habits.
//!
//! Like D1 it binds every number as a double, runs a batch as one transaction, and refuses what D1
//! refuses. Unlike D1 it can be told to fail.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rusqlite::limits::Limit;
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{params_from_iter, Connection, StatementStatus};
use serde_json::Value;

use super::memory::{lock, pause};
use crate::ports::{Db, DbError, Outcome, Param, Statement};
use crate::store;

/// Cloudflare's documentation, D1 limits.
const LIMITS: [(Limit, i32); 5] = [
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
];

/// How the next batch goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbFault {
    /// Nothing was committed, and the caller cannot know.
    LostBefore,
    /// It was committed, and the caller cannot know.
    LostAfter,
    /// It is committed before so many other batches have passed, when its caller has long given up.
    Late(u32),
    Overloaded,
}

pub struct SqliteDb {
    connection: Mutex<Connection>,
    faults: Mutex<VecDeque<DbFault>>,
    /// The same for batches with a statement of this name.
    aimed: Mutex<Vec<(&'static str, DbFault)>>,
    /// Statements that are others than they should be, by name.
    broken: Mutex<BTreeMap<&'static str, &'static str>>,
    /// What is still to be committed, and after how many batches.
    late: Mutex<Vec<(u32, Vec<Statement>)>>,
    batches: Mutex<Vec<Vec<&'static str>>>,
    rows_written: Mutex<u64>,
    steps: Mutex<i64>,
    /// Selects the entries of every index.
    entries_sql: Mutex<String>,
    columns: Mutex<Columns>,
}

/// The columns of each statement's rows, as JSON names them, by where its text lies.
type Columns = BTreeMap<usize, Arc<[String]>>;

impl SqliteDb {
    /// An empty database with `schema` applied.
    pub fn new(schema: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        // Every statement of the store fits; the default of 16 prepares most of them each time.
        connection.set_prepared_statement_cache_capacity(256);
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        connection.execute_batch(schema)?;
        for (limit, value) in LIMITS {
            connection.set_limit(limit, value)?;
        }
        let entries_sql = entries_sql(&connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
            faults: Mutex::default(),
            aimed: Mutex::default(),
            broken: Mutex::default(),
            late: Mutex::default(),
            batches: Mutex::default(),
            rows_written: Mutex::default(),
            steps: Mutex::default(),
            entries_sql: Mutex::new(entries_sql),
            columns: Mutex::default(),
        })
    }

    /// Rows written are no longer counted: the count reads every index around every write.
    pub fn stop_counting(&self) {
        lock(&self.entries_sql).clear();
    }

    /// The next batches fail like this, one each.
    pub fn fail_next(&self, fault: DbFault) {
        lock(&self.faults).push_back(fault);
    }

    /// From now on the statement of this name has `put` in place of `cut`: a guard in it is broken.
    ///
    /// # Panics
    /// When there is no such statement, or nothing to cut.
    pub fn break_guard(&self, name: &'static str, cut: &str, put: &str) {
        let named = |sql: &&&'static str| store::name(sql) == name;
        let sound = store::STATEMENTS.iter().find(named);
        let sound = sound.unwrap_or_else(|| panic!("no statement is called {name}"));
        assert!(sound.contains(cut), "{name} has no {cut}");
        let broken = Box::leak(sound.replace(cut, put).into_boxed_str());
        lock(&self.broken).insert(name, broken);
    }

    /// The next batch with the statement of this name fails like this.
    pub fn fail_at(&self, statement: &'static str, fault: DbFault) {
        lock(&self.aimed).push((statement, fault));
    }

    fn aimed_at(&self, statements: &[Statement]) -> Option<DbFault> {
        let mut aimed = lock(&self.aimed);
        let is_in = |name: &str| statements.iter().any(|s| store::name(s.sql) == name);
        let at = aimed.iter().position(|(name, _)| is_in(name))?;
        Some(aimed.remove(at).1)
    }

    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    /// The statements of every batch since this was last asked.
    pub fn take_batches(&self) -> Vec<Vec<&'static str>> {
        std::mem::take(&mut lock(&self.batches))
    }

    /// Rows written since this was last asked, as D1 bills them.
    pub fn take_rows_written(&self) -> u64 {
        std::mem::take(&mut lock(&self.rows_written))
    }

    /// Rows changed since the beginning: as long as it stays the same, so does everything in here.
    pub fn changes(&self) -> u64 {
        lock(&self.connection).total_changes()
    }

    /// Steps of SQLite's machine since this was last asked: what statements cost, by no clock.
    pub fn take_steps(&self) -> i64 {
        std::mem::take(&mut lock(&self.steps))
    }

    /// For the tests' own questions: rows as JSON objects. Parameters are null.
    pub fn query(&self, sql: &str) -> rusqlite::Result<Vec<Value>> {
        let connection = lock(&self.connection);
        let asked = connection.prepare_cached(sql)?.parameter_count();
        let nulls = vec![Param::Null; asked];
        let (rows, ..) = statement_rows(&connection, sql, &nulls, &mut Columns::new())?;
        Ok(serde_json::from_str(&rows).unwrap_or_default())
    }
}

#[async_trait]
impl Db for SqliteDb {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DbError> {
        let answer = self.run(&statements);
        pause().await;
        answer
    }
}

impl SqliteDb {
    fn run(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DbError> {
        self.run_late();
        let fault = lock(&self.faults).pop_front();
        let fault = fault.or_else(|| self.aimed_at(statements));
        lock(&self.batches).push(statements.iter().map(|s| s.sql).collect());
        match fault {
            Some(DbFault::LostBefore) => return Err(DbError::Unknown("connection lost".into())),
            Some(DbFault::Late(batches)) => {
                lock(&self.late).push((batches, statements.to_vec()));
                return Err(DbError::Unknown("connection lost".into()));
            }
            Some(DbFault::Overloaded) => return Err(DbError::Overloaded("too many".into())),
            Some(DbFault::LostAfter) | None => {}
        }
        let (outcomes, steps) = self.commit(statements)?;
        *lock(&self.steps) += steps;
        *lock(&self.rows_written) += outcomes.iter().map(|o| o.rows_written).sum::<u64>();
        match fault {
            Some(DbFault::LostAfter) => Err(DbError::Unknown("connection lost".into())),
            _ => Ok(outcomes),
        }
    }

    /// What was lost some time ago, and was only late.
    fn run_late(&self) {
        let mut late = lock(&self.late);
        for (batches, _) in late.iter_mut() {
            *batches = batches.saturating_sub(1);
        }
        let (due, rest) = late.drain(..).partition(|(batches, _)| *batches == 0);
        *late = rest;
        let due: Vec<(u32, Vec<Statement>)> = due;
        for (_, statements) in due {
            // Nobody waits for its answer.
            drop(self.commit(&statements));
        }
    }

    fn commit(&self, statements: &[Statement]) -> Result<(Vec<Outcome>, i64), DbError> {
        let mut statements = Cow::Borrowed(statements);
        let broken = lock(&self.broken);
        if !broken.is_empty() {
            for statement in statements.to_mut() {
                let other = broken.get(store::name(statement.sql));
                statement.sql = other.copied().unwrap_or(statement.sql);
            }
        }
        let mut connection = lock(&self.connection);
        let (entries_sql, mut columns) = (lock(&self.entries_sql), lock(&self.columns));
        let done = transaction(&mut connection, &entries_sql, &mut columns, &statements);
        done.map_err(|error| DbError::Refused(error.to_string()))
    }
}

fn transaction(
    connection: &mut Connection,
    entries_sql: &str,
    columns: &mut Columns,
    statements: &[Statement],
) -> rusqlite::Result<(Vec<Outcome>, i64)> {
    let transaction = connection.transaction()?;
    let mut outcomes = Vec::new();
    let mut all_steps = 0;
    for statement in statements {
        let entries = || {
            if entries_sql.is_empty() || transaction.prepare_cached(statement.sql)?.readonly() {
                return Ok(BTreeSet::new());
            }
            entries(&transaction, entries_sql)
        };
        let before = entries()?;
        let Statement { sql, params } = statement;
        let (rows, changes, steps) = statement_rows(&transaction, sql, params, columns)?;
        all_steps += steps;
        // An entry that is taken away costs nothing.
        let new_entries = entries()?.difference(&before).count() as u64;
        outcomes.push(Outcome {
            rows,
            changes,
            rows_written: changes + new_entries,
        });
    }
    transaction.commit()?;
    Ok((outcomes, all_steps))
}

/// One row for each entry of each index that the schema declares: which index, its columns, and the
/// primary key that it leads to. Every table is WITHOUT ROWID, so a primary key is no index.
fn entries_sql(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT m.name, m.tbl_name, m.sql,
          (SELECT group_concat(name) FROM pragma_table_info(m.tbl_name) WHERE pk > 0)
        FROM sqlite_master m WHERE m.type = 'index' AND m.sql IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let select = |row: &rusqlite::Row<'_>| {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let [index, table, sql, key] = texts;
        let (columns, rest) = sql
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .unwrap_or(("", ""));
        // What follows the columns is nothing, or the WHERE of a partial index.
        Ok(format!(
            "SELECT json_array('{index}', {columns}, {key}) FROM {table}{rest}"
        ))
    };
    let selects: Vec<String> = statement.query_map([], select)?.collect::<Result<_, _>>()?;
    Ok(selects.join("\nUNION ALL "))
}

fn entries(connection: &Connection, entries_sql: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare_cached(entries_sql)?;
    let entries = statement.query_map([], |row| row.get(0))?;
    entries.collect()
}

/// The rows as the text of a JSON array, how many rows were changed, and in how many steps.
fn statement_rows(
    connection: &Connection,
    sql: &str,
    params: &[Param],
    columns: &mut Columns,
) -> rusqlite::Result<(String, u64, i64)> {
    let mut statement = connection.prepare_cached(sql)?;
    let names = columns.entry(sql.as_ptr() as usize).or_insert_with(|| {
        let quoted = |name: &&str| format!("{}:", Value::from(*name));
        statement.column_names().iter().map(quoted).collect()
    });
    let names = Arc::clone(names);
    let bound = params_from_iter(params.iter().map(bound));
    let before = connection.total_changes();
    statement.reset_status(StatementStatus::VmStep);
    let mut rows = String::from("[");
    let mut answer = statement.query(bound)?;
    while let Some(row) = answer.next()? {
        rows.push_str(if rows.len() == 1 { "{" } else { ",{" });
        for (i, name) in names.iter().enumerate() {
            rows.push_str(if i == 0 { "" } else { "," });
            rows.push_str(name);
            rows.push_str(&json(row.get_ref(i)?));
        }
        rows.push('}');
    }
    rows.push(']');
    drop(answer);
    let steps = statement.get_status(StatementStatus::VmStep);
    Ok((rows, connection.total_changes() - before, i64::from(steps)))
}

#[allow(clippy::cast_precision_loss)] // D1 binds every number as a JavaScript number.
fn bound(param: &Param) -> SqlValue {
    match param {
        Param::Null => SqlValue::Null,
        Param::Integer(number) => SqlValue::Real(*number as f64),
        Param::Text(text) => SqlValue::Text(text.clone()),
    }
}

/// As D1 answers: numbers are JavaScript's, so a whole one has no point.
fn json(value: ValueRef<'_>) -> Cow<'static, str> {
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(number) => whole(number).to_string().into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            // As a value: its way into text is compiled with serde, which is optimised in tests.
            let text = Value::String(String::from_utf8_lossy(text).into_owned());
            text.to_string().into()
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // Checked to be whole and small.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        (number as i64).into()
    } else {
        number.into()
    }
}
