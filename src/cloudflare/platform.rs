//! The small ports: clock, entropy, later tasks, log.

use std::time::Duration;

use futures::future::BoxFuture;
use worker::js_sys::Date;
use worker::wasm_bindgen_futures::spawn_local;
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

/// Goes on in the object that gave the task: a durable object lives while a timer is set.
pub struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    fn after(&self, delay_ms: u64, task: BoxFuture<'static, ()>) {
        spawn_local(async move {
            Delay::from(Duration::from_millis(delay_ms)).await;
            task.await;
        });
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
