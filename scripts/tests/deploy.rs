//! `ops deploy` and `ops setup` with a `wrangler` that writes down how it was called.

#![cfg(test)]

mod account;
mod mock;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use account::{filled_in, Account, ALL_SECRETS};
use mock::Mock;
use serde_json::{json, Value};

/// What a setup would ask for, with the endpoint's address.
fn answers<'c>(command: &'c mut Command, mock: &Mock) -> &'c mut Command {
    command
        .env("PUBLIC_URL", "https://queue.example.com")
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .env("RUNPOD_API_KEY", "mock-key")
        .env("RUNPOD_BASE_URL", format!("http://{}/v2", mock.address))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const REHEARSAL: &str = "deploy --dry-run --env production --outdir .run/deploy";

#[test]
fn a_deployment_that_does_not_hold_goes_back_to_the_version_before() {
    let account = Account::new(filled_in);
    let output = account.ops(&["deploy", "--env", "production", "--settle", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("it is back at before-1"));
    let expected = [
        "secret list --env production --format json",
        REHEARSAL,
        "d1 migrations list DB --remote --env production",
        "d1 migrations apply DB --remote --env production",
        "deployments status --env production --json",
        "deploy --env production",
        "rollback before-1 --env production --yes --message the smoke run after the deploy failed",
    ];
    assert_eq!(account.calls(), expected);
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
        ["secret list --env production --format json"]
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
        let account = Account::new(filled_in);
        account.write("broken", "secret list");
        let mut command = account.command(&[verb, "--env", "production"]);
        let output = answers(&mut command, &mock).output().unwrap();
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
        said.contains("there is no version before to go back to"),
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

/// It broke off between the bucket and its last rule; the next one took all of it for done.
#[test]
fn a_setup_that_broke_off_at_the_buckets_rules_sets_the_others() {
    let mock = Mock::start("{}");
    let account = Account::new(str::to_owned);
    account.write("made", "");
    account.write("bucket", "");
    account.write("rules", "name:      evidence\nenabled:   Yes\n");
    let mut command = account.command(&["setup", "--env", "production"]);
    account.write("broken", "secret list");
    answers(&mut command, &mock).output().unwrap();
    let calls = account.calls();
    let changes: Vec<&str> = calls
        .iter()
        .map(String::as_str)
        .filter(|call| call.contains("create") || call.contains("lifecycle add"))
        .collect();
    let add = "r2 bucket lifecycle add edge-queue-production";
    assert_eq!(
        changes,
        [
            format!("{add} uploads assets/ --expire-days 800 --force"),
            format!("{add} parts  --abort-multipart-days 7 --force"),
        ]
    );
}

/// `wrangler whoami` ends with 0 also when nobody is logged in.
#[test]
fn a_setup_of_nobodys_account_stops_at_its_first_step() {
    let mock = Mock::start("{}");
    let account = Account::new(str::to_owned);
    account.write("nobody", "");
    let mut command = account.command(&["setup", "--env", "production"]);
    let output = answers(&mut command, &mock).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("call wrangler login first"), "{said}");
    assert_eq!(account.calls(), ["whoami"]);
}

#[test]
fn an_account_that_cannot_be_asked_is_given_nothing_new() {
    for asked in ["d1 info", "r2 bucket info", "r2 bucket lifecycle list"] {
        let mock = Mock::start("{}");
        let account = Account::new(str::to_owned);
        account.write("made", "");
        account.write("bucket", "");
        account.write("broken", asked);
        let mut command = account.command(&["setup", "--env", "production"]);
        let output = answers(&mut command, &mock).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{asked}");
        let calls = account.calls();
        let changes = ["create", "add", "put"];
        let is_change = |call: &&String| changes.iter().any(|word| call.contains(word));
        assert_eq!(calls.iter().find(is_change), None, "{asked}");
    }
}

#[test]
fn a_setup_in_rehearsal_is_understood_and_touches_nothing() {
    let account = Account::new(str::to_owned);
    let output = account.ops(&["setup", "--env", "staging", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(!told.contains("placeholder"), "{told}");
    for wanted in [
        "would ask for RUNPOD_API_KEY: the RunPod API key that opens it",
        "wrangler d1 create edge-queue-staging",
        "wrangler r2 bucket create edge-queue-staging",
        "wrangler secret put TOKEN_SECRETS --env staging",
        "wrangler d1 migrations apply DB --remote --env staging",
        "ops keys create --owner me --name first",
    ] {
        assert!(told.contains(wanted), "{wanted}:\n{told}");
    }
    assert_eq!(
        account.calls(),
        ["deploy --dry-run --env staging --outdir .run/deploy"]
    );
    assert!(account
        .config()
        .contains("00000000-0000-0000-0000-000000000002"));
}

/// Two secrets are made, written down for the owner alone, and given to wrangler where no list of
/// processes shows them; none is printed.
#[test]
fn a_setup_makes_secrets_that_only_their_owner_sees() {
    let mock = Mock::start("{}");
    let account = Account::new(str::to_owned);
    fs::write(account.0.path().join("secrets"), "[]").unwrap();
    let mut command = account.command(&["setup", "--env", "production"]);
    let command = answers(&mut command, &mock).env_remove("ADMIN_KEY");
    let output = command.output().unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    // An account that forgets them is told by the deploy pipeline's own check.
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("TOKEN_SECRETS is not set"), "{told}");
    let calls = account.calls();
    for put in [
        "secret put TOKEN_SECRETS --env production",
        "TOKEN_SECRETS has 64 bytes",
        "RUNPOD_API_KEY has 8 bytes",
        "ADMIN_KEY has 64 bytes",
    ] {
        assert!(calls.iter().any(|call| call == put), "{put}: {calls:#?}");
    }
    let file = account.0.path().join(".run/setup-production.secrets");
    let permissions = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(permissions & 0o777, 0o600);
    let kept = fs::read_to_string(&file).unwrap();
    let made: Vec<(&str, &str)> = kept
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let names: Vec<&str> = made.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["TOKEN_SECRETS", "ADMIN_KEY"]);
    for (_, secret) in made {
        assert!(!told.contains(secret), "{told}");
        assert!(!calls.iter().any(|call| call.contains(secret)));
    }
    assert!(!told.contains("mock-key"), "{told}");
    assert!(account.config().contains("RUNPOD_ENDPOINT_ID = \"mock\""));
}
