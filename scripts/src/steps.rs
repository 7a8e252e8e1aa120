//! What a command of several steps says: line by line as it goes, or at its end as one JSON object.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::json;

use crate::told;

pub struct Steps {
    as_json: bool,
    told: RefCell<Vec<Step>>,
}

#[derive(Serialize)]
struct Step {
    step: String,
    lines: Vec<String>,
}

impl Steps {
    pub const fn new(as_json: bool) -> Self {
        Self {
            as_json,
            told: RefCell::new(Vec::new()),
        }
    }

    pub fn begin(&self, what: &str) {
        if !self.as_json {
            println!("{what}");
        }
        self.told.borrow_mut().push(Step {
            step: what.to_owned(),
            lines: Vec::new(),
        });
    }

    pub fn line(&self, line: &str) {
        if !self.as_json {
            println!("   {line}");
        }
        if let Some(step) = self.told.borrow_mut().last_mut() {
            step.lines.push(line.to_owned());
        }
    }

    /// How it ended: why it did not go on, or what is proven.
    pub fn end<T: Serialize>(&self, ended: &anyhow::Result<T>) -> anyhow::Result<()> {
        if self.as_json {
            let why = ended.as_ref().err().map(|error| format!("{error:#}"));
            let steps = &*self.told.borrow();
            let mut told = json!({ "ok": ended.is_ok(), "error": why, "steps": steps });
            let proof = serde_json::to_value(ended.as_ref().ok())?;
            if !proof.is_null() {
                told["proof"] = proof;
            }
            told::json(&told)?;
        }
        Ok(())
    }
}
