//! Cloudflare Workers: the entry points, and one file per port. The only place that names `worker`.
//!
//! Nothing is decided here. The router and the application are built once per isolate; nothing that
//! belongs to one request may enter them.

mod d1;
mod fetch;
mod parts;
mod pieces;
mod platform;
mod r2;
mod respond;
mod watcher;
mod watchers;

use std::cell::OnceCell;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use tower_service::Service;
use worker::send::SendWrapper;
use worker::{event, web_sys, Context, Env, Result, ScheduleContext, ScheduledEvent};

use crate::app::{App, Ports};
use crate::config::{Config, Problem};
use crate::http;
use crate::id::JobId;
use crate::log;
use crate::ports::{Admission, Gate};
use crate::queue::sweep;

thread_local! {
    static APP: OnceCell<std::result::Result<Arc<App>, Vec<Problem>>> = const { OnceCell::new() };
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// The application of this isolate, or what is wrong with its settings.
fn app(env: &Env) -> std::result::Result<Arc<App>, Vec<Problem>> {
    APP.with(|cell| cell.get_or_init(|| build(env)).clone())
}

fn build(env: &Env) -> std::result::Result<Arc<App>, Vec<Problem>> {
    let config = Config::from_vars(|name| env.var(name).ok().map(|value| value.to_string()))?;
    App::new(config, ports(env)?).map(Arc::new)
}

fn ports(env: &Env) -> std::result::Result<Ports, Vec<Problem>> {
    let missing = |setting: &'static str| {
        move |_: worker::Error| {
            let problem = "the binding is missing in wrangler.toml".to_owned();
            vec![Problem { setting, problem }]
        }
    };
    let bucket = env.bucket("BLOBS").map_err(missing("BLOBS"))?;
    let watchers = env
        .durable_object("WATCHERS")
        .map_err(missing("WATCHERS"))?;
    Ok(Ports {
        db: Arc::new(d1::D1::new(env, "DB").map_err(missing("DB"))?),
        blobs: Arc::new(r2::R2(SendWrapper(bucket))),
        http: Arc::new(fetch::RuntimeFetch),
        watchers: Arc::new(watchers::DurableWatchers(SendWrapper(watchers))),
        gate: Arc::new(OpenGate),
        clock: Arc::new(platform::RuntimeClock),
        entropy: Arc::new(platform::RuntimeEntropy),
        tasks: Arc::new(platform::RuntimeTasks),
        log: Arc::new(platform::ConsoleLog),
    })
}

/// Admits every job: the first version of the Gate.
struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn admit(&self, _endpoint: &str, _job: JobId) -> Admission {
        Admission::Granted
    }
}

fn router(env: &Env) -> Router {
    ROUTER.with(|cell| {
        let built = cell.get_or_init(|| match app(env) {
            Ok(app) => http::router(app),
            Err(problems) => http::refusing(problems),
        });
        built.clone()
    })
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> Result<web_sys::Response> {
    #[cfg(feature = "debug-routes")]
    if request.url().ends_with("/api/debug/panic") {
        panic!("asked to");
    }
    let question = respond::question(&request).await?;
    let Ok(response) = router(&env).call(question).await;
    respond::answer(response).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Ok(app) = app(&env) else {
        return;
    };
    if let Err(error) = sweep::sweep(&app).await {
        app.log(log::error("sweep.failed").with("error", error.to_string()));
    }
}
