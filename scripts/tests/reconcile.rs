//! `ops reconcile --apply` and the files that no row points to: a delete in R2 has no way back.

#![cfg(test)]

mod fake;

use std::process::Command;

use serde_json::{json, Value};

/// A deployment with so many objects, of which no row points to so many.
#[derive(Clone, Copy)]
struct World {
    objects: usize,
    orphans: usize,
    paused_at: Option<&'static str>,
}

impl World {
    fn answer(self, head: &str, body: &[u8]) -> Value {
        if head.starts_with("GET /api/gpu/health ") {
            return json!({ "endpoint": { "name": "e", "paused_at": self.paused_at } });
        }
        let asked: Value = serde_json::from_slice(body).unwrap();
        if asked["part"] != "objects" {
            return json!({ "examined": 0, "findings": [], "next_cursor": null });
        }
        let orphan = json!({ "code": "orphan_object", "subject": "a", "says": "no row points to it",
            "would": "delete it", "mended": asked["apply"] });
        let findings = vec![orphan; self.orphans];
        json!({ "examined": self.objects, "findings": findings, "next_cursor": null })
    }

    /// The exit status, how many are deleted, and why none is.
    fn reconcile(self, more: &[&str]) -> (i32, usize, String) {
        let origin =
            fake::serve(move |head, body| (200, self.answer(head, body).to_string().into_bytes()));
        let output = Command::new(env!("CARGO_BIN_EXE_ops"))
            .args(["reconcile", "--json", "--url", &origin])
            .args(more)
            .env("ADMIN_KEY", "the operator's key")
            .output()
            .unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = told["findings"].as_array().unwrap();
        let gone = findings.iter().filter(|one| one["mended"] == true).count();
        let why = told["withheld"].as_str().unwrap_or_default().to_owned();
        (output.status.code().unwrap(), gone, why)
    }
}

const FEW: World = World {
    objects: 100,
    orphans: 5,
    paused_at: None,
};

#[test]
fn a_few_files_that_no_row_points_to_are_deleted() {
    assert_eq!(FEW.reconcile(&["--apply"]), (0, 5, String::new()));
    assert_eq!(FEW.reconcile(&[]), (1, 0, String::new()));
}

/// The Worker was bound to an empty database: every result that there was would have been deleted.
#[test]
fn a_database_that_is_not_that_of_the_files_costs_none_of_them() {
    let wrong = World {
        orphans: 100,
        ..FEW
    };
    let (status, gone, why) = wrong.reconcile(&["--apply"]);
    assert_eq!((status, gone), (1, 0));
    assert!(why.starts_with("100 of 100 objects would go"), "{why}");
    let meant = wrong.reconcile(&["--apply", "--delete-orphans"]);
    assert_eq!(meant, (0, 100, String::new()));
}

/// After a restore the newer results have no row any more.
#[test]
fn while_submission_is_paused_no_file_is_deleted_unless_it_is_meant() {
    let restored = World {
        paused_at: Some("2026-11-21T10:00:00.000Z"),
        ..FEW
    };
    let (status, gone, why) = restored.reconcile(&["--apply"]);
    assert_eq!((status, gone), (1, 0));
    let begin = "submission is paused since 2026-11-21T10:00:00.000Z";
    assert!(why.starts_with(begin), "{why}");
    let meant = restored.reconcile(&["--apply", "--delete-orphans"]);
    assert_eq!(meant, (0, 5, String::new()));
}
