//! `wrangler`, run as a command: the one on PATH, else the product's own.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{bail, Context};

/// Where npm puts the product's own, with the `node` that it wants.
const OWN: &str = "node_modules/.bin";

/// Lines of a failed command that are shown: the last ones say why.
const LINES_SHOWN: usize = 12;

pub struct Wrangler {
    /// Where it runs: it reads the `wrangler.toml` of this folder.
    pub folder: PathBuf,
    path: OsString,
}

impl Wrangler {
    pub fn new(root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let is_there = |folder: &PathBuf| folder.join("wrangler").is_file();
        let path = if folders.iter().any(is_there) {
            path
        } else if is_there(&root.join(OWN)) {
            std::env::join_paths(std::iter::once(root.join(OWN)).chain(folders))?
        } else {
            bail!("wrangler is not on PATH and not in {OWN}: run make setup");
        };
        Ok(Self {
            folder: folder.to_owned(),
            path,
        })
    }

    /// What it printed. Fails with the last lines when it did not succeed.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{} does not start", line(arguments)))?;
        if !output.status.success() {
            bail!("{} failed:\n{}", line(arguments), last_lines(&output));
        }
        String::from_utf8(output.stdout).context("wrangler printed something that is no text")
    }

    /// The same with a secret on its standard input, where no list of processes shows it.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.with_context(|| format!("{} does not start", line(arguments)))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{} failed:\n{}", line(arguments), last_lines(&output));
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("wrangler");
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            // No questions, no telemetry, and an output that a program can read.
            .env("CI", "1")
            .env("NO_COLOR", "1")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_HIDE_BANNER", "true");
        command
    }
}

/// As one would type it.
pub fn line(arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:=".contains(c);
    let word = |word: &&str| {
        if word.chars().all(plain) && !word.is_empty() {
            (*word).to_owned()
        } else {
            format!("'{word}'")
        }
    };
    let words: Vec<String> = arguments.iter().map(word).collect();
    format!("wrangler {}", words.join(" "))
}

fn last_lines(output: &Output) -> String {
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let told = told.concat();
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
    let shown = shown.iter().map(|line| format!("  {line}"));
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let words = ["d1", "execute", "edge-queue", "--command", "SELECT 1"];
        let expected = "wrangler d1 execute edge-queue --command 'SELECT 1'";
        assert_eq!(line(&words), expected);
    }
}
