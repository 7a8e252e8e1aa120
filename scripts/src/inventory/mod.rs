//! `ops inventory`: what the ComfyUI behind an endpoint has, so that creates can be checked.

mod core;
mod pull;
mod remote;

use clap::Subcommand;

pub use pull::read as read_object_info;

/// Tell the queue which node classes and model files an endpoint's ComfyUI has
#[derive(clap::Args)]
#[command(after_help = "\
Creates with a workflow of their own are then checked against it, and editor graphs are converted.

Example:
  ops inventory pull --from http://127.0.0.1:8188 --dry-run
  ops inventory pull --from http://127.0.0.1:8188 --url https://queue.example.com")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Core(core::Arguments),
    Pull(pull::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.verb {
        Verb::Core(arguments) => core::run(arguments),
        Verb::Pull(arguments) => pull::run(arguments),
    }
}
