//! What a job changes of its template's prompt.
//!
//! Most nodes are sent as they stand in the template. Only those that a value or a rule reaches are
//! copied; the others never are, because a prompt may have hundreds.

use serde_json::{Map, Value};

use super::super::contract::Rule;

pub struct Changes<'a> {
    prompt: &'a Value,
    /// The changed members of the prompt by their names; null for what a rule took away.
    changed: Map<String, Value>,
}

impl<'a> Changes<'a> {
    pub fn of(prompt: &'a Value) -> Self {
        let changed = Map::new();
        Self { prompt, changed }
    }

    /// Writes a value to every place. A place that a rule took away is not made anew.
    pub fn put_all(&mut self, places: &[String], value: &Value) {
        for place in places {
            if let Some(slot) = self.place(place) {
                slot.clone_from(value);
            }
        }
    }

    pub fn apply(&mut self, rule: &Rule) {
        for (place, value) in &rule.set {
            self.insert(place, value);
        }
        for place in &rule.remove {
            self.remove(place);
        }
    }

    /// A member of the prompt, to be changed: a node, or a field of a task.
    pub fn member(&mut self, name: &str) -> Option<&mut Value> {
        if !self.changed.contains_key(name) {
            let copy = self.prompt.get(name)?.clone();
            self.changed.insert(name.to_owned(), copy);
        }
        self.changed.get_mut(name).filter(|value| !value.is_null())
    }

    /// The compact prompt with its keys in order; `texts` are the template's members.
    pub fn text(mut self, texts: &MemberTexts) -> String {
        sort(self.changed.values_mut());
        let mut whole = String::from("{");
        for (name, kept) in &texts.0 {
            let changed = self.changed.get(name);
            if changed.is_some_and(Value::is_null) {
                continue;
            }
            if whole.len() > 1 {
                whole.push(',');
            }
            match changed {
                None => whole.push_str(kept),
                Some(value) => whole.push_str(&member_text(name, value)),
            }
        }
        whole.push('}');
        whole
    }

    /// The same as a value.
    pub fn whole(self) -> Value {
        let mut whole = self.prompt.clone();
        if let Value::Object(members) = &mut whole {
            members.extend(self.changed);
            members.retain(|_, value| !value.is_null());
        }
        whole
    }

    fn place(&mut self, place: &str) -> Option<&mut Value> {
        let (name, rest) = head(place)?;
        self.member(&name)?.pointer_mut(rest)
    }

    /// Sets an input of a node, which may not have been there (an optional one).
    fn insert(&mut self, place: &str, value: &Value) {
        if let Some((fields, name)) = self.fields_around(place) {
            fields.insert(name, value.clone());
        }
    }

    fn remove(&mut self, place: &str) {
        if let Some((fields, name)) = self.fields_around(place) {
            fields.remove(&name);
        } else if let Some((name, "")) = head(place) {
            self.changed.insert(name, Value::Null);
        }
    }

    /// What holds a place inside of a member, and the place's name in it.
    fn fields_around(&mut self, place: &str) -> Option<(&mut Map<String, Value>, String)> {
        let (parent, name) = split(place)?;
        Some((self.place(parent)?.as_object_mut()?, name))
    }
}

/// The members of a template's prompt in the order of their names, each as compact JSON,
/// `"name":{…}`.
#[derive(Clone, Debug)]
pub struct MemberTexts(Vec<(String, String)>);

impl MemberTexts {
    pub fn of(prompt: &Value) -> Self {
        let mut prompt = prompt.clone();
        sort([&mut prompt]);
        let members = prompt.as_object().into_iter().flatten();
        let texts = members.map(|(name, value)| (name.clone(), member_text(name, value)));
        Self(texts.collect())
    }
}

/// A dependency may switch `serde_json` to insertion order; then this sorts, else it is free.
fn sort<'a>(values: impl IntoIterator<Item = &'a mut Value>) {
    values.into_iter().for_each(Value::sort_all_objects);
}

fn member_text(name: &str, value: &Value) -> String {
    format!("{}:{value}", Value::from(name))
}

/// The first step of a pointer, and the rest.
fn head(place: &str) -> Option<(String, &str)> {
    let place = place.strip_prefix('/')?;
    let end = place.find('/').unwrap_or(place.len());
    Some((step(&place[..end]), &place[end..]))
}

/// The pointer to what holds a place, and the place's name in it.
fn split(place: &str) -> Option<(&str, String)> {
    let (parent, last) = place.rsplit_once('/')?;
    Some((parent, step(last)))
}

fn step(escaped: &str) -> String {
    escaped.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        json!({
            "9": {"inputs": {"images": ["8", 0]}},
            "10": {"inputs": {"a/b": 1, "text": "fox"}},
            "8": {"inputs": {}},
        })
    }

    /// The text says what the value says, in order, whatever was changed.
    fn check(change: impl Fn(&mut Changes), expected: &Value) {
        let template = template();
        let changed = || {
            let mut changes = Changes::of(&template);
            change(&mut changes);
            changes
        };
        assert_eq!(&changed().whole(), expected);
        let text = changed().text(&MemberTexts::of(&template));
        assert_eq!(text, expected.to_string());
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Value {
        let mut whole = template();
        change(&mut whole);
        whole
    }

    fn rule(json: &Value) -> Rule {
        serde_json::from_str(&json.to_string()).unwrap()
    }

    #[test]
    fn what_nothing_reaches_is_sent_as_it_stands() {
        check(|_| (), &template());
    }

    #[test]
    fn a_value_goes_to_each_of_its_places_and_to_none_that_is_not_there() {
        let places = [
            "/10/inputs/a~1b",
            "/9/inputs/images/1",
            "/9/no",
            "/no/inputs/a",
        ];
        let expected = changed(|whole| {
            whole["10"]["inputs"]["a/b"] = 5.into();
            whole["9"]["inputs"]["images"][1] = 5.into();
        });
        let places = places.map(str::to_owned);
        check(|changes| changes.put_all(&places, &5.into()), &expected);
    }

    #[test]
    fn a_rule_sets_and_removes_inputs_and_whole_nodes() {
        let rule = rule(&json!({
            "when": {"input": "x", "given": true},
            "set": {"/9/inputs/mask": ["11", 0]},
            "remove": ["/10/inputs/text", "/8"],
        }));
        let expected = changed(|whole| {
            whole["9"]["inputs"]["mask"] = json!(["11", 0]);
            whole["10"]["inputs"] = json!({"a/b": 1});
            whole.as_object_mut().unwrap().remove("8");
        });
        check(|changes| changes.apply(&rule), &expected);
        // What was taken away is not made anew by a value.
        let late = ["/8/inputs".to_owned(), "/10/inputs/text".to_owned()];
        let change = |changes: &mut Changes| {
            changes.apply(&rule);
            changes.put_all(&late, &"late".into());
        };
        check(change, &expected);
    }
}
