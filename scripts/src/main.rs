//! `ops`: the operator's command line. One file per verb.

mod convert;
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
    /// Play RunPod on this machine: its job API and its webhooks, as well or as badly as planned
    MockRunpod(mock_runpod::Args),
    Validate(validate::Validate),
    #[command(hide = true)]
    Statements(statements::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Convert(arguments) => convert::run(&arguments),
        Verb::MockRunpod(args) => mock_runpod::run(args),
        Verb::Validate(arguments) => validate::run(&arguments),
        Verb::Statements(args) => statements::run(&args),
    }
}
