//! Values as Python sees them, because ComfyUI judges a prompt with Python's rules.
//!
//! Whole numbers are exact and unbounded, 1 equals 1.0 and `True`, NaN can be read, and a value
//! prints in an error the way Python prints it. Nothing here knows what a node is. Deliberately
//! absent: lone surrogates, which become U+FFFD.

mod dict;
mod digits;
mod number;
mod print;
mod read;
mod strings;

use std::borrow::Cow;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

pub use dict::Dict;
pub use number::{order, to_float, to_int, Unordered, DIGITS_MAX};
pub use print::{repr, text};
pub use read::{Reader, Unreadable, DEPTH_MAX, SIZE_BYTES_MAX};

/// A JSON value with Python's meaning. `==` is Python's too: `Int(1) == Float(1.0) == Bool(true)`.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// A whole number outside `i128`, as its decimal digits with an optional minus and no leading
    /// zero.
    Long(Cow<'a, str>),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Dict(Dict<'a>),
}

/// An exception as its type and its text, which is all that ComfyUI tells about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    pub exception: &'static str,
    pub text: String,
}

impl Raised {
    pub fn new(exception: &'static str, text: impl Into<String>) -> Self {
        Self {
            exception,
            text: text.into(),
        }
    }
}

impl<'a> Value<'a> {
    /// The name that `type(value).__name__` gives.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Long(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
        }
    }

    /// What `bool(value)` gives.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Long(_) => true,
            Self::Float(value) => *value != 0.0,
            Self::Text(value) => !value.is_empty(),
            Self::List(value) => !value.is_empty(),
            Self::Dict(value) => !value.is_empty(),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::List(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_dict(&self) -> Option<&Dict<'a>> {
        match self {
            Self::Dict(value) => Some(value),
            _ => None,
        }
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Long(value) => Value::Long(Cow::Owned(value.into_owned())),
            Self::Float(value) => Value::Float(value),
            Self::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Self::List(value) => Value::List(value.into_iter().map(Value::into_owned).collect()),
            Self::Dict(value) => Value::Dict(value.into_owned()),
        }
    }

    /// The same value of another reader of JSON, nested no deeper than [`DEPTH_MAX`].
    pub fn from_json(json: &'a serde_json::Value) -> Result<Self, Unreadable> {
        from_json(json, 0)
    }
}

fn from_json(json: &serde_json::Value, depth: usize) -> Result<Value<'_>, Unreadable> {
    use serde_json::Value as Json;
    if depth > DEPTH_MAX {
        return Err(Unreadable::TooDeep);
    }
    Ok(match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number.as_i128().map_or_else(
            || Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            Value::Int,
        ),
        Json::String(value) => Value::Text(Cow::Borrowed(value)),
        Json::Array(items) => {
            let read = items.iter().map(|item| from_json(item, depth + 1));
            Value::List(read.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let read = members.iter().map(|(key, member)| {
                Ok((Cow::Borrowed(key.as_str()), from_json(member, depth + 1)?))
            });
            Value::Dict(Dict::of(read.collect::<Result<_, _>>()?))
        }
    })
}

impl From<&str> for Value<'static> {
    fn from(value: &str) -> Self {
        Self::Text(Cow::Owned(value.to_owned()))
    }
}

impl From<String> for Value<'static> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => a == b,
            (Self::None | Self::Text(_) | Self::List(_) | Self::Dict(_), _)
            | (_, Self::None | Self::Text(_) | Self::List(_) | Self::Dict(_)) => false,
            (a, b) => order(a, b) == Ok(Some(std::cmp::Ordering::Equal)),
        }
    }
}

/// What is no number in JSON, NaN and the infinities, is written as null.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(small), _) => serializer.serialize_i64(small),
                (_, Ok(large)) => serializer.serialize_u64(large),
                _ => serialize_digits(value.to_string(), serializer),
            },
            Self::Long(digits) => serialize_digits(digits.clone().into_owned(), serializer),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Dict(dict) => dict.serialize(serializer),
        }
    }
}

/// A whole number of any length; no type of serde holds it, so its digits go out as they are.
fn serialize_digits<S: Serializer>(digits: String, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::value::RawValue::from_string(digits)
        .map_err(serde::ser::Error::custom)?
        .serialize(serializer)
}
