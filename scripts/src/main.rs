//! `ops`: the operator's command line. One file per verb, its help at its `Arguments`.

mod convert;
mod files;
mod inventory;
mod mock_runpod;
mod statements;
mod validate;

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
    Convert(convert::Arguments),
    Inventory(inventory::Arguments),
    MockRunpod(mock_runpod::Arguments),
    #[command(hide = true)]
    Statements(statements::Arguments),
    Validate(validate::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Convert(arguments) => convert::run(&arguments),
        Verb::Inventory(arguments) => inventory::run(&arguments),
        Verb::MockRunpod(arguments) => mock_runpod::run(arguments),
        Verb::Statements(arguments) => statements::run(&arguments),
        Verb::Validate(arguments) => validate::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_verb_says_what_it_does_and_shows_an_example() {
        let cli = Cli::command();
        for verb in cli.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = verb.get_name();
            assert!(verb.get_about().is_some(), "{name}");
            let help = verb.get_after_help().map(ToString::to_string);
            let (_, example) = help
                .as_deref()
                .and_then(|help| help.split_once("\n\nExample:\n"))
                .unwrap_or_else(|| panic!("{name} shows no example"));
            assert!(example.contains(&format!("  ops {name} ")), "{name}");
        }
    }
}
