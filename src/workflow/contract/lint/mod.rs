//! Everything that is wrong with a contract and its template, before they are published.
//!
//! A contract that passes keeps two promises: inputs that `check` accepts always compile, and
//! nothing that the prompt computes is lost. `ops` runs this for the operator; a test runs it for
//! every embedded template.

mod contract;
mod inputs;
mod switches;
mod template;

use serde::Serialize;
use serde_json::Value;

use super::Contract;

pub use switches::each_way;
pub use template::MODEL_FILE_ENDS;

/// The most inputs, choices of one input, rules, or places of one value: far above what a form
/// can show, and it keeps the work per job small.
pub const ITEMS_MAX: usize = 100;

/// One mistake of a contract's author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// A JSON Pointer into `contract.json`, or into `template.json` after `template:`.
    pub path: String,
    pub code: &'static str,
    pub message: String,
}

/// Every code a flaw can have.
pub const CODES: [&str; 11] = [
    "bad_default",
    "bad_limit",
    "bad_name",
    "bad_place",
    "bad_reference",
    "bad_template",
    "bad_value",
    "duplicate",
    "empty",
    "mismatch",
    "too_many",
];

/// Every flaw of a contract and of the template it belongs to.
pub fn lint(contract: &Contract, template: &Value) -> Vec<Flaw> {
    let mut report = Report::default();
    contract::lint(contract, &mut report);
    inputs::lint(contract, &mut report);
    template::lint(contract, template, &mut report);
    report.flaws
}

#[derive(Default)]
struct Report {
    flaws: Vec<Flaw>,
}

impl Report {
    fn flaw(&mut self, path: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.flaws.push(Flaw {
            path: path.into(),
            code,
            message: message.into(),
        });
    }

    /// Reports unless the condition holds; the message is made only then.
    fn expect(&mut self, holds: bool, path: &str, code: &'static str, message: &str) {
        if !holds {
            self.flaw(path, code, message);
        }
    }
}
