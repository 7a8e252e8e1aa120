//! One JSON line per event, readable alone. Never bodies, tokens, prompts or keys.

use serde::Serialize;

use crate::id::JobId;
use crate::ports::{Clock, Level, Log};

/// A line in the making: `log::event(Level::Info, "job.created").job(id).write(app)`.
#[must_use = "a line is written by `write`"]
pub struct Line {
    level: Level,
    /// An object that is not closed yet.
    text: Vec<u8>,
}

pub fn event(level: Level, event: &'static str) -> Line {
    let mut text = Vec::with_capacity(LINE_BYTES);
    text.extend(b"{\"event\":");
    let line = Line { level, text };
    line.value(event).with("level", level_name(level))
}

pub fn info(name: &'static str) -> Line {
    event(Level::Info, name)
}

pub fn warn(name: &'static str) -> Line {
    event(Level::Warn, name)
}

pub fn error(name: &'static str) -> Line {
    event(Level::Error, name)
}

/// Most lines are shorter.
const LINE_BYTES: usize = 256;

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl Line {
    /// A field. Each name is given once.
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.text.extend(b",\"");
        self.text.extend(name.as_bytes());
        self.text.extend(b"\":");
        self.value(value)
    }

    fn value(mut self, value: impl Serialize) -> Self {
        let begin = self.text.len();
        if serde_json::to_writer(&mut self.text, &value).is_err() {
            // A value that is no JSON must not take the line with it.
            self.text.truncate(begin);
            self.text.extend(b"null");
        }
        self
    }

    /// A field that is left out when there is nothing to say.
    pub fn maybe(self, name: &'static str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub fn job(self, id: JobId) -> Self {
        self.with("job_id", id.to_string())
    }

    pub fn write(self, log: &dyn Log, clock: &dyn Clock) {
        let level = self.level;
        let mut text = self.with("ts", clock.now().iso8601()).text;
        text.push(b'}');
        log.write(level, &String::from_utf8_lossy(&text));
    }
}
