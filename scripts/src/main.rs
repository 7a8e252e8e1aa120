//! `ops`: the operator's command line. One file per verb.

mod convert;

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
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Convert(arguments) => convert::run(&arguments),
    }
}
