//! A caller's own API-format prompt: what can be said of it without knowing any node class.

use serde_json::Value;

use super::violation::{pointer_step, Violation, VIOLATIONS_MAX};

/// Whether this is what the editor saves, rather than what a server runs.
pub fn is_editor_graph(prompt: &Value) -> bool {
    prompt["nodes"].is_array() && prompt["links"].is_array()
}

/// Everything that no server would take, wherever its nodes come from.
pub fn structure(prompt: &Value) -> Vec<Violation> {
    let Some(nodes) = prompt.as_object().filter(|nodes| !nodes.is_empty()) else {
        let message = "an API-format prompt is an object with a member for every node";
        return vec![Violation::new("/workflow", "wrong_type", message)];
    };
    let mut found = Vec::new();
    for (id, node) in nodes {
        let path = format!("/workflow/{}", pointer_step(id));
        if !node["class_type"].is_string() {
            let message = "a node needs a class_type";
            found.push(Violation::new(
                format!("{path}/class_type"),
                "missing_required",
                message,
            ));
        }
        let Some(inputs) = node["inputs"].as_object() else {
            let message = "a node needs an object of inputs, which may be empty";
            found.push(Violation::new(
                format!("{path}/inputs"),
                "missing_required",
                message,
            ));
            continue;
        };
        for (name, value) in inputs {
            let missing = link_target(value).filter(|target| !nodes.contains_key(*target));
            found.extend(missing.map(|target| {
                let at = format!("{path}/inputs/{}", pointer_step(name));
                let message = format!("the link leads to node {target:.64}, which is not there");
                Violation::new(at, "unknown_node", message)
            }));
        }
    }
    found.truncate(VIOLATIONS_MAX);
    found
}

/// The node that an input is linked to: a link is `[node id, output number]`.
fn link_target(value: &Value) -> Option<&str> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(node), Value::Number(slot)]) if slot.is_u64() => Some(node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(prompt: &Value, expected: &[&str]) {
        let found = structure(prompt);
        let found: Vec<String> = found
            .iter()
            .map(|v| format!("{} {}", v.path, v.code))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        check(&json!([]), &["/workflow wrong_type"]);
        check(&json!({}), &["/workflow wrong_type"]);
        let prompt = json!({"1": {"class_type": "A", "inputs": {"x": ["9", 0]}}, "2": 5});
        let expected = [
            "/workflow/1/inputs/x unknown_node",
            "/workflow/2/class_type missing_required",
            "/workflow/2/inputs missing_required",
        ];
        check(&prompt, &expected);
        check(
            &json!({"1": {"class_type": "A", "inputs": {"x": ["1", 0]}}}),
            &[],
        );
    }

    #[test]
    fn an_editor_graph_is_told_from_a_prompt() {
        assert!(is_editor_graph(
            &json!({"nodes": [], "links": [], "version": 0.4})
        ));
        assert!(!is_editor_graph(
            &json!({"1": {"class_type": "A", "inputs": {}}})
        ));
    }
}
