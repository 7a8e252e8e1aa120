//! What tells a repeated create from a misuse of its key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::queue::create;
use crate::time::UnixMillis;

/// A request as its fingerprint is made of it: borrowed, because it may be large. The fields are in
/// the order of their names, as members of objects are.
#[derive(Serialize)]
pub struct Given<'a> {
    // Only what is given: requests without it keep the fingerprint that is stored for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<UnixMillis>,
    pub labels: &'a BTreeMap<String, String>,
    pub priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_by: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_events: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<&'a str>,
    pub work: Work<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum Work<'a> {
    Template {
        inputs: &'a Map<String, Value>,
        shorthands: &'a Map<String, Value>,
        template: &'a str,
    },
    Raw {
        images: Vec<(&'a str, &'a str)>,
        workflow: &'a Value,
    },
}

impl<'a> From<&'a create::Work> for Work<'a> {
    fn from(work: &'a create::Work) -> Self {
        match work {
            create::Work::Template {
                name,
                inputs,
                shorthands,
            } => Self::Template {
                inputs,
                shorthands,
                template: name,
            },
            create::Work::Raw { workflow, images } => Self::Raw {
                images: images
                    .iter()
                    .map(|(name, upload)| (name.as_str(), upload.reference.as_str()))
                    .collect(),
                workflow,
            },
        }
    }
}

/// The same for bodies that mean the same: members in any order, files by their content.
pub fn of(given: &Given<'_>) -> String {
    // Texts, numbers and maps with texts as keys always serialize.
    let text = serde_json::to_vec(given).unwrap_or_default();
    blake3::hash(&text).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Fingerprints are stored: another way to make them would take every repeat for a misuse.
    #[test]
    fn a_fingerprint_is_that_of_the_sorted_object() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let work = create::Work::Raw {
            workflow: json!({"2": {"b": 1.50, "a": ["\u{1}", null]}, "10": {}}),
            images: Vec::new(),
        };
        let whole = json!({"work": {"workflow": {"2": {"b": 1.50, "a": ["\u{1}", null]}, "10": {}},
            "images": []}, "labels": {"a": "b"}, "priority": -1, "start_by": 7});
        let given = Given {
            deadline: None,
            labels: &labels,
            priority: -1,
            start_by: Some(UnixMillis::new(7)),
            webhook_events: None,
            webhook_url: None,
            work: (&work).into(),
        };
        let expected = blake3::hash(whole.to_string().as_bytes());
        assert_eq!(of(&given), expected.to_hex().to_string());
    }
}
