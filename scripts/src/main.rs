//! `ops`: the operator's command line. One file per verb.

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
    Validate(validate::Validate),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Validate(arguments) => validate::run(&arguments),
    }
}
