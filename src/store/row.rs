//! A row as the database answers it, read column by column.
//!
//! serde can derive a reader for each kind of row; together they were a twentieth of the Worker.
//! Here one reader finds the columns, and a type says in which fields they go. A column holds one
//! of three things, so that a type's own reader never sees JSON.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{forward_to_deserialize_any, Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::parse::{self, Members, Name};

/// The columns of one row, each still as text.
pub(super) struct Row<'a> {
    columns: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Where the next column probably is: types are read in the order of their statements.
    next: usize,
}

/// What can be read from a row.
pub(super) trait FromRow: Sized {
    fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error>;
}

/// Reads a struct from the columns that its fields are named after: as they are, or by the method
/// of [`Row`] that is given.
macro_rules! from_row {
    ($type:ty { $($field:ident $(: $how:ident)?),* $(,)? }) => {
        impl $crate::store::row::FromRow for $type {
            fn from_row(
                row: &mut $crate::store::row::Row<'_>,
            ) -> Result<Self, serde_json::Error> {
                Ok(Self { $($field: from_row!(@row $field $($how)?)?),* })
            }
        }
    };
    (@$row:ident $field:ident) => { $row.get(stringify!($field)) };
    (@$row:ident $field:ident $how:ident) => { $row.$how(stringify!($field)) };
}
pub(super) use from_row;

/// All rows of a JSON array of objects.
pub(super) fn read<T: FromRow>(text: &str) -> Result<Vec<T>, serde_json::Error> {
    let mut rows: Vec<Row<'_>> = parse::json(text)?;
    rows.iter_mut().map(T::from_row).collect()
}

impl<'a> Row<'a> {
    pub fn get<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, serde_json::Error> {
        let cell = Cell::read(self.column(name)?);
        let read = cell.and_then(|cell| T::deserialize(cell));
        read.map_err(|error| inside(name, &error))
    }

    /// SQLite knows no booleans: 0 or 1.
    pub fn flag(&mut self, name: &str) -> Result<bool, serde_json::Error> {
        Ok(self.get::<u8>(name)? == 1)
    }

    /// A column of JSON text; null reads as the type's own null.
    pub fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, serde_json::Error> {
        parse::json(&self.text(name)?).map_err(|error| inside(name, &error))
    }

    /// In a row that is JSON itself, a member that is more than a database knows.
    pub fn nested<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, serde_json::Error> {
        parse::json(self.column(name)?).map_err(|error| inside(name, &error))
    }

    /// A column with the text of a JSON object.
    pub fn object<T: FromRow>(&mut self, name: &str) -> Result<T, serde_json::Error> {
        let text = self.text(name)?;
        let read = parse::json(&text).and_then(|mut row: Row<'_>| T::from_row(&mut row));
        read.map_err(|error| inside(name, &error))
    }

    /// A column with the text of a JSON array of objects.
    pub fn list<T: FromRow>(&mut self, name: &str) -> Result<Vec<T>, serde_json::Error> {
        read(&self.text(name)?).map_err(|error| inside(name, &error))
    }

    fn text(&mut self, name: &str) -> Result<String, serde_json::Error> {
        let text: Option<String> = self.get(name)?;
        Ok(text.unwrap_or_else(|| "null".into()))
    }

    fn column(&mut self, name: &str) -> Result<&'a str, serde_json::Error> {
        let (behind, ahead) = self.columns.split_at(self.next);
        let mut places = (self.next..).zip(ahead).chain((0..).zip(behind));
        let Some((at, (_, value))) = places.find(|(_, (known, _))| known == name) else {
            return Err(Error::custom(format!("there is no column {name}")));
        };
        self.next = at + 1;
        Ok(value.get())
    }
}

/// What a column of ours holds in one row.
enum Cell<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b'"') => Self::Text(parse::json::<Name<'a>>(text)?.0),
            _ => Self::Integer(parse::json(text)?),
        })
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Integer(number) => visitor.visit_i64(number),
            Self::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Text(text) => visitor.visit_enum(CowStrDeserializer::new(text)),
            other => other.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Names the column that cannot be read.
fn inside(name: &str, error: &serde_json::Error) -> serde_json::Error {
    Error::custom(format!("{name}: {error}"))
}

/// A row of one column is its value.
macro_rules! only_column {
    ($($type:ty)*) => {$(
        impl FromRow for $type {
            fn from_row(row: &mut Row<'_>) -> Result<Self, serde_json::Error> {
                let (name, _) = row.columns.first().ok_or_else(|| Error::custom("an empty row"))?;
                let name = name.clone();
                row.get(&name)
            }
        }
    )*};
}
only_column!(crate::id::JobId String u32 u64);

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let columns = Members::deserialize(deserializer)?.0;
        Ok(Row { columns, next: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Point {
        x: u8,
        name: Option<String>,
        is_seen: bool,
        around: Vec<u64>,
    }
    from_row!(Point {
        x,
        name,
        is_seen: flag,
        around: json
    });

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let text = r#"[{"is_seen":1,"x":7,"more":null,"around":"[1,2]","name":"a\"b"},
            {"x":0,"name":null,"is_seen":0,"around":"[]"}]"#;
        let far = Point {
            x: 7,
            name: Some("a\"b".into()),
            is_seen: true,
            around: vec![1, 2],
        };
        let near = Point {
            x: 0,
            name: None,
            is_seen: false,
            around: Vec::new(),
        };
        assert_eq!(read::<Point>(text).unwrap(), [far, near]);
    }

    #[test]
    fn a_row_of_one_column_is_its_value() {
        assert_eq!(read::<u32>(r#"[{"count":3}]"#).unwrap(), [3]);
        assert!(read::<u32>("[{}]").is_err());
    }

    #[test]
    fn an_error_names_the_column() {
        let error = |text| read::<Point>(text).unwrap_err().to_string();
        assert_eq!(error(r#"[{"x":1}]"#), "there is no column name");
        let wild = error(r#"[{"x":300,"name":null}]"#);
        assert!(
            wild.starts_with("x: invalid value: integer `300`"),
            "{wild}"
        );
        let nested = error(r#"[{"x":1,"name":null,"is_seen":0,"around":"[true]"}]"#);
        assert!(nested.starts_with("around: invalid type"), "{nested}");
    }
}
