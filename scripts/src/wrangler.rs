//! `wrangler`, run as a command: the one on PATH, else the product's own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use anyhow::{bail, Context};

/// Where npm puts the product's own, with the `node` that it wants.
const OWN: &str = "node_modules/.bin";

/// Lines of a failed command that are shown: the last ones say why.
const LINES_SHOWN: usize = 12;

/// What is not in an account, as `wrangler` and the API behind it say so. Whatever else goes wrong
/// says nothing about what is there.
#[derive(Clone, Copy)]
pub enum Absent {
    /// Of this name, or with nothing deployed.
    Worker,
    Database,
    Bucket,
}

impl Absent {
    /// Each is a list of words that stand on one line.
    const fn words(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Worker => &[
                &["[code: 10007]"],
                &["Worker \"", " not found."],
                &["The Worker ", " has no deployments."],
            ],
            Self::Database => &[&["Couldn't find a D1 DB "]],
            Self::Bucket => &[&["[code: 10006]"]],
        }
    }

    fn is_told(self, text: &str) -> bool {
        let has_all = |words: &&[&str]| {
            let mut lines = text.lines();
            lines.any(|line| words.iter().all(|word| line.contains(word)))
        };
        self.words().iter().any(has_all)
    }
}

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

    /// The same; `None`: what is asked about is not there. Every other failure stays one.
    pub fn find(&self, arguments: &[&str], absent: Absent) -> anyhow::Result<Option<String>> {
        match self.run(arguments) {
            Ok(told) => Ok(Some(told)),
            Err(error) if absent.is_told(&format!("{error:#}")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same for what takes minutes: each line goes to standard error as it comes.
    pub fn run_aloud(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child
            .spawn()
            .with_context(|| format!("{} does not start", line(arguments)))?;
        let said = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let outputs: [Option<Box<dyn Read + Send>>; 2] = [
                child.stdout.take().map(|it| Box::new(it) as _),
                child.stderr.take().map(|it| Box::new(it) as _),
            ];
            for output in outputs.into_iter().flatten() {
                scope.spawn(|| aloud(output, &said));
            }
        });
        if !child.wait()?.success() {
            let said = said.into_inner().unwrap_or_default();
            bail!("{} failed:\n{}", line(arguments), last_of(&said));
        }
        Ok(())
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

/// Shows what a command says, and keeps it.
fn aloud(output: impl Read, said: &Mutex<Vec<String>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        eprintln!("   {line}");
        if let Ok(mut said) = said.lock() {
            said.push(line);
        }
    }
}

fn last_lines(output: &Output) -> String {
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let lines: Vec<String> = told.concat().lines().map(str::to_owned).collect();
    last_of(&lines)
}

fn last_of(lines: &[String]) -> String {
    let lines = lines.iter().filter(|line| !line.trim().is_empty());
    let lines: Vec<String> = lines.map(|line| format!("  {line}")).collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
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

    #[test]
    fn only_what_is_not_there_counts_as_absent() {
        let worker = |text: &str| Absent::Worker.is_told(text);
        for text in [
            "A request to the Cloudflare API failed.\n  This Worker does not exist. [code: 10007]",
            "✘ [ERROR] Worker \"edge-queue-staging\" (env: staging) not found.",
            "✘ [ERROR] The Worker edge-queue-staging has no deployments.",
        ] {
            assert!(worker(text), "{text}");
        }
        for text in [
            "Authentication error [code: 10000]",
            "fetch failed",
            "Worker \"edge-queue\" took too long\nthe page was not found.",
            "You are not authenticated. Please run `wrangler login`.",
        ] {
            assert!(!worker(text), "{text}");
        }
        assert!(Absent::Bucket.is_told("The specified bucket does not exist. [code: 10006]"));
        assert!(!Absent::Bucket.is_told("This Worker does not exist. [code: 10007]"));
    }
}
