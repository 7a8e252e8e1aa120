//! `ops setup` with a `wrangler` that writes down how it was called.

#![cfg(test)]

mod account;
mod mock;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use account::{answers, text, Account};
use mock::Mock;

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
    answers(&mut command, &mock.address).output().unwrap();
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

/// OPERATIONS tells its reader to export production's key and endpoint: staging was given both.
#[test]
fn a_setup_says_whence_each_value_is_and_takes_no_other_environments() {
    let mock = Mock::start("{}");
    let account = Account::new(|config| {
        let (head, production) = config.split_once("[env.production.vars]").unwrap();
        let staging = head.replace("replace-me\"", "mock\"");
        format!("{staging}[env.production.vars]{production}")
    });
    account.write("secrets", r#"[{"name": "RUNPOD_API_KEY"}]"#);
    let mut command = account.command(&["setup", "--env", "staging"]);
    let production = "the operator's key of production";
    let command = answers(&mut command, &mock.address)
        .env("ADMIN_KEY", production)
        .env("RUNPOD_ENDPOINT_ID", "endpoint-of-production");
    let told = text(&command.output().unwrap().stdout);
    for line in [
        "PUBLIC_URL is taken from the environment",
        "RUNPOD_ENDPOINT_ID stays \"mock\", as wrangler.toml has it",
        "RUNPOD_ENDPOINT_ID in the environment is another one, and is not used",
        "ADMIN_KEY in the environment is not used",
        "speaks to the Worker with the ADMIN_KEY of .run/setup-staging.secrets",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
    let config = account.config();
    assert!(!config.contains("endpoint-of-production"), "{config}");
    let calls = account.calls();
    assert!(
        calls.contains(&"ADMIN_KEY has 64 bytes".to_owned()),
        "{calls:?}"
    );
}

/// `wrangler whoami` ends with 0 also when nobody is logged in.
#[test]
fn a_setup_of_nobodys_account_stops_at_its_first_step() {
    let mock = Mock::start("{}");
    let account = Account::new(str::to_owned);
    account.write("nobody", "");
    let mut command = account.command(&["setup", "--env", "production"]);
    let output = answers(&mut command, &mock.address).output().unwrap();
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
        let output = answers(&mut command, &mock.address).output().unwrap();
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
        ["deploy --dry-run --outdir .run/deploy --env staging"]
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
    let command = answers(&mut command, &mock.address).env_remove("ADMIN_KEY");
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
