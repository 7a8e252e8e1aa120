//! `ops contract`: check contracts, and make a first one.

mod check;
mod new;

use std::process::ExitCode;

use clap::Subcommand;

pub use check::flaws_of_all;

/// Check the contracts of templates, or make a first one from a workflow
#[derive(clap::Args)]
#[command(after_help = "\
docs/CONTRACT.md explains the language of contracts, and how to add a template.

Example:
  ops contract new street-portrait.json --object-info object_info.json --out street-portrait
  ops contract check street-portrait")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Check(check::Arguments),
    New(new::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(arguments),
        Verb::New(arguments) => new::run(arguments),
    }
}
