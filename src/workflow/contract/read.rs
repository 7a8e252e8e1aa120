//! Reads the objects of a contract that are one of several kinds.
//!
//! serde can derive this, with a second reader for every type inside; that is a twentieth of the
//! Worker, and its errors name no field. Here the kind is found first, and its one reader is asked.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::input::{Input, Kind};
use super::rule::{Condition, Part};
use crate::parse::{self, Members};

/// The values of `type`.
const KINDS: &[&str] = &[
    "string", "integer", "number", "boolean", "choice", "image", "video", "audio", "seed",
];

/// The fields of an object that have not been read yet.
struct Fields<'a>(Members<'a>);

impl Fields<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    fn take<T: DeserializeOwned, E: Error>(&mut self, name: &str) -> Result<Option<T>, E> {
        let members = &mut self.0 .0;
        let Some(at) = members.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let value = parse::json(members.remove(at).1.get());
        value.map(Some).map_err(|error| inside(&error))
    }

    /// What is left, as one type, which refuses fields that it does not know.
    fn rest<T: DeserializeOwned, E: Error>(&self) -> Result<T, E> {
        let field = |(name, value): &(Cow<'_, str>, &RawValue)| {
            format!("{}:{}", serde_json::Value::from(&**name), value.get())
        };
        let fields: Vec<String> = self.0 .0.iter().map(field).collect();
        let text = format!("{{{}}}", fields.join(","));
        parse::json(&text).map_err(|error| inside(&error))
    }
}

/// Without the place, which is one in a part of the text: the reader of the whole adds its own.
fn inside<E: Error>(error: &serde_json::Error) -> E {
    let text = error.to_string();
    E::custom(
        text.rsplit_once(" at line ")
            .map_or(&*text, |(what, _)| what),
    )
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields(Members::deserialize(deserializer)?);
        let name = fields.take("name")?;
        let label = fields.take("label")?;
        let kind: Option<String> = fields.take("type")?;
        Ok(Self {
            name: name.ok_or_else(|| Error::missing_field("name"))?,
            label: label.ok_or_else(|| Error::missing_field("label"))?,
            help: fields.take("help")?,
            required: fields.take("required")?.unwrap_or_default(),
            to: fields.take("to")?.unwrap_or_default(),
            kind: match kind.as_deref() {
                Some("string") => Kind::String(fields.rest()?),
                Some("integer") => Kind::Integer(fields.rest()?),
                Some("number") => Kind::Number(fields.rest()?),
                Some("boolean") => Kind::Boolean(fields.rest()?),
                Some("choice") => Kind::Choice(fields.rest()?),
                Some("image") => Kind::Image(fields.rest()?),
                Some("video") => Kind::Video(fields.rest()?),
                Some("audio") => Kind::Audio(fields.rest()?),
                Some("seed") => Kind::Seed(fields.rest()?),
                Some(other) => return Err(Error::unknown_variant(other, KINDS)),
                None => return Err(Error::missing_field("type")),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields(Members::deserialize(deserializer)?);
        if fields.has("text") {
            fields.rest().map(Self::Literal)
        } else {
            fields.rest().map(Self::Input)
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields(Members::deserialize(deserializer)?);
        match () {
            () if fields.has("given") => fields.rest().map(Self::Given),
            () if fields.has("equals") => fields.rest().map(Self::Equals),
            () if fields.has("not") => fields.rest().map(Self::Not),
            () => Err(Error::custom("when says one of given, equals and not")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    fn refused<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
        parse::json::<T>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let label = r#""label": {"en": "a", "th": "a"}"#;
        let input =
            |rest: &str| refused::<Vec<Input>>(&format!(r#"[{{"name": "a", {label}{rest}}}]"#));
        assert!(input("").starts_with("missing field `type`"));
        let unknown = input(r#", "type": "text""#);
        assert!(unknown.starts_with("unknown variant `text`, expected one of"));
        assert!(input(r#", "type": "integer", "min": 1"#).starts_with("missing field `max`"));
        let misspelt = input(r#", "type": "string", "max_lenght": 3"#);
        assert!(
            misspelt.starts_with("unknown field `max_lenght`"),
            "{misspelt}"
        );
        let twice = input(r#", "type": "seed", "name": "b""#);
        assert!(twice.starts_with("unknown field `name`"), "{twice}");
        assert_eq!(twice.matches("at line").count(), 1, "{twice}");
        assert!(refused::<Part>(r#"{"words": "a"}"#).starts_with("unknown field `words`"));
        let condition = refused::<Condition>(r#"{"input": "a", "is": 1}"#);
        assert!(condition.starts_with("when says one of given, equals and not"));
    }

    #[test]
    fn what_was_read_is_written_the_same() {
        let text = r#"{"name":"a","label":{"en":"a","th":"a"},"to":["/1/inputs/a"],
            "type":"choice","choices":[{"value":"x","label":{"en":"x","th":"x"},
            "values":{"width":1}}]}"#;
        let input: Input = parse::json(text).unwrap();
        let kept: serde_json::Value = serde_json::to_value(&input).unwrap();
        assert_eq!(kept, parse::json::<serde_json::Value>(text).unwrap());
    }
}
