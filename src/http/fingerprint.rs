//! What tells a repeated create from a misuse of its key.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::queue::create::Work;

/// The same for bodies that mean the same: members in any order, files by their content.
pub fn fingerprint(
    work: &Work,
    labels: &BTreeMap<String, String>,
    priority: i32,
    given: [(&str, Option<Value>); 4],
) -> String {
    let work = match work {
        Work::Template {
            name,
            inputs,
            shorthands,
        } => serde_json::json!({"template": name, "inputs": inputs, "shorthands": shorthands}),
        Work::Raw { workflow, images } => {
            let images: Vec<_> = images.iter().map(|(n, u)| (n, &u.reference)).collect();
            serde_json::json!({"workflow": workflow, "images": images})
        }
    };
    let mut whole = serde_json::json!({"work": work, "labels": labels, "priority": priority});
    // Only what is given: requests without it keep the fingerprint that is stored for them.
    for (name, value) in given {
        if let Some(value) = value {
            whole[name] = value;
        }
    }
    whole.sort_all_objects();
    blake3::hash(whole.to_string().as_bytes())
        .to_hex()
        .to_string()
}
