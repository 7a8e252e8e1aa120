//! `ops deploy` and `ops setup` with a `wrangler` that writes down how it was called.

#![cfg(test)]

mod mock;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mock::Mock;

/// Answers as an account would that has nothing pending, every secret, and one version.
const WRANGLER: &str = include_str!("wrangler.sh");

const ALL_SECRETS: &str =
    r#"[{"name": "TOKEN_SECRETS"}, {"name": "RUNPOD_API_KEY"}, {"name": "ADMIN_KEY"}]"#;

struct Account(tempfile::TempDir);

impl Account {
    /// The product's own settings, filled in for nobody there.
    fn new(change: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let config = fs::read_to_string(root.join("wrangler.toml")).unwrap();
        fs::write(folder.path().join("wrangler.toml"), change(&config)).unwrap();
        for name in ["migrations", "tests"] {
            std::os::unix::fs::symlink(root.join(name), folder.path().join(name)).unwrap();
        }
        let wrangler = folder.path().join("wrangler");
        fs::write(&wrangler, WRANGLER).unwrap();
        fs::set_permissions(&wrangler, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("secrets"), ALL_SECRETS).unwrap();
        Self(folder)
    }

    fn ops(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.0.path().display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_ops"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("PATH", path)
            .env("ADMIN_KEY", "the operator's key of nobody there")
            .stdin(Stdio::null());
        command
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn config(&self) -> String {
        fs::read_to_string(self.0.path().join("wrangler.toml")).unwrap()
    }
}

fn filled_in(config: &str) -> String {
    config
        .replace(
            "00000000-0000-0000-0000-00000000000",
            "11111111-2222-4333-8444-55555555555",
        )
        // Nothing listens there: the smoke run fails at once.
        .replace("https://replace-me.invalid", "http://127.0.0.1:9")
        .replace("replace-me", "abc123")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const REHEARSAL: &str = "deploy --dry-run --env production --outdir .run/deploy";

#[test]
fn a_deployment_that_does_not_hold_goes_back_to_the_version_before() {
    let account = Account::new(filled_in);
    let output = account.ops(&["deploy", "--env", "production"]);
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
    let account = Account::new(str::to_owned);
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
    let output = account
        .command(&["setup", "--env", "production"])
        .env_remove("ADMIN_KEY")
        .env("PUBLIC_URL", "https://queue.example.com")
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .env("RUNPOD_API_KEY", "mock-key")
        .env("RUNPOD_BASE_URL", format!("http://{}/v2", mock.address))
        .output()
        .unwrap();
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
