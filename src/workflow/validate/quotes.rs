//! How much of the caller's own text an answer repeats.

use super::problem::{Extra, Problem};
use crate::workflow::python::{repr, Value};

/// Characters of one text. Names of files and nodes fit; a megabyte that stands where a number
/// belongs would come back up to five times.
pub const REPEATED_CHARS_MAX: usize = 500;

/// What describes the class, not what the caller gave.
const OF_THE_CLASS: [&str; 2] = ["input_name", "input_config"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// As ComfyUI does.
    Whole,
    Cut,
}

impl Quotes {
    pub fn cut(self, text: String) -> String {
        let end = text.char_indices().nth(REPEATED_CHARS_MAX);
        match (self, end) {
            (Self::Cut, Some((end, _))) => format!("{}…", &text[..end]),
            _ => text,
        }
    }

    fn cut_value(self, value: Value<'static>) -> Value<'static> {
        match value {
            Value::Text(text) => Value::Text(self.cut(text.into_owned()).into()),
            Value::List(_) | Value::Dict(_) | Value::Long(_) => {
                let shown = repr(&value);
                if shown.chars().nth(REPEATED_CHARS_MAX).is_none() {
                    return value;
                }
                Value::Text(self.cut(shown).into())
            }
            value => value,
        }
    }
}

impl Problem {
    /// The same problem, with as much of the caller's text as is to be repeated.
    pub(super) fn quoting(self, quotes: Quotes) -> Self {
        if quotes == Quotes::Whole {
            return self;
        }
        let Extra(extra) = self.extra_info;
        let cut = extra.into_iter().map(|(key, value)| {
            let is_theirs = !OF_THE_CLASS.contains(&key);
            (
                key,
                if is_theirs {
                    quotes.cut_value(value)
                } else {
                    value
                },
            )
        });
        Self {
            kind: self.kind,
            message: quotes.cut(self.message),
            details: quotes.cut(self.details),
            extra_info: Extra(cut.collect()),
        }
    }
}
