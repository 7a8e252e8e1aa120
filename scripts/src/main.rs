//! `ops`: the operator's command line. One file per verb.

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
enum Verb {}

// Goes with the first verb.
#[allow(unreachable_code)]
fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {}
}
