//! Every command that the documents show is one that there is: commands of ours are read by the
//! command line itself, and what no test runs says in a comment what it needs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::CommandFactory as _;

/// Comments of commands that no test runs: an account, a network, a machine of its own.
const MARKS: [&str; 2] = ["# account", "# needs "];

/// Runs the blocks of the pages in its PAGES, line by line, against the product.
const RUNNER: &str = "tests/e2e/readme.test.mjs";

/// Commands of other pages, by how they begin; the test that runs them with values of its own, and
/// words by which it is seen that it does.
const RUN_ELSEWHERE: [[&str; 3]; 4] = [
    [
        "cargo ops setup --env production --dry-run",
        "scripts/tests/setup.rs",
        r#"&["setup", "--env", "staging", "--dry-run"]"#,
    ],
    [
        "cargo ops contract new",
        "scripts/tests/contract.rs",
        r#""new""#,
    ],
    [
        "cargo ops models check",
        "scripts/tests/models.rs",
        r#"models("check", &manifest, &[])"#,
    ],
    [
        "python3 gpu/fetch.py --into /runpod-volume/models --dry-run",
        "scripts/tests/models.rs",
        r#"fetch(&manifest, &into, &["--dry-run"])"#,
    ],
];

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

/// Those that the runner names.
fn run_as_they_stand() -> Vec<String> {
    let runner = std::fs::read_to_string(root().join(RUNNER)).unwrap();
    let list = runner.split("const PAGES = [").nth(1).unwrap();
    let names = list.split(']').next().unwrap().split('"');
    names.skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_is_said_to_be_run_is_run_somewhere() {
    let run = run_as_they_stand();
    assert!(run.len() >= 5, "{run:?}");
    let known: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
    assert!(run.iter().all(|name| known.contains(name)), "{run:?}");
    for [command, test, words] in RUN_ELSEWHERE {
        let text = std::fs::read_to_string(root().join(test)).unwrap();
        assert!(text.contains(words), "{test}: {command}");
    }
}

#[test]
fn what_no_test_runs_says_what_it_needs() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let run = run_as_they_stand();
    let mut wrong = String::new();
    for (name, page) in pages() {
        for line in commands(&page) {
            let is_target = |target: &str| makefile.contains(&format!("\n{target}:"));
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_known = match words.first().copied() {
                // A comment of its own, or settings for the lines below it.
                None | Some("#" | "export") => true,
                Some("make") => words.get(1).copied().is_some_and(is_target),
                _ => {
                    let elsewhere = RUN_ELSEWHERE
                        .iter()
                        .any(|[known, ..]| line.starts_with(known));
                    let is_marked = MARKS.iter().any(|mark| line.contains(mark));
                    elsewhere || is_marked || run.contains(&name)
                }
            };
            if !is_known {
                let _ = writeln!(wrong, "{name}: {line}");
            }
        }
    }
    assert_eq!(wrong, "", "a mark is one of {MARKS:?}");
}
