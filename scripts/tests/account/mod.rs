//! The product's folder as one has it who deploys, with a `wrangler` that writes down how it was
//! called.

#![allow(dead_code)] // Each test binary uses a part of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Answers as an account would that has nothing pending, every secret, and one version.
const WRANGLER: &str = include_str!("../wrangler.sh");

pub const ALL_SECRETS: &str =
    r#"[{"name": "TOKEN_SECRETS"}, {"name": "RUNPOD_API_KEY"}, {"name": "ADMIN_KEY"}]"#;

pub struct Account(pub tempfile::TempDir);

impl Account {
    /// The product's own settings, filled in for nobody there.
    pub fn new(change: impl Fn(&str) -> String) -> Self {
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

    pub fn ops(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
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

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    pub fn config(&self) -> String {
        fs::read_to_string(self.0.path().join("wrangler.toml")).unwrap()
    }
}

pub fn filled_in(config: &str) -> String {
    config
        .replace(
            "00000000-0000-0000-0000-00000000000",
            "11111111-2222-4333-8444-55555555555",
        )
        // Nothing listens there: the smoke run fails at once.
        .replace("https://replace-me.invalid", "http://127.0.0.1:9")
        .replace("replace-me", "abc123")
}

/// What a setup would ask for, with the address of a mock of the endpoint.
pub fn answers<'c>(command: &'c mut Command, address: &str) -> &'c mut Command {
    command
        .env("PUBLIC_URL", "https://queue.example.com")
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .env("RUNPOD_API_KEY", "mock-key")
        .env("RUNPOD_BASE_URL", format!("http://{address}/v2"))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
