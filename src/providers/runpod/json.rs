//! JSON as a bounded tree that borrows from the text it was read from.
//!
//! A finished job's answer is tens of megabytes, nearly all of it base64. Reading it into this tree
//! copies none of those strings, and an answer made of millions of tiny values costs no more memory
//! than [`NODES_MAX`] nodes: what comes after them is skipped, not kept.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};

/// Values kept of one tree. The largest honest output we know is a list of some hundred files with
/// ten keys each; 20,000 nodes stay below two megabytes of memory.
const NODES_MAX: usize = 20_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    /// Null, true and false: nothing we look at.
    Other,
    Whole(u64),
    Real(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// In the order of the document.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The member of an object; `None` for everything that is not an object.
    pub(super) fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members
                .iter()
                .find_map(|(name, value)| (name == key).then_some(value)),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A count of something, also where a worker wrote it as a fraction.
    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            // Beyond 2^53 a double no longer counts; nothing that RunPod counts gets there.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Self::Real(number) if (0.0..9.0e15).contains(number) => Some(*number as u64),
            _ => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Cell::new(NODES_MAX);
        Node { budget: &budget }.deserialize(deserializer)
    }
}

/// Reads one value, taking its nodes from a budget that the whole tree shares.
#[derive(Clone, Copy)]
struct Node<'b> {
    budget: &'b Cell<usize>,
}

impl Node<'_> {
    fn spend(self) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(1));
        left > 0
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Node<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(u64::try_from(number).map_or(Json::Other, Json::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Real(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while self.spend() {
            match seq.next_element_seed(self)? {
                Some(item) => items.push(item),
                None => return Ok(Json::List(items)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while self.spend() {
            let Some(Key(key)) = map.next_key()? else {
                return Ok(Json::Object(members));
            };
            members.push((key, map.next_value_seed(self)?));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Object(members))
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_are_borrowed_from_the_text() {
        let text = format!("{{\"data\":\"{}\"}}", "A".repeat(1000));
        let json: Json = serde_json::from_str(&text).unwrap();
        let Some(Json::Text(Cow::Borrowed(data))) = json.get("data") else {
            panic!("copied");
        };
        assert!(text.as_bytes().as_ptr_range().contains(&data.as_ptr()));
    }

    #[test]
    fn what_exceeds_the_budget_is_skipped_and_the_rest_is_kept() {
        let zeros = vec!["0"; NODES_MAX * 2].join(",");
        let text = format!("[\"first\",[{zeros}],1]");
        let Ok(Json::List(items)) = serde_json::from_str(&text) else {
            panic!("not a list");
        };
        assert_eq!(items[0].text(), Some("first"));
        assert!(matches!(&items[1], Json::List(zeros) if zeros.len() < NODES_MAX));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text = "[".repeat(100_000);
        assert!(serde_json::from_str::<Json>(&text).is_err());
    }
}
