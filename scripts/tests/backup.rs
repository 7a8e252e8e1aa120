//! What `ops backup` and `ops restore` would do, with a `wrangler` that writes down how it was
//! called.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A database of one job; empty where `empty` is there.
const WRANGLER: &str = r#"#!/bin/sh
echo "$@" >> "$HOME/calls"
case "$*" in
  "d1 export"*) for file; do :; done; cp "$HOME/export.sql" "$file" ;;
  *"AS n"*) printf '[{"results": %s}' "$(cat "$HOME/columns")"
    for table in d1_migrations jobs outputs; do
      printf ', {"results": [{"n": %s}]}' "$(cat "$HOME/$table")"
    done
    echo ']' ;;
  *"--file"*) exit 1 ;;
  *) if [ -e "$HOME/empty" ]; then echo '[{"results": []}]'
    else echo "[{\"results\": $(cat "$HOME/columns")}]"; fi ;;
esac
"#;

const EXPORT: &str = "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO d1_migrations VALUES (1, '0001_init.sql');
CREATE TABLE jobs (id TEXT, completed_at INTEGER);
INSERT INTO jobs VALUES ('one', NULL);
CREATE TABLE outputs (key TEXT);
";

const COLUMNS: &str = r#"[{"table": "d1_migrations", "column": "id"},
{"table": "d1_migrations", "column": "name"}, {"table": "jobs", "column": "id"},
{"table": "jobs", "column": "completed_at"}, {"table": "outputs", "column": "key"}]"#;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("wrangler", WRANGLER),
            ("export.sql", EXPORT),
            ("columns", COLUMNS),
            ("d1_migrations", r#"1, "size_bytes": 14"#),
            ("jobs", r#"1, "size_bytes": 3"#),
            ("outputs", r#"0, "size_bytes": 0"#),
        ] {
            home.write(name, text);
        }
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.0.path().join("wrangler"), executable).unwrap();
        home
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn ops(&self, words: &[&str]) -> Output {
        let home = self.0.path().display();
        Command::new(env!("CARGO_BIN_EXE_ops"))
            .args(words)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .env("PATH", format!("{home}:/usr/bin:/bin"))
            .env("HOME", self.0.path())
            .output()
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_backup_is_rehearsed_without_a_call_and_made_with_four() {
    let home = Home::new();
    let into = home.0.path().join("backup");
    let words = [
        "backup",
        "--env",
        "production",
        "--into",
        into.to_str().unwrap(),
    ];
    let rehearsal = home.ops(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(rehearsal.status.code(), Some(0));
    let told = text(&rehearsal.stdout);
    let line = "would run  wrangler d1 export edge-queue-production --remote --env production";
    assert!(told.contains(line), "{told}");
    assert!(home.calls().is_empty() && !into.exists());
    let made = home.ops(&words);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(
        text(&made.stdout).contains("1 jobs had not ended"),
        "{made:?}"
    );
    let exports = home.calls();
    let exports = exports.iter().filter(|call| call.starts_with("d1 export"));
    assert_eq!(exports.count(), 1);
}

#[test]
fn a_database_that_counts_otherwise_than_its_export_is_no_backup() {
    let home = Home::new();
    home.write("jobs", r#"2, "size_bytes": 3"#);
    let into = home.0.path().join("backup");
    let words = [
        "backup",
        "--env",
        "production",
        "--into",
        into.to_str().unwrap(),
    ];
    let made = home.ops(&words);
    assert_eq!(made.status.code(), Some(1), "{}", text(&made.stderr));
    assert!(
        text(&made.stderr).contains("jobs: 1 rows"),
        "{}",
        text(&made.stderr)
    );
    // It left a folder in which nothing was whole, and the next call said that it exists.
    assert!(!into.exists());
    assert!(text(&made.stderr).contains("call this again"), "{made:?}");
    home.write("jobs", r#"1, "size_bytes": 3"#);
    let again = home.ops(&words);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(into.join("manifest.json").exists());
    assert!(!home.0.path().join("backup.part").exists());
}

#[test]
fn a_restore_is_rehearsed_and_never_begins_over_what_is_there() {
    let home = Home::new();
    let into = home.0.path().join("backup");
    let folder = into.to_str().unwrap();
    let made = home.ops(&["backup", "--env", "production", "--into", folder]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let words = [
        "restore",
        folder,
        "--env",
        "production",
        "--database",
        "restored",
    ];
    let over = home.ops(&[&words[..], &["--apply"]].concat());
    assert_eq!(over.status.code(), Some(1));
    assert!(text(&over.stderr).contains("not empty: it has the table d1_migrations"));
    home.write("empty", "");
    let would = home.ops(&words);
    assert_eq!(would.status.code(), Some(0), "{}", text(&would.stderr));
    let line = "would run  wrangler d1 execute restored --remote --env production --yes --file";
    assert!(
        text(&would.stdout).contains(line),
        "{}",
        text(&would.stdout)
    );
    assert!(!home.calls().iter().any(|call| call.contains("--file")));
}

/// Half a database was left, and nothing said so: the next call only found it not empty.
#[test]
fn a_restore_that_broke_off_says_what_it_left() {
    let home = Home::new();
    let into = home.0.path().join("backup");
    let folder = into.to_str().unwrap();
    let made = home.ops(&["backup", "--env", "production", "--into", folder]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    home.write("empty", "");
    let broken = home.ops(&["restore", folder, "--env", "production", "--apply"]);
    assert_eq!(broken.status.code(), Some(2), "{}", text(&broken.stdout));
    let said = text(&broken.stderr);
    assert!(
        said.contains("may hold a part of it: restore into another new database"),
        "{said}"
    );
}

/// A misspelt --state was made, and the backup of nothing rehearsed as if it were there.
#[test]
fn a_rehearsal_makes_no_state_and_a_backup_wants_one() {
    let home = Home::new();
    let into = home.0.path().join("backup");
    let folder = into.to_str().unwrap();
    let made = home.ops(&["backup", "--env", "production", "--into", folder]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let bits = fs::metadata(&into).unwrap().permissions().mode();
    assert_eq!(bits & 0o777, 0o700, "its jobs are nobody else's to read");
    home.write("empty", "");
    let state = home.0.path().join("misspelt");
    let local = ["--env", "local", "--state", state.to_str().unwrap()];
    let backup = home.ops(&[&["backup", "--into", "none", "--dry-run"], &local[..]].concat());
    assert_eq!(backup.status.code(), Some(2));
    let said = text(&backup.stderr);
    assert!(
        said.contains("no local server has kept anything in"),
        "{said}"
    );
    let restore = home.ops(&[&["restore", folder], &local[..]].concat());
    assert_eq!(restore.status.code(), Some(0), "{}", text(&restore.stderr));
    assert!(!state.exists());
}

/// That the export is the file of the manifest is the first check of `verify`, and failing it was
/// told as not having looked.
#[test]
fn a_backup_with_another_byte_is_found_and_not_restored() {
    let home = Home::new();
    let into = home.0.path().join("backup");
    let folder = into.to_str().unwrap();
    home.ops(&["backup", "--env", "production", "--into", folder]);
    let export = fs::read_to_string(into.join("database.sql")).unwrap();
    fs::write(into.join("database.sql"), export.replace("'one'", "'two'")).unwrap();
    for words in [
        &["backup", "verify", folder, "--without-files"][..],
        &["restore", folder, "--env", "production"][..],
    ] {
        let output = home.ops(words);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(
            said.contains("is not the file that the manifest describes"),
            "{said}"
        );
    }
}

/// A key that was revoked after the backup opens the restored database, and nobody was told.
#[test]
fn a_restore_names_the_keys_that_open_what_it_restores() {
    let home = Home::new();
    let keys = "CREATE TABLE api_keys (id TEXT, owner TEXT, name TEXT, revoked_at INTEGER);
        INSERT INTO api_keys VALUES ('0a', 'shop', 'web', NULL), ('0b', 'shop', 'old', 7);";
    home.write("export.sql", &format!("{EXPORT}{keys}"));
    let into = home.0.path().join("backup");
    let folder = into.to_str().unwrap();
    let made = home.ops(&["backup", "--env", "production", "--into", folder]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    home.write("empty", "");
    let would = home.ops(&["restore", folder, "--env", "production"]);
    assert_eq!(would.status.code(), Some(0), "{}", text(&would.stderr));
    let told = text(&would.stdout);
    let expected = "these keys open it: revoke again what was revoked since\n  0a shop web\n";
    assert!(told.ends_with(expected), "{told}");
}
