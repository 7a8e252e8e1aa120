//! `ops deploy` with a `wrangler` that writes down how it was called.

#![cfg(test)]

mod account;
mod mock;

use std::fs;

use account::{answers, filled_in, text, Account, ALL_SECRETS};
use mock::Mock;
use serde_json::{json, Value};

const REHEARSAL: &str = "deploy --dry-run --outdir .run/deploy --env production";

#[test]
fn a_deployment_that_does_not_hold_goes_back_to_the_version_before() {
    let account = Account::new(filled_in);
    let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("it is back at before-1"));
    // Without a version `wrangler rollback` takes the deployment before the newest: after this one
    // went back, that is the one that failed.
    let told = text(&output.stdout);
    let back = "the way back, later: wrangler rollback before-1 --env production";
    assert!(told.contains(back), "{told}");
    let expected = [
        "secret list --format json --env production",
        REHEARSAL,
        "deployments status --json --env production",
        "versions view before-1 --json --env production",
        "d1 migrations list DB --remote --env production",
        "d1 migrations apply DB --remote --env production",
        "deploy --env production",
        "rollback before-1 --yes --env production --message the smoke run after the deploy failed",
    ];
    assert_eq!(account.calls(), expected);
}

/// Cloudflare refuses to go back across a migration of Durable Objects, or to the draft that holds
/// secrets before the first upload: it was tried all the same, and known when it had failed.
#[test]
fn where_there_is_no_way_back_it_is_said_before_anything_changes_and_none_is_tried() {
    let database = r#"{"type": "d1"}"#;
    for (binding, tag, why) in [
        (
            database,
            "v1",
            "applies the migration v2 of Durable Objects",
        ),
        (r#"{"type": "secret_text"}"#, "", "what runs is the draft"),
    ] {
        let account = Account::new(filled_in);
        let runtime = format!(r#"{{"migration_tag": "{tag}"}}"#);
        let version =
            format!(r#"{{"resources": {{"bindings": [{binding}], "script_runtime": {runtime}}}}}"#);
        account.write("version", &version);
        let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let told = text(&output.stdout);
        let plan = told.find("NO WAY BACK: ").expect(&told);
        assert!(told[plan..].contains(why), "{told}");
        assert!(plan < told.find("6. they are applied").unwrap(), "{told}");
        let said = text(&output.stderr);
        assert!(said.contains("and there is no way back: "), "{said}");
        assert!(
            said.contains("The version that failed is LIVE: mend it"),
            "{said}"
        );
        assert!(!account
            .calls()
            .iter()
            .any(|call| call.starts_with("rollback")));
    }
}

/// The code of before, deployed anew with its own `wrangler.toml`: Cloudflare refuses to apply what
/// is applied, after the database has been migrated.
#[test]
fn code_that_does_not_know_the_migrations_of_what_runs_stops_before_anything_changes() {
    let account = Account::new(filled_in);
    let version = r#"{"resources": {"script_runtime": {"migration_tag": "v9"}}}"#;
    account.write("version", version);
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(
        told.contains("has the migration v9 of Durable Objects"),
        "{told}"
    );
    assert!(!account.calls().iter().any(|call| call.contains("apply")));
}

/// Crons and addresses are set behind the upload: when they fail the new version serves, and it was
/// told as an upload that failed.
#[test]
fn an_upload_that_fails_behind_itself_is_told_to_be_live() {
    let account = Account::new(filled_in);
    account.write("crons", "");
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(
        said.contains("the version uploaded-1 was uploaded and is LIVE"),
        "{said}"
    );
    assert!(said.contains("schedules [code: 10000]"), "{said}");
}

/// `wrangler deploy` ends with 0 also when it has answered no to a question of its own: the version
/// before would have been judged in the place of the new one.
#[test]
fn an_upload_that_names_no_version_is_none() {
    let account = Account::new(filled_in);
    account.write("aborted", "");
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(
        said.contains("named no version, and says:\nAborting deploy..."),
        "{said}"
    );
    assert!(
        said.contains("wrangler deployments list --env production"),
        "{said}"
    );
}

/// What had been changed by then, and what serves, was nobody's word.
#[test]
fn a_step_that_fails_in_the_middle_says_what_serves_and_what_to_do() {
    for (step, says) in [
        (
            "d1 migrations apply",
            "what ran before still serves, with the migrations",
        ),
        (
            "deploy --env",
            "what ran before still serves, and lives with the migrations",
        ),
    ] {
        let account = Account::new(filled_in);
        account.write("broken", step);
        let output = account.ops(&["deploy", "--env", "production"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(
            said.contains(says) && said.contains("call this again"),
            "{said}"
        );
    }
}

/// It was told as a command that failed: nobody knew that the version that does not hold was live.
#[test]
fn a_worker_that_cannot_go_back_is_told_to_be_live() {
    let account = Account::new(filled_in);
    account.write("broken", "rollback");
    let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("the version that failed is LIVE"), "{said}");
    assert!(said.contains("wrangler rollback before-1"), "{said}");
}

#[test]
fn placeholders_stop_a_deploy_before_anything_is_asked() {
    let account = Account::new(str::to_owned);
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    for name in ["database_id", "PUBLIC_URL", "RUNPOD_ENDPOINT_ID"] {
        assert!(told.contains(&format!("{name} is a placeholder")), "{told}");
    }
    assert_eq!(account.calls(), [""; 0]);
}

/// The smoke run would have nobody to be: a good deploy would go back.
#[test]
fn production_is_not_deployed_without_the_key_that_its_smoke_run_needs() {
    let account = Account::new(filled_in);
    let output = account
        .command(&["deploy", "--env", "production"])
        .env_remove("ADMIN_KEY")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(
        told.contains("ADMIN_KEY is not in the environment"),
        "{told}"
    );
    assert_eq!(account.calls(), [""; 0]);
}

#[test]
fn a_secret_that_is_missing_is_named_and_nothing_is_changed() {
    let account = Account::new(filled_in);
    fs::write(
        account.0.path().join("secrets"),
        r#"[{"name": "TOKEN_SECRETS"}]"#,
    )
    .unwrap();
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(
        told.contains("wrangler secret put ADMIN_KEY --env production"),
        "{told}"
    );
    assert_eq!(
        account.calls(),
        ["secret list --format json --env production"]
    );
}

#[test]
fn a_migration_that_takes_away_stops_a_deploy() {
    let account = Account::new(filled_in);
    let migrations = account.0.path().join("migrations");
    fs::remove_file(&migrations).unwrap();
    fs::create_dir(&migrations).unwrap();
    fs::write(migrations.join("0001_init.sql"), "DROP TABLE jobs;").unwrap();
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("`DROP TABLE jobs`"),
        "{}",
        text(&output.stdout)
    );
    assert!(!account.calls().iter().any(|call| call.contains("apply")));
}

#[test]
fn a_rehearsal_says_every_step_and_changes_nothing() {
    let account = Account::new(filled_in);
    let output = account.ops(&["deploy", "--env", "production", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for step in 1..=8 {
        assert!(told.contains(&format!("{step}. ")), "{told}");
    }
    assert!(
        told.contains("   would run wrangler deploy --env production\n"),
        "{told}"
    );
    assert_eq!(account.calls(), [REHEARSAL]);
}

/// It said what was wrong and ended as if nothing were: a pipeline went on.
#[test]
fn a_rehearsal_that_finds_what_would_stop_a_deploy_says_so_by_its_status() {
    let account = Account::new(str::to_owned);
    let output = account.ops(&["deploy", "--env", "production", "--dry-run", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = "a deploy would stop: 3 things are wrong";
    assert_eq!(
        (&told["ok"], &told["error"]),
        (&json!(false), &json!(error))
    );
    assert_eq!(told["steps"].as_array().unwrap().len(), 8, "and goes on");
}

/// The Worker was compiled for minutes, and nothing was seen.
#[test]
fn what_a_build_says_is_shown_while_it_is_built() {
    let account = Account::new(filled_in);
    let output = account.ops(&["deploy", "--env", "production", "--dry-run"]);
    let told = text(&output.stdout);
    assert!(
        told.contains("a build from nothing takes minutes"),
        "{told}"
    );
    let said = text(&output.stderr);
    assert!(
        said.contains("[custom build] compiling the Worker"),
        "{said}"
    );
}

/// Any failure counted as "none is set": a setup made every secret anew, and all that the old ones
/// had signed was lost.
#[test]
fn secrets_that_cannot_be_listed_are_not_taken_for_secrets_that_are_not_set() {
    for verb in ["deploy", "setup"] {
        let mock = Mock::start("{}");
        // The database of that name is the one whose id is filled in, and the endpoint the mock's.
        let account = Account::new(|config| {
            let config = filled_in(config).replace("abc123", "mock");
            config.replace("555555555553", "555555555555")
        });
        account.write("broken", "secret list");
        let mut command = account.command(&[verb, "--env", "production"]);
        let output = answers(&mut command, &mock.address).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(
            said.contains("Authentication error [code: 10000]"),
            "{said}"
        );
        let calls = account.calls();
        assert!(!calls.iter().any(|call| call.contains("put")), "{calls:?}");
        assert!(!calls.contains(&"deploy --env production".to_owned()));
    }
}

#[test]
fn before_there_is_a_worker_no_secret_is_set() {
    let account = Account::new(filled_in);
    fs::remove_file(account.0.path().join("secrets")).unwrap();
    let output = account.ops(&["deploy", "--env", "production"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for name in ["TOKEN_SECRETS", "RUNPOD_API_KEY", "ADMIN_KEY"] {
        assert!(told.contains(&format!("{name} is not set")), "{told}");
    }
}

/// A deploy that does not know where to go back to could not take itself back.
#[test]
fn a_version_that_cannot_be_asked_for_stops_a_deploy_and_none_is_no_fault() {
    let account = Account::new(filled_in);
    account.write("broken", "deployments status");
    let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let uploaded = "deploy --env production".to_owned();
    assert!(!account.calls().contains(&uploaded));
    let account = Account::new(filled_in);
    account.write("new", "");
    let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(account.calls().contains(&uploaded));
    let said = text(&output.stderr);
    assert!(
        said.contains("nothing is deployed yet. The version that failed is LIVE"),
        "{said}"
    );
}

/// With a real endpoint nobody is served without a key: the smoke run would take a good Worker
/// back.
#[test]
fn staging_with_a_real_endpoint_wants_the_operators_key_and_without_one_it_does_not() {
    for (secrets, stops) in [
        (ALL_SECRETS, true),
        (r#"[{"name": "TOKEN_SECRETS"}]"#, false),
    ] {
        let account = Account::new(filled_in);
        account.write("secrets", secrets);
        let mut command = account.command(&["deploy", "--env", "staging", "--settle", "0"]);
        let output = command.env_remove("ADMIN_KEY").output().unwrap();
        let told = text(&output.stdout);
        let is_told = told.contains("ADMIN_KEY is not in the environment");
        assert_eq!(is_told, stops, "{told}");
        let is_uploaded = account.calls().contains(&"deploy --env staging".to_owned());
        assert_eq!(is_uploaded, !stops, "{told}");
    }
}
