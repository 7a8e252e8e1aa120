//! The small ports: clock, entropy, later tasks, log.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::future::BoxFuture;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use worker::js_sys::{Date, Promise};
use worker::wasm_bindgen_futures::future_to_promise;
use worker::{console_debug, console_error, console_log, console_warn, Delay};

use crate::ports::{Clock, Entropy, Level, Log, Tasks};
use crate::time::UnixMillis;

pub struct RuntimeClock;

impl Clock for RuntimeClock {
    fn now(&self) -> UnixMillis {
        // Whole milliseconds, exact in a double for the next 285,000 years.
        #[allow(clippy::cast_possible_truncation)]
        UnixMillis::new(Date::now() as i64)
    }
}

pub struct RuntimeEntropy;

impl Entropy for RuntimeEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The runtime's generator cannot fail; if it ever did, going on with zeros would make
        // secrets guessable, so the request ends here.
        #[allow(clippy::expect_used)]
        getrandom::fill(bytes).expect("the runtime has a random generator");
    }
}

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(js_name = goOn)]
    fn go_on(work: &Promise);
}

/// A durable object lives while a timer is set; the work of a request is cut off with its answer
/// unless the platform is told of it.
pub struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    fn after(&self, delay_ms: u64, task: BoxFuture<'static, ()>) {
        let work = async move {
            Delay::from(Duration::from_millis(delay_ms)).await;
            task.await;
            Ok(JsValue::UNDEFINED)
        };
        // A task that panicked is not asked again.
        go_on(&future_to_promise(AssertUnwindSafe(work)));
    }
}

pub struct ConsoleLog;

impl Log for ConsoleLog {
    fn write(&self, level: Level, line: &str) {
        match level {
            Level::Debug => console_debug!("{line}"),
            Level::Info => console_log!("{line}"),
            Level::Warn => console_warn!("{line}"),
            Level::Error => console_error!("{line}"),
        }
    }
}
