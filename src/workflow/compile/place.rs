//! Places in a prompt, named by JSON Pointers.

use serde_json::Value;

use super::super::contract::Rule;

/// Writes a value to every place. A place that a rule took away is not made anew.
pub fn put_all(prompt: &mut Value, places: &[String], value: &Value) {
    for place in places {
        if let Some(slot) = prompt.pointer_mut(place) {
            slot.clone_from(value);
        }
    }
}

pub fn apply(rule: &Rule, prompt: &mut Value) {
    for (place, value) in &rule.set {
        insert(prompt, place, value);
    }
    for place in &rule.remove {
        remove(prompt, place);
    }
}

/// Sets an input of a node, which may not have been there (an optional one).
fn insert(prompt: &mut Value, place: &str, value: &Value) {
    if let Some((parent, name)) = split(place) {
        if let Some(Value::Object(fields)) = prompt.pointer_mut(parent) {
            fields.insert(name, value.clone());
        }
    }
}

fn remove(prompt: &mut Value, place: &str) {
    if let Some((parent, name)) = split(place) {
        if let Some(Value::Object(fields)) = prompt.pointer_mut(parent) {
            fields.remove(&name);
        }
    }
}

/// The pointer to what holds a place, and the place's name in it.
pub fn split(place: &str) -> Option<(&str, String)> {
    let (parent, step) = place.rsplit_once('/')?;
    Some((parent, step.replace("~1", "/").replace("~0", "~")))
}

/// Takes the fields out of a task's payload that no input filled: its worker knows the defaults.
pub fn drop_nulls(task: &mut Value) {
    if let Some(Value::Object(payload)) = task.get_mut("payload") {
        payload.retain(|_, value| !value.is_null());
    }
}
