//! JSON as a browser holds it: numbers are doubles, objects remember the order of their keys.
//!
//! `serde_json::Value` sorts keys, which the compiler relies on; the editor's files give meaning to
//! the order of some objects (the inputs of a dynamic combo), so they are read into this type
//! instead.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

mod number;
mod read;

pub use number::{number_of_text, number_text};
pub use read::parse;

/// The deepest nesting that [`Json::from_value`] follows; what `serde_json` allows while parsing.
pub const DEPTH_MAX: usize = 128;

/// Whole numbers below this size are exact in a double (2^53).
const EXACT_INTEGER_END: f64 = 9_007_199_254_740_992.0;

/// Objects up to this size are searched for repeated keys without a set, which is faster.
const SMALL_OBJECT_KEYS: usize = 8;

/// A value that many widgets may hold at once: copying it costs nothing, however large it is.
pub type Shared = Arc<Json>;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The same value with keys in the order of the map; `None` when it is nested too deeply.
    pub fn from_value(value: &Value) -> Option<Self> {
        Self::from_value_within(value, DEPTH_MAX)
    }

    fn from_value_within(value: &Value, depth_left: usize) -> Option<Self> {
        let inner = depth_left.checked_sub(1)?;
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::Number(n.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_value_within(item, inner))
                    .collect::<Option<_>>()?,
            ),
            Value::Object(map) => Self::Object(
                map.iter()
                    .map(|(key, item)| Some((key.clone(), Self::from_value_within(item, inner)?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    /// What is sent to `ComfyUI`: whole numbers as integers, as `JSON.stringify` writes them.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(n) => number_value(*n),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| (key.clone(), item.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The member `key` of an object; `None` for everything else.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// The items of a list; nothing for everything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The members of an object in order; nothing for everything else.
    pub fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }

    /// Whether JavaScript takes the value as true.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Number(n) => *n != 0.0 && !n.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) => true,
        }
    }

    /// The value as JavaScript puts it into a text: `null` is empty here, as the editor writes
    /// names.
    pub fn plain_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(b) => b.to_string(),
            Self::Number(n) => number_text(*n),
            Self::Text(text) => text.clone(),
            Self::List(items) => {
                let texts: Vec<String> = items.iter().map(Self::plain_text).collect();
                texts.join(",")
            }
            Self::Object(_) => "[object Object]".to_owned(),
        }
    }

    /// The compact JSON text that `JSON.stringify` gives, integer keys first.
    pub fn json_text(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Number(n) if n.is_finite() => out.push_str(&number_text(*n)),
            Self::Null | Self::Number(_) => out.push_str("null"),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                let mut ordered: Vec<&(String, Self)> = entries.iter().collect();
                ordered.sort_by_key(|(key, _)| integer_key(key).unwrap_or(u64::MAX));
                out.push('{');
                for (i, (key, item)) in ordered.into_iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(&quoted(key));
                    out.push(':');
                    item.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// A key that JavaScript takes for an array index and so moves to the front.
fn integer_key(key: &str) -> Option<u64> {
    let number: u64 = key.parse().ok()?;
    (number < u64::from(u32::MAX) && number.to_string() == key).then_some(number)
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A double as a JSON number; what is no number becomes null, as in `JSON.stringify`.
fn number_value(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() < EXACT_INTEGER_END {
        // In range by the comparison above, and whole.
        #[allow(clippy::cast_possible_truncation)]
        return Value::from(n as i64);
    }
    if n.fract() == 0.0 && n.abs() < 1e21 {
        let text = n.to_string();
        if let Ok(whole) = text.parse::<u64>() {
            return Value::from(whole);
        }
        if let Ok(whole) = text.parse::<i64>() {
            return Value::from(whole);
        }
    }
    Value::from(n)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

// JavaScript has doubles only: larger integers lose their last digits here, as they do there.
#[allow(clippy::cast_precision_loss)]
impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Json, E> {
        Ok(Json::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Json, E> {
        Ok(Json::Number(n as f64))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Json, E> {
        Ok(Json::Number(n as f64))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Json, E> {
        Ok(Json::Number(n))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries: Vec<(String, Json)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Object(without_repeats(entries)))
    }
}

/// Of a repeated key the last value counts, at the place of the first.
fn without_repeats(entries: Vec<(String, Json)>) -> Vec<(String, Json)> {
    if !has_repeats(&entries) {
        return entries;
    }
    let mut kept: Vec<(String, Json)> = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in entries {
        let place = *places.entry(key.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

fn has_repeats(entries: &[(String, Json)]) -> bool {
    if entries.len() > SMALL_OBJECT_KEYS {
        let mut seen = HashSet::with_capacity(entries.len());
        return !entries.iter().all(|(key, _)| seen.insert(key));
    }
    entries
        .iter()
        .enumerate()
        .any(|(i, (key, _))| entries[..i].iter().any(|(earlier, _)| earlier == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_sent_as_javascript_writes_them() {
        let sent = |text: &str| read(text).to_value().to_string();
        assert_eq!(sent("9007199254740993"), "9007199254740992");
        assert_eq!(sent("12345678901234567890"), "12345678901234567000");
        assert_eq!(
            sent("-9223372036854775807"),
            "-9223372036854776000"
                .parse::<f64>()
                .map_or(String::new(), |n| Value::from(n).to_string())
        );
        assert_eq!(sent("1.0"), "1");
        assert_eq!(sent("-0.0"), "0");
        assert_eq!(sent("0.1"), "0.1");
    }

    #[test]
    fn an_object_keeps_its_order_but_integer_keys_come_first_in_its_text() {
        let value = read(r#"{"b":1,"10":{"y":null},"a":[true,"q\""],"2":1.50}"#);
        assert_eq!(
            value.json_text(),
            r#"{"2":1.5,"10":{"y":null},"b":1,"a":[true,"q\""]}"#
        );
    }

    #[test]
    fn the_last_of_repeated_keys_counts() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#), read(r#"{"a":3,"b":2}"#));
    }
}
