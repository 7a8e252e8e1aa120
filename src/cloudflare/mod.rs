//! Cloudflare Workers: the entry points, and one file per port. The only place that names `worker`.
//!
//! Nothing is decided here. The router and the application are built once per isolate; nothing that
//! belongs to one request may enter them.

mod d1;
#[cfg(feature = "debug-routes")]
mod debug;
mod ed25519;
mod fetch;
mod gate;
mod limiter;
mod mail;
mod parts;
mod pieces;
mod platform;
mod r2;
mod respond;
mod seal;
mod watcher;
mod watchers;

use std::cell::OnceCell;
use std::sync::Arc;

use axum::Router;
use tower_service::Service;
use wasm_bindgen::JsValue;
use worker::js_sys::Reflect;
use worker::send::SendWrapper;
use worker::{event, web_sys, Context, Env, Result, ScheduleContext, ScheduledEvent};

use crate::app::{App, Ports};
use crate::config::{Config, Problem, VERSION_ID};
use crate::http;
use crate::log;
use crate::ports::Mailer;
use crate::queue::{endpoints, metrics, purge, sweep};

thread_local! {
    static APP: OnceCell<std::result::Result<Arc<App>, Vec<Problem>>> = const { OnceCell::new() };
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// The application of this isolate, or what is wrong with its settings.
fn app(env: &Env) -> std::result::Result<Arc<App>, Vec<Problem>> {
    APP.with(|cell| cell.get_or_init(|| build(env)).clone())
}

fn build(env: &Env) -> std::result::Result<Arc<App>, Vec<Problem>> {
    let config = Config::from_vars(|name| match name {
        VERSION_ID => version_id(env),
        _ => env.var(name).ok().map(|value| value.to_string()),
    })?;
    let ports = ports(env)?;
    if config.mail.is_some() && ports.mailer.is_none() {
        let problem = "the binding send_email is missing in wrangler.toml".to_owned();
        let setting = "EMAIL";
        return Err(vec![Problem { setting, problem }]);
    }
    Ok(Arc::new(App::new(config, ports)))
}

fn ports(env: &Env) -> std::result::Result<Ports, Vec<Problem>> {
    let missing = |setting: &'static str| {
        move |_: worker::Error| {
            let problem = "the binding is missing in wrangler.toml".to_owned();
            vec![Problem { setting, problem }]
        }
    };
    let bucket = env.bucket("BLOBS").map_err(missing("BLOBS"))?;
    let database = binding(env, "DB").map_err(missing("DB"))?;
    let watchers = binding(env, "WATCHERS").map_err(missing("WATCHERS"))?;
    let gates = binding(env, "GATES").map_err(missing("GATES"))?;
    let limiter = limiter::Bindings::new(env).map_err(|setting| {
        let problem = "the rate limiting binding is missing in wrangler.toml".to_owned();
        vec![Problem { setting, problem }]
    })?;
    Ok(Ports {
        db: Arc::new(d1::D1::new(&database)),
        blobs: Arc::new(r2::R2(SendWrapper(bucket))),
        http: Arc::new(fetch::RuntimeFetch),
        watchers: Arc::new(watchers::DurableWatchers(SendWrapper(watchers))),
        gate: Arc::new(gate::DurableGates(SendWrapper(gates))),
        limiter: Arc::new(limiter),
        mailer: mailer(env),
        ed25519: Arc::new(ed25519::RuntimeEd25519),
        clock: Arc::new(platform::RuntimeClock),
        entropy: Arc::new(platform::RuntimeEntropy),
        tasks: Arc::new(platform::RuntimeTasks),
        log: Arc::new(platform::ConsoleLog),
    })
}

/// Cloudflare, Workers, Version metadata: as `wrangler deployments list` shows it.
fn version_id(env: &Env) -> Option<String> {
    let version = binding(env, "VERSION").ok()?;
    Reflect::get(&version, &"id".into()).ok()?.as_string()
}

/// A binding that may be missing.
fn mailer(env: &Env) -> Option<Arc<dyn Mailer>> {
    let binding = binding(env, "EMAIL").ok()?;
    Some(Arc::new(mail::EmailBinding(SendWrapper(binding))))
}

/// A binding as the runtime gives it, for adapters that speak to it themselves.
fn binding(env: &Env, name: &str) -> Result<JsValue> {
    let found = Reflect::get(env.as_ref(), &name.into())?;
    if found.is_undefined() {
        return Err(format!("the binding {name} is missing").into());
    }
    Ok(found)
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
    let question = respond::question(&request).await?;
    #[cfg(feature = "debug-routes")]
    match question.uri().path() {
        debug::PANIC => panic!("asked to"),
        debug::JUDGE => return respond::answer(&request, debug::judge(question).await).await,
        _ => {}
    }
    let Ok(response) = router(&env).call(question).await;
    respond::answer(&request, response).await
}

/// As wrangler.toml has it: this run of cron looks for forgotten jobs and nothing else. What counts
/// and clears away writes rows, and has time.
const EVERY_MINUTE: &str = "* * * * *";

#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let Ok(app) = app(&env) else {
        return;
    };
    if let Err(error) = sweep::sweep(&app).await {
        app.log(log::error("sweep.failed").with("error", error.to_string()));
    }
    if event.cron() == EVERY_MINUTE {
        return;
    }
    if let Err(error) = purge::purge(&app).await {
        app.log(log::error("purge.failed").with("error", error.to_string()));
    }
    if let Err(error) = metrics::count(&app).await {
        app.log(log::error("hours.uncounted").with("error", error.to_string()));
    }
    if let Err(error) = endpoints::check_workers(&app).await {
        app.log(log::error("workers.unchecked").with("error", error.to_string()));
    }
}
