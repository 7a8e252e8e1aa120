//! `ops`: the operator's command line. One file per verb, its help at its `Arguments`.

mod admin;
mod backup;
mod clock;
mod compile;
mod contract;
mod convert;
mod deploy;
mod deployment;
mod exit;
mod files;
mod folder;
mod golden;
mod inventory;
mod keys;
mod load;
mod mock_runpod;
mod project;
mod reconcile;
mod recover;
mod runpod;
mod setup;
mod smoke;
mod statements;
mod stats;
mod steps;
mod validate;
mod webhooks;
mod wrangler;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    run(Cli::parse().verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if is_found(&error) {
            exit::FOUND
        } else {
            exit::failed()
        }
    })
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
    use clap::CommandFactory;

    use super::*;

    /// Every verb with the words that call it, those of `ops contract` among them.
    fn verbs(of: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let shown = of.get_subcommands().filter(|verb| !verb.is_hide_set());
        let all = shown.flat_map(|verb| {
            let words = format!("{words} {}", verb.get_name());
            let inner = verbs(verb, &words);
            std::iter::once((words, verb.clone())).chain(inner)
        });
        all.collect()
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
