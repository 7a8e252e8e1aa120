//! `ops`: the operator's command line. One file per verb, its help at its `Arguments`.

mod admin;
mod backup;
mod clock;
mod compile;
mod contract;
mod convert;
mod deploy;
mod deployment;
#[cfg(test)]
mod documented;
mod exit;
#[cfg(test)]
#[path = "../tests/fake/mod.rs"]
mod fake;
mod files;
mod folder;
mod golden;
mod inventory;
mod keys;
mod load;
mod mock_runpod;
mod models;
mod project;
mod reconcile;
mod recover;
mod runpod;
mod setup;
mod smoke;
mod statements;
mod stats;
mod steps;
mod templates;
mod told;
mod validate;
mod webhooks;
mod wrangler;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "ops",
    version,
    about = "The operator's command line of edge-queue"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Backup(Box<backup::Arguments>),
    Compile(compile::Arguments),
    Contract(contract::Arguments),
    Convert(convert::Arguments),
    Deploy(deploy::Arguments),
    Golden(golden::Arguments),
    Inventory(inventory::Arguments),
    Keys(keys::Arguments),
    Load(load::Arguments),
    MockRunpod(mock_runpod::Arguments),
    Models(models::Arguments),
    Reconcile(reconcile::Arguments),
    Recover(recover::Arguments),
    Restore(backup::Restore),
    Runpod(runpod::Arguments),
    Setup(setup::Arguments),
    Smoke(smoke::Arguments),
    #[command(hide = true)]
    Statements(statements::Arguments),
    Stats(stats::Arguments),
    Validate(validate::Arguments),
    Webhooks(webhooks::Arguments),
}

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let read = Cli::from_arg_matches(&matches);
    let cli = read.unwrap_or_else(|error| error.exit());
    run(cli.verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if wants_json(&matches) {
            told::broken_off(&error);
        }
        if is_found(&error) {
            exit::FOUND
        } else {
            exit::failed()
        }
    })
}

/// What was asked of the innermost verb.
fn wants_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => wants_json(inner),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

/// What was looked at is at fault, rather than the looking.
fn is_found(error: &anyhow::Error) -> bool {
    error.is::<deployment::Refused>()
        || error.is::<backup::Unlike>()
        || error.is::<deploy::Stopped>()
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Backup(arguments) => return backup::run(&arguments),
        Verb::Compile(arguments) => return compile::run(&arguments),
        Verb::Contract(arguments) => return contract::run(&arguments),
        Verb::Reconcile(arguments) => return reconcile::run(&arguments),
        Verb::Recover(arguments) => return recover::run(&arguments),
        Verb::Restore(arguments) => return backup::restore(&arguments),
        Verb::Models(arguments) => return models::run(&arguments),
        Verb::Runpod(arguments) => return runpod::run(&arguments),
        Verb::Deploy(arguments) => return deploy::run(&arguments),
        Verb::Golden(arguments) => return golden::run(&arguments),
        Verb::Setup(arguments) => return setup::run(&arguments),
        Verb::Load(arguments) => return load::run(&arguments),
        Verb::Smoke(arguments) => return smoke::run(&arguments),
        Verb::Stats(arguments) => return stats::run(&arguments),
        Verb::Convert(arguments) => convert::run(&arguments)?,
        Verb::Inventory(arguments) => inventory::run(&arguments)?,
        Verb::Keys(arguments) => keys::run(&arguments)?,
        Verb::MockRunpod(arguments) => mock_runpod::run(arguments)?,
        Verb::Statements(arguments) => statements::run(&arguments)?,
        Verb::Validate(arguments) => validate::run(&arguments)?,
        Verb::Webhooks(arguments) => webhooks::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every verb with the words that call it, those of `ops contract` among them.
    fn verbs(of: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let shown = of
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
        let all = shown.flat_map(|verb| {
            let words = format!("{words} {}", verb.get_name());
            let inner = verbs(verb, &words);
            std::iter::once((words, verb.clone())).chain(inner)
        });
        all.collect()
    }

    /// Verbs without `--json`, each with its reason.
    const NOT_JSON: [(&str, &str); 1] = [(
        "ops mock-runpod",
        "it is a server, and answers in JSON as RunPod does",
    )];

    /// Verbs with neither `--dry-run` nor `--apply`, each with its reason.
    const NO_REHEARSAL: [(&str, &str); 14] = [
        ("ops backup verify", "changes nothing"),
        ("ops compile", "changes nothing"),
        ("ops contract check", "changes nothing"),
        (
            "ops contract new",
            "writes new files alone, where --out says",
        ),
        ("ops convert", "writes its answers alone, where --out says"),
        (
            "ops golden run",
            "orders pictures, and only of the deployment that --url names",
        ),
        ("ops golden diff", "changes nothing"),
        ("ops inventory core", "writes one file, which --out names"),
        ("ops mock-runpod", "changes nothing"),
        ("ops models check", "changes nothing"),
        (
            "ops runpod check",
            "orders one picture, and none with --without-job",
        ),
        ("ops smoke", "ends what it creates; creating is the check"),
        ("ops stats", "changes nothing"),
        ("ops validate", "writes its answers alone, where --out says"),
    ];

    /// Those that do something themselves, with the options that they have.
    fn doers() -> Vec<(String, clap::Command)> {
        let mut cli = Cli::command();
        cli.build();
        let all = verbs(&cli, "ops").into_iter();
        all.filter(|(_, verb)| !verb.is_subcommand_required_set())
            .collect()
    }

    fn has(verb: &clap::Command, option: &str) -> bool {
        verb.get_arguments()
            .any(|known| known.get_long() == Some(option))
    }

    /// Those that lack something are those that are excused, and no others.
    fn check(lacking: impl Fn(&clap::Command) -> bool, excused: &[(&str, &str)]) {
        let doers = doers();
        let lacking = doers.iter().filter(|(_, verb)| lacking(verb));
        let lacking: Vec<&str> = lacking.map(|(words, _)| words.as_str()).collect();
        let excused: Vec<&str> = excused.iter().map(|(words, _)| *words).collect();
        assert_eq!(lacking, excused);
    }

    #[test]
    fn every_verb_tells_its_answer_as_json() {
        check(|verb| !has(verb, "json"), &NOT_JSON);
    }

    #[test]
    fn every_verb_that_changes_something_can_be_rehearsed() {
        check(
            |verb| !has(verb, "dry-run") && !has(verb, "apply"),
            &NO_REHEARSAL,
        );
    }

    #[test]
    fn every_verb_says_how_it_exits() {
        let all = verbs(&Cli::command(), "ops");
        for (words, _) in doers() {
            // Its own help, or that of the verb which it belongs to.
            let mut of = all
                .iter()
                .filter(|(known, _)| words.starts_with(known.as_str()));
            let says = of.any(|(_, verb)| {
                let help = verb.get_after_help().map(ToString::to_string);
                help.is_some_and(|help| help.contains("Exit status: 0 "))
            });
            assert!(says, "{words}");
        }
    }

    #[test]
    fn every_verb_says_what_it_does_and_shows_an_example() {
        for (words, verb) in verbs(&Cli::command(), "ops") {
            assert!(verb.get_about().is_some(), "{words}");
            let help = verb.get_after_help().map(ToString::to_string);
            let (_, example) = help
                .as_deref()
                .and_then(|help| help.split_once("Example:\n"))
                .unwrap_or_else(|| panic!("{words} shows no example"));
            assert!(example.contains(&format!("  {words} ")), "{words}");
        }
    }
}
