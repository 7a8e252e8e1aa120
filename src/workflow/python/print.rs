//! `repr()` and `str()`: ComfyUI puts values into its messages with them.

use std::fmt::Write;

use super::Value;

/// What Python's `str(value)` gives: text as it is, everything else as its literal.
pub fn text(value: &Value<'_>) -> String {
    match value {
        Value::Text(value) => value.clone().into_owned(),
        other => repr(other),
    }
}

/// What Python's `repr(value)` gives.
pub fn repr(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// Recursion is as deep as the value, which the reader limits.
fn write_repr(out: &mut String, value: &Value<'_>) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Long(digits) => out.push_str(digits),
        Value::Float(value) => write_float(out, *value),
        Value::Text(value) => write_text(out, value),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Dict(dict) => {
            out.push('{');
            for (at, (key, member)) in dict.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_text(out, key);
                out.push_str(": ");
                write_repr(out, member);
            }
            out.push('}');
        }
    }
}

/// The fewest digits that read back as the same number; an exponent from 1e16 on and below 1e-4.
fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("nan");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        out.push_str(&plain);
        return out.push_str(if plain.contains('.') { "" } else { ".0" });
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a String cannot fail.
    let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
}

/// Single quotes, unless the text has one and no double quote.
fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            other if other == quote => {
                out.push('\\');
                out.push(other);
            }
            other if is_printable(other) => out.push(other),
            other => write_escape(out, u32::from(other)),
        }
    }
    out.push(quote);
}

fn write_escape(out: &mut String, code: u32) {
    // Writing to a String cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Rust and Python draw this line by the same Unicode categories. Combining marks are escaped by
/// Rust at the start of a text only, hence the letter in front.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let mut text = String::from("a");
    text.push(character);
    !text.escape_debug().to_string().ends_with('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: impl Into<Value<'static>>, expected: &str) {
        assert_eq!(repr(&value.into()), expected);
    }

    fn check_float(value: f64, expected: &str) {
        check(Value::Float(value), expected);
    }

    #[test]
    fn floats_print_as_in_python() {
        check_float(3.0, "3.0");
        check_float(0.1, "0.1");
        check_float(1e21, "1e+21");
        check_float(1e16, "1e+16");
        check_float(1e15, "1000000000000000.0");
        check_float(0.0001, "0.0001");
        check_float(0.00001, "1e-05");
        check_float(-1.5e-300, "-1.5e-300");
        check_float(f64::NAN, "nan");
        check_float(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn text_prints_as_in_python() {
        check("a", "'a'");
        check("it's", "\"it's\"");
        check("it's \"x\"", "'it\\'s \"x\"'");
        check(
            "\u{7f}\u{e9}\u{200b}\u{1f600}\u{301}",
            "'\\x7fé\\u200b😀\u{301}'",
        );
        check("a\\b\n", "'a\\\\b\\n'");
        check("}", "'}'");
    }

    #[test]
    fn only_text_prints_without_quotes() {
        assert_eq!(text(&Value::from("it's")), "it's");
        assert_eq!(
            text(&Value::List(vec![Value::from("a"), Value::None])),
            "['a', None]"
        );
        assert_eq!(text(&Value::Bool(true)), "True");
    }
}
