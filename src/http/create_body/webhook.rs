//! `webhook_url` and `webhook_events_filter`: whom to tell, and of what.

use serde_json::Value;

use super::Reader;
use crate::notify::status_of;

const WANTED: &str = "job.queued, job.started, job.succeeded, job.failed, job.canceled or \
    job.expired";

impl Reader {
    pub(super) fn webhook_url(&mut self, value: Option<Value>) -> Option<String> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::String(url)) => Some(url),
            Some(_) => {
                self.wrong("/webhook_url", "wrong_type", "an https URL, as a text");
                None
            }
        }
    }

    /// As the row holds it: statuses in the order of their names, so that the same filter is the
    /// same request.
    pub(super) fn webhook_events(&mut self, value: Option<Value>) -> Option<String> {
        let path = "/webhook_events_filter";
        let names = match value {
            None | Some(Value::Null) => return None,
            Some(Value::Array(names)) if !names.is_empty() => names,
            Some(_) => {
                self.wrong(path, "wrong_type", "a list of events, at least one");
                return None;
            }
        };
        let mut statuses = Vec::new();
        for (i, name) in names.iter().enumerate() {
            match name.as_str().and_then(status_of) {
                Some(status) => statuses.push(status.as_str()),
                None => self.wrong(format!("{path}/{i}"), "not_in_list", WANTED),
            }
        }
        statuses.sort_unstable();
        statuses.dedup();
        Some(statuses.join(","))
    }
}
