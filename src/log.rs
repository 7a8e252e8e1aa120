//! One JSON line per event, readable alone. Never bodies, tokens, prompts or keys.

use serde_json::{Map, Value};

use crate::id::JobId;
use crate::ports::{Clock, Level, Log};

/// A line in the making: `log::event(Level::Info, "job.created").job(id).write(app)`.
#[must_use = "a line is written by `write`"]
pub struct Line {
    level: Level,
    fields: Map<String, Value>,
}

pub fn event(level: Level, event: &'static str) -> Line {
    let mut fields = Map::new();
    fields.insert("event".into(), event.into());
    fields.insert("level".into(), level_name(level).into());
    Line { level, fields }
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

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl Line {
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// A field that is left out when there is nothing to say.
    pub fn maybe(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub fn job(self, id: JobId) -> Self {
        self.with("job_id", id.to_string())
    }

    pub fn write(mut self, log: &dyn Log, clock: &dyn Clock) {
        self.fields
            .insert("ts".into(), clock.now().iso8601().into());
        log.write(self.level, &Value::Object(self.fields).to_string());
    }
}
