//! The schema, and every statement against it.

use std::collections::BTreeMap;
use std::fs;

use edge_queue::ports::{Db, Statement};
use edge_queue::store::{name, STATEMENTS};
use edge_queue::testing::sqlite::SqliteDb;
use serde_json::{json, Value};

/// What the database has: of each table its options and its parts (columns with type, default and
/// checks, and the table's own constraints), of each index its text. Neither the order of columns
/// nor blanks and comments count: a column that was added later stands last in the file.
fn shape(db: &SqliteDb) -> BTreeMap<String, Value> {
    let all = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name";
    let thing = |thing: Value| {
        let sql = plain(thing["sql"].as_str().unwrap_or_default());
        let text = match thing["type"].as_str() {
            Some("table") => parts(&sql).into(),
            _ => Value::from(sql),
        };
        let name = thing["name"].as_str().unwrap().to_owned();
        (name, json!([thing["type"], thing["tbl_name"], text]))
    };
    db.query(all).unwrap().into_iter().map(thing).collect()
}

/// Without comments, and with one blank where there were many.
fn plain(sql: &str) -> String {
    let code = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
    words
        .join(" ")
        .replace("( ", "(")
        .replace(" )", ")")
        .replace(" ,", ",")
}

/// What stands between the commas of a table's parentheses, sorted, and what stands around them.
fn parts(sql: &str) -> Vec<String> {
    let (head, rest) = sql.split_once('(').unwrap();
    let (body, tail) = rest.rsplit_once(')').unwrap();
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in body.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let mut parts: Vec<String> = parts.iter().map(|part| part.trim().to_owned()).collect();
    parts.sort();
    parts.extend([head.trim().to_owned(), tail.trim().to_owned()]);
    parts
}

#[test]
fn a_column_added_later_is_the_same_and_another_type_default_or_check_is_not() {
    let shape = |schema: &str| shape(&SqliteDb::new(schema).unwrap());
    let table = |columns: &str| shape(&format!("CREATE TABLE t (\n{columns}\n) STRICT;"));
    let whole = table("  a INTEGER PRIMARY KEY, -- first\n  b  TEXT DEFAULT 'x', CHECK (a > 0)");
    let later = "CREATE TABLE t (a INTEGER PRIMARY KEY, CHECK (a > 0)) STRICT;
        ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x';";
    assert_eq!(shape(later), whole);
    for other in [
        "a INTEGER PRIMARY KEY, b INTEGER DEFAULT 'x', CHECK (a > 0)",
        "a INTEGER PRIMARY KEY, b TEXT DEFAULT 'y', CHECK (a > 0)",
        "a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x', CHECK (a > 1)",
        "a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x'",
        "a INTEGER PRIMARY KEY, CHECK (a > 0)",
    ] {
        assert_ne!(table(other), whole, "{other}");
    }
    let loose = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x', CHECK (a > 0));";
    assert_ne!(shape(loose), whole);
}

#[test]
fn the_migrations_make_the_schema() {
    let mut files: Vec<_> = fs::read_dir("migrations")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let migrations: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let schema = fs::read_to_string("schema.sql").unwrap();
    let migrated = SqliteDb::new(&migrations).unwrap();
    assert_eq!(shape(&migrated), shape(&SqliteDb::new(&schema).unwrap()));
}

#[test]
fn every_table_is_strict_without_rowid_and_every_column_has_a_comment() {
    let schema = fs::read_to_string("schema.sql").unwrap();
    let db = SqliteDb::new(&schema).unwrap();
    let tables = "SELECT name, strict, wr FROM pragma_table_list
        WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    for table in db.query(tables).unwrap() {
        assert_eq!(
            (&table["strict"], &table["wr"]),
            (&1.into(), &1.into()),
            "{table}"
        );
    }
    let mut in_table = false;
    for line in schema.lines() {
        in_table = (in_table || line.starts_with("CREATE TABLE")) && !line.starts_with(')');
        let first = line.strip_prefix("  ").and_then(|rest| rest.chars().next());
        if in_table && first.is_some_and(|c| c.is_ascii_lowercase()) {
            assert!(line.contains("-- "), "no comment: {line}");
        }
    }
}

#[test]
fn every_statement_is_found_by_its_name_and_uses_an_index() {
    let db = SqliteDb::new(&fs::read_to_string("schema.sql").unwrap()).unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let tables = db.query(tables).unwrap();
    let tables: Vec<&str> = tables.iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(tables.len() >= 7, "{tables:?}");
    for statement in STATEMENTS {
        let name = name(statement);
        assert!(name.contains("::"), "without a name: {statement}");
        let plan = db.query(&format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
        for step in plan {
            let detail = step["detail"].as_str().unwrap();
            // What has not ended is bounded, and alone in its index: that may be read to its end.
            let is_of_live = detail.ends_with("INDEX jobs_due");
            let scans_a_table = tables
                .iter()
                .any(|table| detail.starts_with(&format!("SCAN {table}")));
            assert!(!scans_a_table || is_of_live, "{name}: {detail}");
        }
    }
}

#[tokio::test]
async fn rows_written_are_the_rows_and_the_index_entries_that_are_new() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER)
          STRICT, WITHOUT ROWID;
        CREATE INDEX t_a ON t (a);
        CREATE INDEX t_b ON t (b) WHERE b IS NOT NULL;";
    let db = SqliteDb::new(schema).unwrap();
    let steps = [
        ("INSERT INTO t VALUES (1, 1, NULL, 1)", 2),
        ("UPDATE t SET c = 2", 1),
        ("UPDATE t SET a = 2", 2),
        ("UPDATE t SET b = 2", 2),
        ("UPDATE t SET a = 2, b = 2", 1),
        ("UPDATE t SET b = NULL", 1),
        ("UPDATE t SET a = 3 WHERE id = 9", 0),
        ("SELECT * FROM t", 0),
    ];
    for (sql, expected) in steps {
        let params = Vec::new();
        let outcomes = db.batch(vec![Statement { sql, params }]).await.unwrap();
        assert_eq!(outcomes[0].rows_written, expected, "{sql}");
        assert_eq!(db.take_rows_written(), expected, "{sql}");
    }
}
