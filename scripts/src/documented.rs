//! Every command that the documents show is one that there is: commands of ours are read by the
//! command line itself, and what no test runs says in a comment what it needs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::CommandFactory as _;

/// Comments of commands that no test runs: an account, a network, a machine of its own.
const MARKS: [&str; 2] = ["# account", "# needs "];

/// Pages whose blocks tests/e2e/readme.test.mjs runs, line by line, against the product.
const RUN_AS_THEY_STAND: [&str; 3] = ["README.md", "docs/API.md", "docs/WEBHOOKS.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every page, with its name.
fn pages() -> Vec<(String, String)> {
    let mut names = vec!["README.md".to_owned(), "gpu/README.md".to_owned()];
    names.push("migrations/README.md".to_owned());
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|it| it == "md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// The lines of shell blocks; one that goes on behind a backslash is one.
fn commands(page: &str) -> Vec<String> {
    // What is left of a list's indentation is of no use to a shell either.
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let lines = blocks.flat_map(|block| {
        let joined = block.replace("\\\n", " ");
        let lines = joined.lines().map(|line| line.trim().to_owned());
        lines.collect::<Vec<_>>()
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// What stands in backquotes, outside blocks.
fn spans(page: &str) -> Vec<String> {
    let outside = page.split("```").step_by(2);
    let spans = outside.flat_map(|text| text.split('`').skip(1).step_by(2));
    spans.map(|span| span.replace('\n', " ")).collect()
}

/// The words behind `ops`, if it is a command of ours; what is before them sets variables.
fn ours(command: &str) -> Option<Vec<String>> {
    let words = shlex::split(command)?;
    let begin = words.iter().position(|word| !word.contains('='))?;
    let begin = begin + usize::from(words[begin] == "cargo");
    (words.get(begin)? == "ops").then(|| words[begin..].to_vec())
}

fn error_of(words: &[String]) -> Option<ErrorKind> {
    let read = super::Cli::command().try_get_matches_from(words);
    let kind = read.err()?.kind();
    (kind != ErrorKind::DisplayHelp).then_some(kind)
}

/// Inside `$(…)` and before a pipe, too.
fn all_of(line: &str) -> Vec<String> {
    let bare = MARKS
        .iter()
        .fold(line, |line, mark| line.split(mark).next().unwrap_or(line));
    let parts = bare.split(['|', '(', ')']);
    parts.map(|part| part.trim().to_owned()).collect()
}

#[test]
fn every_command_of_ours_in_a_block_is_understood() {
    let (mut found, mut wrong) = (0, String::new());
    for (name, page) in pages() {
        for line in commands(&page) {
            for words in all_of(&line).iter().filter_map(|part| ours(part)) {
                found += 1;
                if let Some(kind) = error_of(&words) {
                    let _ = writeln!(wrong, "{name}: {line}: {kind}");
                }
            }
        }
    }
    assert_eq!(wrong, "");
    assert!(found > 15, "{found}");
}

/// In a sentence a command may be named without all that it wants, but not with what it does not
/// have.
#[test]
fn every_command_of_ours_in_a_sentence_is_one_that_there_is() {
    let (mut found, mut wrong) = (0, String::new());
    for (name, page) in pages() {
        let spans = spans(&page);
        for (span, words) in spans.iter().filter_map(|span| Some((span, ours(span)?))) {
            found += 1;
            let incomplete = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::MissingSubcommand,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ];
            let is_named_alone = words.len() == 1;
            let fault = error_of(&words).filter(|kind| !incomplete.contains(kind));
            if let Some(kind) = fault.filter(|_| !is_named_alone && !span.contains('…')) {
                let _ = writeln!(wrong, "{name}: `{span}`: {kind}");
            }
        }
    }
    assert_eq!(wrong, "");
    assert!(found > 40, "{found}");
}

#[test]
fn what_no_test_runs_says_what_it_needs() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut wrong = String::new();
    for (name, page) in pages() {
        for line in commands(&page) {
            let words = shlex::split(&line).unwrap_or_default();
            let is_marked = MARKS.iter().any(|mark| line.contains(mark));
            let is_known = match words.first().map(String::as_str) {
                // A comment of its own, or a setting for the lines below it.
                None | Some("export") => true,
                Some("make") => makefile.contains(&format!("\n{}:", words[1])),
                _ if all_of(&line).iter().any(|part| ours(part).is_some()) => true,
                // scripts/tests/models.rs calls it with the same options.
                Some("python3") if words.get(1).is_some_and(|file| file == "gpu/fetch.py") => true,
                _ => RUN_AS_THEY_STAND.contains(&name.as_str()),
            };
            if !is_marked && !is_known {
                let _ = writeln!(wrong, "{name}: {line}");
            }
        }
    }
    assert_eq!(wrong, "", "a mark is one of {MARKS:?}");
}
