//! `ops mock-runpod`: the fake RunPod of the tests behind a real socket, driven by real time.
//!
//! It listens on 127.0.0.1 only, and sends webhooks to this machine only. Times in its answers
//! under `/_mock/` are milliseconds since it started. Over a socket the fault `not_sent` looks like
//! `lost`: the connection closes without an answer.

mod deliver;
mod serve;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use edge_queue::testing::runpod::{Endpoint, FakeRunpod, Plan};
use edge_queue::time::UnixMillis;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};
use tokio::time::Instant;

use crate::files;

/// How often webhooks are looked for: well below the delays that plans are written in.
const TICK: Duration = Duration::from_millis(20);

/// Play RunPod on this machine: its job API and its webhooks, as well or as badly as planned
#[derive(clap::Args)]
#[command(after_help = "\
Prints `ready ORIGIN` once it listens, and plays until it is interrupted.
GET ORIGIN/_mock/jobs and /_mock/counters tell what it did; POST ORIGIN/_mock/plan changes the
plan while it plays.
Exit status: 0 when it was asked to stop, 2 when it cannot listen or the plan is not understood.

Example:
  ops mock-runpod --port 8900 --plan '{\"job\": {\"queue_ms\": 500, \"run_ms\": 2000}}'
  curl -s http://127.0.0.1:8900/_mock/jobs")]
pub struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one and prints it
    #[arg(long)]
    port: u16,

    /// Endpoint id, as in /v2/<endpoint>/run
    #[arg(long, default_value = "mock")]
    endpoint: String,

    /// API key that is accepted
    #[arg(long, default_value = "mock-key")]
    key: String,

    /// How to behave: JSON, or a file that holds it
    #[arg(long, value_name = "FILE|JSON", default_value = "{}")]
    plan: String,
}

/// The fake and the time that drives it.
struct Mock {
    runpod: Mutex<FakeRunpod>,
    started: Instant,
}

impl Mock {
    fn now(&self) -> UnixMillis {
        let elapsed_ms = self.started.elapsed().as_millis();
        UnixMillis::new(i64::try_from(elapsed_ms).unwrap_or(i64::MAX))
    }

    /// A request that panicked must not take the mock down with it.
    fn runpod(&self) -> MutexGuard<'_, FakeRunpod> {
        self.runpod.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let plan = read_plan(&arguments.plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(play(arguments, plan))
}

fn read_plan(plan: &str) -> anyhow::Result<Plan> {
    let text = if plan.trim_start().starts_with('{') {
        plan.into()
    } else {
        files::read(Path::new(plan))?
    };
    serde_json::from_slice(&text).context("the plan is not understood")
}

/// Until the process is asked to stop.
async fn play(arguments: Arguments, plan: Plan) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))
        .await
        .with_context(|| format!("cannot listen on port {}", arguments.port))?;
    let origin = format!("http://{}", listener.local_addr()?);
    let endpoint = Endpoint {
        id: arguments.endpoint,
        key: arguments.key,
        files_origin: origin.clone(),
        ..Endpoint::default()
    };
    let mock = Arc::new(Mock {
        runpod: Mutex::new(FakeRunpod::new(endpoint, plan)),
        started: Instant::now(),
    });
    let mut terminate = signal(SignalKind::terminate())?;
    println!("ready {origin}");
    tokio::select! {
        () = serve::forever(&mock, &listener) => {}
        () = send_webhooks(&mock) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn send_webhooks(mock: &Arc<Mock>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        let due = mock.runpod().due_webhooks(mock.now());
        for delivery in due {
            let mock = Arc::clone(mock);
            tokio::spawn(async move {
                let id = delivery.id;
                let status = match deliver::send(delivery).await {
                    Ok(status) => Some(status),
                    Err(error) => {
                        eprintln!("webhook {id}: {error:#}");
                        None
                    }
                };
                mock.runpod().delivered(id, status);
            });
        }
    }
}
