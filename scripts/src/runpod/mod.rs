//! `ops runpod`: the GPU side, asked directly.

pub mod check;
pub mod endpoint;
mod known;
mod needs;
pub mod submit;

use std::process::ExitCode;

use clap::Subcommand;

/// Ask RunPod itself: whether an endpoint can run our jobs, and what it says to one request
#[derive(clap::Args)]
#[command(after_help = "\
The settings are those of the Worker, from the environment: RUNPOD_API_KEY, RUNPOD_ENDPOINT_ID and,
for a mock, RUNPOD_BASE_URL. The key is never printed.

Example:
  export RUNPOD_API_KEY=... RUNPOD_ENDPOINT_ID=... ADMIN_KEY=...
  ops runpod check --url https://queue.example.com
  ops runpod submit --prompt prompt.json")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Check(check::Arguments),
    Submit(submit::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(arguments),
        Verb::Submit(arguments) => submit::run(arguments),
    }
}
