//! Names of files that are not of this job. ComfyUI's loaders take `name [output]` and
//! `name [temp]` for files that another job of the same worker has made, whoever's it was.
//!
//! What a job makes is named beyond guessing, too (see `advance::submit`): a node that looks into
//! the folder itself is refused nothing here.

use serde_json::Value;

use super::CreateError;
use crate::access::Scope;
use crate::queue::Call;
use crate::workflow::violation::{pointer_step, Violation, VIOLATIONS_MAX};

/// How such a name ends. A file of the job's own may be annotated, too: `name [input]`.
const ENDS: [&str; 2] = ["[output]", "[temp]"];

/// Every input of a node that names such a file. The operator may look at what its workers made.
pub(super) fn check(call: &Call, prompt: &Value) -> Result<(), CreateError> {
    if call.rights.scopes.has(Scope::Admin) {
        return Ok(());
    }
    let mut found = Vec::new();
    for (id, node) in prompt.as_object().into_iter().flatten() {
        let inputs = node.get("inputs").and_then(Value::as_object);
        for (name, _) in inputs.into_iter().flatten().filter(|input| names(input.1)) {
            let path = format!(
                "/workflow/{}/inputs/{}",
                pointer_step(id),
                pointer_step(name)
            );
            let message = "names a file that another job may have made; upload what is needed";
            found.push(Violation::new(path, "not_allowed", message));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    found.truncate(VIOLATIONS_MAX);
    Err(CreateError::unfit(found))
}

/// No reader of JSON nests so deep that this could not follow.
fn names(value: &Value) -> bool {
    match value {
        Value::String(text) => ENDS.iter().any(|end| text.ends_with(end)),
        Value::Array(items) => items.iter().any(names),
        Value::Object(members) => members.values().any(names),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
