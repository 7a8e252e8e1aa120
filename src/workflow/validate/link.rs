//! A link: which node it comes from, and whether what comes out there fits.

use super::bind::Bound;
use crate::workflow::python::{repr, Raised, Value};
use crate::workflow::schema::Class;

/// What any output of a class that nobody described has, and what fits everywhere.
const ANY: Value<'static> = Value::Text(std::borrow::Cow::Borrowed("*"));

/// The place of the node with the given id, or the exception of looking up a key like this.
pub(super) fn source(
    id: &Value<'_>,
    place: impl Fn(&str) -> Option<usize>,
) -> Result<usize, Raised> {
    match id {
        Value::List(_) | Value::Dict(_) => {
            let sentence = format!("unhashable type: '{}'", id.type_name());
            Err(Raised::new("TypeError", sentence))
        }
        Value::Text(text) => place(text).ok_or_else(|| Raised::new("KeyError", repr(id))),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Float(_) => {
            Err(Raised::new("KeyError", repr(id)))
        }
    }
}

/// The type of a node's output at a slot.
pub(super) fn output<'v>(node: &Bound<'v>, slot: &Value<'_>) -> Result<&'v Value<'v>, Raised> {
    let sequence = match node.class {
        Some(Class { is_v3: true, .. }) => "list",
        _ => "tuple",
    };
    let slot = match slot {
        Value::Bool(slot) => Some(i128::from(*slot)),
        Value::Int(slot) => Some(*slot),
        Value::Long(_) => None,
        Value::None | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Dict(_) => {
            let given = slot.type_name();
            let sentence = format!("{sequence} indices must be integers or slices, not {given}");
            return Err(Raised::new("TypeError", sentence));
        }
    };
    let Some(slot) = slot.and_then(|slot| i64::try_from(slot).ok()) else {
        let sentence = "cannot fit 'int' into an index-sized integer";
        return Err(Raised::new("IndexError", sentence));
    };
    let Some(class) = node.class else {
        return Ok(&ANY);
    };
    let outputs = class.outputs.as_slice();
    // Negative slots count from the end.
    let from_start = if slot < 0 {
        usize::try_from(slot.unsigned_abs())
            .ok()
            .and_then(|back| outputs.len().checked_sub(back))
    } else {
        usize::try_from(slot).ok()
    };
    let found = from_start.and_then(|slot| outputs.get(slot));
    found.ok_or_else(|| Raised::new("IndexError", format!("{sequence} index out of range")))
}

/// Whether an output of the type `received` may go into an input of the type `expected`.
pub(super) fn fits(received: &Value<'_>, expected: &Value<'_>) -> bool {
    let is_wild = |kind: &str| matches!(kind, "*" | "COMFY_MATCHTYPE_V3");
    let (from, to) = (received.as_text(), expected.as_text());
    if received == expected || from.is_some_and(is_wild) || to.is_some_and(is_wild) {
        return true;
    }
    match (from, to) {
        (Some(from), Some(to)) => {
            let members = |kinds: &'_ str| kinds.split(',').map(str::trim).any(|kind| kind == "*");
            members(from)
                || members(to)
                || from
                    .split(',')
                    .any(|a| to.split(',').any(|b| a.trim() == b.trim()))
        }
        // Some classes give a list of choices as the type of an output.
        (None, Some("COMBO")) => received.as_list().is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(received: &str, expected: &str, fitting: bool) {
        let [a, b] = [received, expected].map(Value::from);
        assert_eq!(fits(&a, &b), fitting, "{received} {expected}");
        assert_eq!(fits(&b, &a), fitting, "{expected} {received}");
    }

    #[test]
    fn types_fit_when_they_share_a_member_or_one_is_wild() {
        check("IMAGE", "IMAGE", true);
        check("IMAGE", "MASK", false);
        check("IMAGE", "image", false);
        check("IMAGE", "*", true);
        check("IMAGE", "COMFY_MATCHTYPE_V3", true);
        check("FLOAT,INT", "INT", true);
        check("FLOAT, INT", "STRING,INT", true);
        check("FLOAT,*", "STRING", true);
        check("FLOAT,INT", "STRING", false);
        let choices = Value::List(vec!["a".into()]);
        assert!(fits(&choices, &"COMBO".into()));
        assert!(!fits(&"COMBO".into(), &choices));
        assert!(fits(&choices, &choices));
        assert!(!fits(&choices, &"STRING".into()));
    }
}
