//! The Workers runtime, and nothing else: entry points and one adapter per port.
//!
//! This first version only proves that the tools work together.

use worker::{
    durable_object, event, Context, DurableObject, Env, Request, Response, Result, State,
};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/api/health" => Response::from_json(&serde_json::json!({
            "ok": true,
            "mode": "simulated",
            "version": env!("CARGO_PKG_VERSION"),
        })),
        "/api/debug/panic" if is_local(&env) => panic!("asked to"),
        "/api/debug/slow" if is_local(&env) => {
            worker::Delay::from(std::time::Duration::from_secs(1)).await;
            Response::ok("survived")
        }
        _ => Response::error("not found", 404),
    }
}

fn is_local(env: &Env) -> bool {
    env.var("ENVIRONMENT")
        .is_ok_and(|name| name.to_string() == "local")
}

#[event(scheduled)]
async fn scheduled(_event: worker::ScheduledEvent, _env: Env, _context: worker::ScheduleContext) {}

/// Watches one job.
#[durable_object(fetch)]
pub struct Watcher;

impl DurableObject for Watcher {
    fn new(_state: State, _env: Env) -> Self {
        Self
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::empty()
    }
}
