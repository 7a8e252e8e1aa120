//! A dictionary as `json` makes it: in document order, looked up by a scan, because the objects of
//! a workflow are small.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Value;

/// An object with more members than this is checked for repeated keys by hashing, because comparing
/// each with each would take quadratic time.
const SMALL_OBJECT_MEMBERS: usize = 16;

/// A dictionary in document order; a repeated key keeps its first place and its last value.
#[derive(Clone, Debug, Default)]
pub struct Dict<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl PartialEq for Dict<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(key, value): &(Cow<'_, str>, Value<'_>)| other.get(key) == Some(value);
        self.0.len() == other.0.len() && self.0.iter().all(same)
    }
}

impl<'a> Dict<'a> {
    /// Takes members whose keys are known to differ.
    pub(super) fn of(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Self(members)
    }

    /// Of equal keys the first place and the last value stay, as in a Python dictionary.
    pub(super) fn from_members(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        let repeated = |(at, (key, _)): (usize, &(Cow<'a, str>, Value<'a>))| {
            members[..at].iter().any(|(earlier, _)| earlier == key)
        };
        if members.len() <= SMALL_OBJECT_MEMBERS && !members.iter().enumerate().any(repeated) {
            return Self(members);
        }
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(members.len());
        let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            if let Some(&place) = places.get(&key) {
                kept[place].1 = value;
            } else {
                places.insert(key.clone(), kept.len());
                kept.push((key, value));
            }
        }
        Self(kept)
    }

    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Takes a value out; a second call with the same key finds nothing.
    pub fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Adds a key that is not there yet.
    pub fn push(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.0.push((key.into(), value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn into_entries(self) -> Vec<(Cow<'a, str>, Value<'a>)> {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_owned(self) -> Dict<'static> {
        let owned = |(key, value): (Cow<'a, str>, Value<'a>)| {
            (Cow::Owned(key.into_owned()), value.into_owned())
        };
        Dict(self.0.into_iter().map(owned).collect())
    }
}

impl Serialize for Dict<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
