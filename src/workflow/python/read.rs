//! JSON as Python's `json` reads it: NaN, infinities and whole numbers of any length are values,
//! the last of two equal keys wins, a byte order mark is an error.

use std::borrow::Cow;

use super::number::DIGITS_MAX;
use super::{Dict, Value};

/// Deepest nesting of lists and objects. Python gives up near 1,000; editor graphs inside
/// `extra_data` reach about 15.
pub const DEPTH_MAX: usize = 200;

/// Largest text. RunPod takes 10 MB bodies; an inventory of a server with thousands of models has
/// about this size.
pub const SIZE_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("text is not JSON at byte {at_bytes}")]
    NotJson { at_bytes: usize },
    #[error("text is not UTF-8 at byte {at_bytes}")]
    NotUtf8 { at_bytes: usize },
    #[error("JSON is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("JSON is larger than {SIZE_BYTES_MAX} bytes")]
    TooLarge,
}

/// A place in a JSON text.
pub struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > SIZE_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Unreadable::NotUtf8 {
            at_bytes: error.valid_up_to(),
        })?;
        Ok(Self {
            text,
            at: 0,
            depth: 0,
        })
    }

    /// The whole text as one value.
    pub fn document(mut self) -> Result<Value<'a>, Unreadable> {
        let value = self.value()?;
        self.end()?;
        Ok(value)
    }

    /// The members of the object that the whole text is; a member that `wanted` declines is stepped
    /// over unread.
    pub fn members(
        mut self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, Unreadable> {
        let mut members = Vec::new();
        self.space();
        self.expect(b'{')?;
        self.each_member(|reader, key| {
            if wanted(&key) {
                members.push((key, reader.value()?));
                return Ok(());
            }
            reader.step_over()
        })?;
        self.end()?;
        Ok(members)
    }

    fn value(&mut self) -> Result<Value<'a>, Unreadable> {
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(
        &mut self,
        read: impl Fn(&mut Self) -> Result<Value<'a>, Unreadable>,
    ) -> Result<Value<'a>, Unreadable> {
        if self.depth == DEPTH_MAX {
            return Err(Unreadable::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value<'a>, Unreadable> {
        let mut members = Vec::new();
        self.each_member(|reader, key| {
            members.push((key, reader.value()?));
            Ok(())
        })?;
        Ok(Value::Dict(Dict::from_members(members)))
    }

    /// Everything after the opening brace; `read` is called at each value.
    fn each_member(
        &mut self,
        mut read: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            read(self, key)?;
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self) -> Result<Value<'a>, Unreadable> {
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn word(&mut self) -> Result<Value<'a>, Unreadable> {
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        let rest = &self.text[self.at..];
        let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
        let (word, value) = found.ok_or_else(|| self.wrong())?;
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, Unreadable> {
        let start = self.at;
        if self.take(b'-') && self.text[self.at..].starts_with("Infinity") {
            self.at += "Infinity".len();
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.wrong());
        }
        let whole_end = self.at;
        self.fraction();
        self.exponent();
        let written = &self.text[start..self.at];
        if self.at > whole_end {
            return written.parse().map(Value::Float).map_err(|_| self.wrong());
        }
        if let Ok(value) = written.parse() {
            return Ok(Value::Int(value));
        }
        if written.trim_start_matches('-').len() > DIGITS_MAX {
            return Err(Unreadable::NotJson { at_bytes: start });
        }
        Ok(Value::Long(Cow::Borrowed(written)))
    }

    fn fraction(&mut self) {
        let start = self.at;
        if self.take(b'.') && self.digits() == 0 {
            self.at = start;
        }
    }

    fn exponent(&mut self) {
        let start = self.at;
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                self.at = start;
            }
        }
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Steps over a value without looking at more than its strings and brackets.
    fn step_over(&mut self) -> Result<(), Unreadable> {
        let mut open = 0_usize;
        loop {
            self.space();
            match self.peek().ok_or_else(|| self.wrong())? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => self.at += 1,
                b'-' | b'0'..=b'9' => drop(self.number()?),
                _ => drop(self.word()?),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        self.space();
        if self.at < self.text.len() {
            return Err(self.wrong());
        }
        Ok(())
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(is_space).count();
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.wrong())
    }

    pub(super) fn wrong(&self) -> Unreadable {
        Unreadable::NotJson { at_bytes: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::super::repr;
    use super::*;

    /// `expected` is how Python prints what it reads, or nothing where it cannot read.
    fn check(json: &str, expected: Option<&str>) {
        let read = Reader::new(json.as_bytes()).and_then(Reader::document);
        assert_eq!(
            read.ok().map(|value| repr(&value)).as_deref(),
            expected,
            "{json}"
        );
    }

    #[test]
    fn numbers_keep_their_kind_and_their_digits() {
        check("1", Some("1"));
        check("1.0", Some("1.0"));
        check("-0", Some("0"));
        check("-0.0", Some("-0.0"));
        check("1e400", Some("inf"));
        check(&"9".repeat(60), Some(&"9".repeat(60)));
        check(&"9".repeat(DIGITS_MAX + 1), None);
        check("[NaN, Infinity, -Infinity]", Some("[nan, inf, -inf]"));
    }

    #[test]
    fn what_python_does_not_read_is_refused() {
        for json in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "nan",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "1 2",
        ] {
            check(json, None);
        }
        check("\u{feff}{}", None);
        check("\"a\nb\"", None);
        check("\"\\x\"", None);
        check("\"\\u12g4\"", None);
    }

    #[test]
    fn strings_are_unescaped() {
        check(r#""a\n\u00e9\"""#, Some("'a\\né\"'"));
        check(r#""\ud83d\ude00""#, Some("'😀'"));
        check(r#""\ud83d x""#, Some("'\u{fffd} x'"));
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        check(r#"{"a": 1, "b": 2, "a": 3}"#, Some("{'a': 3, 'b': 2}"));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{}\": {n}", n % 20)).collect();
        let read = Reader::new(format!("{{{}}}", many.join(",")).as_bytes())
            .and_then(|reader| reader.document().map(Value::into_owned));
        let dict = read.unwrap();
        assert_eq!(dict.as_dict().unwrap().len(), 20);
        assert_eq!(dict.as_dict().unwrap().get("k3"), Some(&Value::Int(23)));
    }

    #[test]
    fn nesting_ends_somewhere() {
        check(
            &format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)).replace("[]", "[1]"),
            Some(&format!(
                "{}1{}",
                "[".repeat(DEPTH_MAX),
                "]".repeat(DEPTH_MAX)
            )),
        );
        check(&"[".repeat(1_000_000), None);
        check(&"{\"a\":".repeat(100_000), None);
    }

    #[test]
    fn unwanted_members_are_stepped_over() {
        let json = br#"{"a": {"x": ["}", 1, null]}, "b": 2, "c": [[]], "d": -1.5e3}"#;
        let members = Reader::new(json)
            .unwrap()
            .members(|key| key == "b")
            .unwrap();
        assert_eq!(members, [(Cow::Borrowed("b"), Value::Int(2))]);
    }
}
