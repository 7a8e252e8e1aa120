//! Whether a migration is safe under the code that runs while it is applied: it only adds
//! (migrations/README.md).

use std::path::Path;

use anyhow::Context;

use crate::files;

/// A migration that does more says so in a comment of its own, with the reason.
const SWORN: &str = "-- safe under the running code:";

/// What `wrangler d1 migrations list` says where nothing is pending.
const NONE_PENDING: &str = "No migrations to apply";

/// What is wrong with the migrations that are pending; `told` is what `wrangler d1 migrations list`
/// printed, and without it all are judged. What names none and does not say that there is none is
/// not understood, and stops a deploy.
pub fn unsafe_ones(root: &Path, told: Option<&str>) -> anyhow::Result<Vec<String>> {
    let folder = root.join("migrations");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).context("no folder migrations")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_pending = told.is_none_or(|told| told.contains(&name));
        if Path::new(&name).extension().is_some_and(|it| it == "sql") && is_pending {
            names.push(name);
        }
    }
    names.sort();
    let mut problems = Vec::new();
    if names.is_empty() && told.is_some_and(|told| !told.contains(NONE_PENDING)) {
        let what = "wrangler d1 migrations list named no migration of ours";
        problems.push(format!("{what}, and did not say `{NONE_PENDING}`"));
    }
    for name in names {
        let sql = String::from_utf8_lossy(&files::read(&folder.join(&name))?).into_owned();
        problems.extend(judge(&sql).into_iter().map(|why| format!("{name}: {why}")));
    }
    Ok(problems)
}

/// Statements that the code before may not live with.
fn judge(sql: &str) -> Vec<String> {
    if sql.lines().any(|line| line.trim().starts_with(SWORN)) {
        return Vec::new();
    }
    let code: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or(""))
        .collect();
    let code = code.join(" ");
    let statements = code.split(';').map(|one| {
        let words: Vec<&str> = one.split_whitespace().collect();
        words.join(" ")
    });
    let statements: Vec<String> = statements.filter(|one| !one.is_empty()).collect();
    let judged = statements.iter().filter_map(|one| fault(one, &statements));
    judged.collect()
}

fn fault(statement: &str, all: &[String]) -> Option<String> {
    let upper = statement.to_uppercase();
    let begins = |words: &str| upper.starts_with(words);
    let shown: String = statement.chars().take(60).collect();
    if begins("CREATE TABLE") || begins("CREATE INDEX") {
        return None;
    }
    if begins("CREATE UNIQUE INDEX") {
        let is_new = all.iter().any(|other| is_table_of(&upper, other));
        return (!is_new)
            .then(|| format!("`{shown}` refuses rows that the running code may write"));
    }
    if let Some(index) = upper.strip_prefix("DROP INDEX ") {
        let again = format!("INDEX {index} ON");
        // Made again in the same migration: reads are slower for a moment, and nothing else.
        let is_back = all
            .iter()
            .any(|other| other.to_uppercase().contains(&again));
        return (!is_back).then(|| format!("`{shown}` takes away what the running code may need"));
    }
    if begins("ALTER TABLE") && upper.contains(" ADD COLUMN ") {
        let must_be_given = upper.contains("NOT NULL") && !upper.contains("DEFAULT");
        return must_be_given
            .then(|| format!("`{shown}` wants a value that the running code does not give"));
    }
    Some(format!(
        "`{shown}` changes what is there: add a column and move, or say `{SWORN} why`"
    ))
}

/// Whether an index is on the table that another statement makes.
fn is_table_of(index: &str, other: &str) -> bool {
    let other = other.to_uppercase();
    let table = other.strip_prefix("CREATE TABLE ");
    let name = table.map(|rest| rest.trim_start_matches("IF NOT EXISTS "));
    let name = name.and_then(|rest| rest.split([' ', '(']).next());
    let on = index.split_once(" ON ").map_or("", |(_, on)| on);
    name.is_some_and(|name| on.split([' ', '(']).next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_adds_is_safe() {
        for sql in [
            "CREATE TABLE a (id TEXT) STRICT; -- DROP TABLE b",
            "ALTER TABLE a ADD COLUMN b INTEGER;",
            "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0;",
            "DROP INDEX i; CREATE INDEX i ON a (b) WHERE b IS NOT NULL;",
            "CREATE TABLE a (id TEXT); CREATE UNIQUE INDEX i ON a (id);",
            "-- safe under the running code: nobody reads it since version 3\nDROP TABLE b;",
        ] {
            assert_eq!(judge(sql), [""; 0], "{sql}");
        }
    }

    #[test]
    fn what_takes_away_or_rewrites_is_refused() {
        for sql in [
            "DROP TABLE jobs;",
            "ALTER TABLE jobs DROP COLUMN seed;",
            "ALTER TABLE jobs RENAME COLUMN a TO b;",
            "ALTER TABLE jobs ADD COLUMN b INTEGER NOT NULL;",
            "UPDATE jobs SET status = 'x';",
            "DROP INDEX jobs_due;",
            "CREATE TABLE other (id TEXT); CREATE UNIQUE INDEX one ON jobs (seed);",
        ] {
            assert_eq!(judge(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn every_migration_of_ours_is_safe() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(unsafe_ones(root, None).unwrap(), [""; 0]);
    }

    #[test]
    fn only_what_is_pending_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join("migrations");
        files::make_folder(&migrations).unwrap();
        files::write(&migrations.join("0001_old.sql"), "DROP TABLE a;").unwrap();
        files::write(&migrations.join("0002_new.sql"), "DROP TABLE b;").unwrap();
        let told = "│ 0002_new.sql │";
        let [only] = unsafe_ones(folder.path(), Some(told))
            .unwrap()
            .try_into()
            .unwrap();
        assert!(only.starts_with("0002_new.sql: `DROP TABLE b`"), "{only}");
    }

    /// A list in other words named none of them: all were applied unjudged.
    #[test]
    fn a_list_that_is_not_understood_stops_a_deploy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let judged = |told| unsafe_ones(root, Some(told)).unwrap().len();
        assert_eq!(judged("Migrations to be applied: 2"), 1);
        assert_eq!(judged("✅ No migrations to apply!"), 0);
    }
}
