//! Files that will be on the server when the prompt runs, though no inventory lists them.

use serde_json::Value;

use super::super::schema::Schema;

/// Lets the inputs at these places take the file names that stand there. A place is a JSON Pointer
/// into the prompt; what is no text at an input of a node is passed over.
pub fn expect_uploads<'p>(
    schema: &mut Schema,
    prompt: &Value,
    places: impl IntoIterator<Item = &'p String>,
) {
    for place in places {
        let Some((node, input)) = place.rsplit_once("/inputs/") else {
            continue;
        };
        let class = prompt
            .pointer(node)
            .and_then(|node| node["class_type"].as_str());
        let file = prompt.pointer(place).and_then(Value::as_str);
        if let (Some(class), Some(file)) = (class, file) {
            schema.add_choices(class, input, &[file.to_owned()]);
        }
    }
}
