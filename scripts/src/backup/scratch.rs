//! A database in memory, made of an export: what is in it, and as statements that D1 takes.
//!
//! An export cannot be given back to D1 as it is: a statement of D1 has 100 kB at most, and a
//! stored prompt alone may have 256 KiB. So a row that is too long is put together of pieces.

use std::fmt::Write as _;

use anyhow::{bail, Context};
use rusqlite::types::ValueRef;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::database::Columns;

/// Cloudflare, D1 limits: 100,000 bytes a statement. The rest is for column names and quotes.
const STATEMENT_BYTES_MAX: usize = 80_000;

/// Holds the pieces of one row while a database is filled; gone afterwards.
const PIECES: &str = "restore_pieces";

pub struct Scratch(Connection);

/// A table, its columns without generated ones, and its primary key.
pub struct Table {
    pub name: String,
    columns: Vec<String>,
    key: Vec<String>,
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub rows: u64,
    /// Of all values as text: what a database can count by itself.
    pub size_bytes: u64,
    /// Of all values with their types, in the order of the primary key.
    pub blake3: String,
}

impl Scratch {
    pub fn load(sql: &str) -> anyhow::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection
            .execute_batch(sql)
            .context("the export is no database")?;
        Ok(Self(connection))
    }

    pub fn tables(&self) -> anyhow::Result<Vec<Table>> {
        let names = self.texts(
            "SELECT name FROM sqlite_master WHERE type = 'table'
               AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_cf~_%' ESCAPE '~'
             ORDER BY name",
        )?;
        let table = |name: String| {
            let of = |what: &str| {
                let sql = format!("SELECT name FROM pragma_table_info('{name}') {what}");
                self.texts(&sql)
            };
            Ok(Table {
                columns: of("ORDER BY cid")?,
                key: of("WHERE pk > 0 ORDER BY pk")?,
                name,
            })
        };
        names.into_iter().map(table).collect()
    }

    pub fn columns(&self) -> anyhow::Result<Columns> {
        let tables = self.tables()?.into_iter();
        Ok(tables.map(|table| (table.name, table.columns)).collect())
    }

    pub fn texts(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let mut statement = self.0.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn digest(&self, table: &Table) -> anyhow::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        let (mut count, mut size_bytes) = (0, 0);
        let mut statement = self.0.prepare(&table.select())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            count += 1;
            for i in 0..table.columns.len() {
                let (kind, bytes) = typed(row.get_ref(i)?);
                hasher.update(&[kind]);
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(&bytes);
                size_bytes += bytes.len() as u64;
            }
        }
        Ok(Digest {
            rows: count,
            size_bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }

    /// Statements that make the same database, each of a size that D1 takes.
    pub fn import_sql(&self) -> anyhow::Result<String> {
        let mut sql = String::from("PRAGMA defer_foreign_keys = TRUE;\n");
        writeln!(
            sql,
            "CREATE TABLE {PIECES} (slot INTEGER, i INTEGER, piece TEXT);"
        )?;
        for table in self.tables()? {
            let name = &table.name;
            let made = format!("SELECT sql FROM sqlite_master WHERE name = '{name}'");
            writeln!(sql, "{};", self.texts(&made)?.concat())?;
            let mut statement = self.0.prepare(&table.select())?;
            let mut rows = statement.query([])?;
            let mut inserts = Inserts::new(&table);
            while let Some(row) = rows.next()? {
                let values = (0..table.columns.len()).map(|i| row.get_ref(i).map(literal));
                inserts.add(&mut sql, values.collect::<Result<_, _>>()?)?;
            }
            inserts.end(&mut sql);
        }
        let others = "SELECT sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL";
        for made in self.texts(others)? {
            writeln!(sql, "{made};")?;
        }
        writeln!(sql, "DROP TABLE {PIECES};")?;
        Ok(sql)
    }
}

impl Table {
    fn select(&self) -> String {
        let order = if self.key.is_empty() {
            &self.columns
        } else {
            &self.key
        };
        let (columns, name) = (quoted(&self.columns), &self.name);
        format!(
            "SELECT {columns} FROM \"{name}\" ORDER BY {}",
            quoted(order)
        )
    }

    /// What D1 can say of it by itself: how many rows, and how many bytes.
    pub fn figures_sql(name: &str, columns: &[&str]) -> String {
        let size = |column: &&str| format!("coalesce(length(CAST(\"{column}\" AS BLOB)), 0)");
        let sizes: Vec<String> = columns.iter().map(size).collect();
        let sizes = sizes.join(" + ");
        format!("SELECT count(*) AS n, coalesce(sum({sizes}), 0) AS size_bytes FROM \"{name}\"")
    }
}

/// The rows of a table, as many in a statement as fit: every statement is a round trip.
struct Inserts<'a> {
    table: &'a Table,
    rows: String,
}

impl<'a> Inserts<'a> {
    const fn new(table: &'a Table) -> Self {
        Self {
            table,
            rows: String::new(),
        }
    }

    fn add(&mut self, sql: &mut String, mut values: Vec<String>) -> anyhow::Result<()> {
        let slots = cut(self.table, sql, &mut values)?;
        let row = format!("({})", values.join(", "));
        if self.rows.len() + row.len() > STATEMENT_BYTES_MAX {
            self.end(sql);
        }
        if !self.rows.is_empty() {
            self.rows.push_str(",\n");
        }
        self.rows.push_str(&row);
        if slots > 0 {
            // The pieces are those of this row alone.
            self.end(sql);
            sql.push_str("DELETE FROM ");
            sql.push_str(PIECES);
            sql.push_str(";\n");
        }
        Ok(())
    }

    fn end(&mut self, sql: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let (name, columns) = (&self.table.name, quoted(&self.table.columns));
        let insert = format!(
            "INSERT INTO \"{name}\" ({columns}) VALUES\n{};\n",
            self.rows
        );
        sql.push_str(&insert);
        self.rows.clear();
    }
}

/// The longest values of a row that is too long are put away in pieces; answers how many.
fn cut(table: &Table, sql: &mut String, values: &mut [String]) -> anyhow::Result<usize> {
    let mut slots = 0;
    while values.iter().map(String::len).sum::<usize>() > STATEMENT_BYTES_MAX {
        let longest = (0..values.len()).max_by_key(|i| values[*i].len());
        let longest = &mut values[longest.context("a row without columns")?];
        if !longest.starts_with('\'') {
            bail!("a row of {} is too long, and not by its texts", table.name);
        }
        for (i, piece) in pieces(longest).into_iter().enumerate() {
            writeln!(
                sql,
                "INSERT INTO {PIECES} VALUES ({slots}, {i}, '{piece}');"
            )?;
        }
        *longest = format!(
            "(SELECT group_concat(piece, '') FROM (SELECT piece FROM {PIECES} \
             WHERE slot = {slots} ORDER BY i))"
        );
        slots += 1;
    }
    Ok(slots)
}

/// The inside of a quoted text, cut where neither a character nor a doubled quote is cut.
fn pieces(literal: &str) -> Vec<&str> {
    let mut rest = &literal[1..literal.len() - 1];
    let mut pieces = Vec::new();
    while rest.len() > STATEMENT_BYTES_MAX {
        let mut end = STATEMENT_BYTES_MAX;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let quotes = rest[..end].bytes().rev().take_while(|byte| *byte == b'\'');
        end -= quotes.count() % 2;
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => {
            format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''"))
        }
        ValueRef::Blob(bytes) => {
            let hex = bytes
                .iter()
                .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            format!("x'{hex}'")
        }
    }
}

/// A value's type, and its bytes as SQLite casts them to a blob.
fn typed(value: ValueRef<'_>) -> (u8, Vec<u8>) {
    match value {
        ValueRef::Null => (b'n', Vec::new()),
        ValueRef::Integer(number) => (b'i', number.to_string().into_bytes()),
        ValueRef::Real(number) => (b'r', format!("{number:?}").into_bytes()),
        ValueRef::Text(text) => (b't', text.to_vec()),
        ValueRef::Blob(bytes) => (b'b', bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE jobs (id TEXT NOT NULL PRIMARY KEY, n INTEGER, body TEXT,
        half INTEGER GENERATED ALWAYS AS (n / 2) VIRTUAL) STRICT, WITHOUT ROWID;
        CREATE INDEX by_n ON jobs (n) WHERE n IS NOT NULL;
        CREATE TABLE sqlite (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);";

    fn filled(bodies: &[String]) -> Scratch {
        let scratch = Scratch::load(SCHEMA).unwrap();
        for (i, body) in bodies.iter().enumerate() {
            let sql = "INSERT INTO jobs (id, n, body) VALUES (?1, ?2, ?3)";
            let values = rusqlite::params![format!("job {i}"), 7, body];
            scratch.0.execute(sql, values).unwrap();
        }
        scratch
    }

    fn digests(scratch: &Scratch) -> Vec<Digest> {
        let tables = scratch.tables().unwrap();
        tables
            .iter()
            .map(|table| scratch.digest(table).unwrap())
            .collect()
    }

    /// The export of a database with a prompt above 100 kB was refused by D1 as
    /// `statement too long`: a backup that could not be restored.
    #[test]
    fn a_row_above_the_limit_of_a_statement_is_put_together_of_pieces() {
        let long = "it's 'quoted' \\n\n; ไทย ".repeat(20_000);
        let quotes = "'".repeat(300_000);
        let scratch = filled(&[long, quotes, String::new(), "short\r\n".to_owned()]);
        let sql = scratch.import_sql().unwrap();
        let statements = sql.split(";\n").map(str::len);
        assert!(statements.max().unwrap() < 100_000);
        let again = Scratch::load(&sql).unwrap();
        assert_eq!(digests(&again), digests(&scratch));
        assert_eq!(again.import_sql().unwrap(), sql);
        let names: Vec<String> = again
            .tables()
            .unwrap()
            .into_iter()
            .map(|table| table.name)
            .collect();
        assert_eq!(names, ["jobs", "sqlite"], "nothing of the pieces is left");
    }

    #[test]
    fn a_database_counts_by_itself_what_a_digest_says() {
        let scratch = filled(&["ไทย".to_owned(), "x".repeat(200_000)]);
        let sql = Table::figures_sql("jobs", &["id", "n", "body"]);
        let counted: (u64, u64) = scratch
            .0
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let [digest, _] = digests(&scratch).try_into().unwrap();
        assert_eq!(counted, (digest.rows, digest.size_bytes));
    }

    #[test]
    fn one_changed_letter_changes_the_digest_and_nothing_else() {
        let [one, _]: [Digest; 2] = digests(&filled(&["a".to_owned()])).try_into().unwrap();
        let [other, _]: [Digest; 2] = digests(&filled(&["b".to_owned()])).try_into().unwrap();
        assert_eq!((one.rows, one.size_bytes), (other.rows, other.size_bytes));
        assert_ne!(one.blake3, other.blake3);
    }
}
