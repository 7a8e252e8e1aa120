//! `int()`, `float()` and comparison, exact where Python is exact.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::digits::ascii_digits;
use super::{repr, Raised, Value};

/// Python refuses to turn longer digit strings into numbers
/// (`sys.int_info.default_max_str_digits`).
pub const DIGITS_MAX: usize = 4300;

/// What `int(value)` gives.
pub fn to_int(value: &Value<'_>) -> Result<Value<'static>, Raised> {
    match value {
        Value::Bool(value) => Ok(Value::Int(i128::from(*value))),
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Long(digits) => Ok(Value::Long(Cow::Owned(digits.clone().into_owned()))),
        Value::Float(value) => cut(*value),
        Value::Text(text) => int_of_text(text),
        Value::None | Value::List(_) | Value::Dict(_) => Err(Raised::new(
            "TypeError",
            format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                value.type_name()
            ),
        )),
    }
}

/// What `float(value)` gives.
pub fn to_float(value: &Value<'_>) -> Result<f64, Raised> {
    match value {
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        Value::Int(value) => Ok(nearest(*value)),
        Value::Long(digits) => match digits.parse() {
            Ok(value) if f64::is_finite(value) => Ok(value),
            _ => Err(Raised::new(
                "OverflowError",
                "int too large to convert to float",
            )),
        },
        Value::Float(value) => Ok(*value),
        Value::Text(text) => float_of_text(text),
        Value::None | Value::List(_) | Value::Dict(_) => Err(Raised::new(
            "TypeError",
            format!(
                "float() argument must be a string or a real number, not '{}'",
                value.type_name()
            ),
        )),
    }
}

/// Two values between which `<` and `>` raise `TypeError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unordered;

/// How two values compare; nothing where one of them is NaN, which is neither smaller nor bigger.
pub fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Option<Ordering>, Unordered> {
    use Value::{Bool, Float, Int, Long, Text};
    let ordering = match (a, b) {
        (Bool(a), _) => return order(&Int(i128::from(*a)), b),
        (_, Bool(b)) => return order(a, &Int(i128::from(*b))),
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Int(a), Float(b)) => order_mixed(*a, *b),
        (Float(a), Int(b)) => order_mixed(*b, *a).map(Ordering::reverse),
        (Long(a), Long(b)) => Some(order_digits(a, b)),
        (Long(a), Int(b)) => Some(order_digits(a, &b.to_string())),
        (Int(a), Long(b)) => Some(order_digits(&a.to_string(), b)),
        (Long(a), Float(b)) => order_long(a, *b),
        (Float(a), Long(b)) => order_long(b, *a).map(Ordering::reverse),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        _ => return Err(Unordered),
    };
    Ok(ordering)
}

/// The nearest double; both languages round half to even.
#[allow(clippy::cast_precision_loss)]
fn nearest(value: i128) -> f64 {
    value as f64
}

/// The whole part, saturating; callers keep infinities away or mean the saturation.
#[allow(clippy::cast_possible_truncation)]
fn whole(value: f64) -> i128 {
    value as i128
}

fn cut(value: f64) -> Result<Value<'static>, Raised> {
    if value.is_nan() {
        return Err(Raised::new(
            "ValueError",
            "cannot convert float NaN to integer",
        ));
    }
    if value.is_infinite() {
        let text = "cannot convert float infinity to integer";
        return Err(Raised::new("OverflowError", text));
    }
    Ok(int_of_digits(&format!("{:.0}", value.trunc())))
}

/// Canonical decimal digits as a number.
fn int_of_digits(digits: &str) -> Value<'static> {
    match digits.parse() {
        Ok(value) => Value::Int(value),
        Err(_) => Value::Long(Cow::Owned(digits.to_owned())),
    }
}

fn int_of_text(text: &str) -> Result<Value<'static>, Raised> {
    let wrong = || {
        let literal = repr(&Value::Text(Cow::Borrowed(text)));
        let sentence = format!("invalid literal for int() with base 10: {literal}");
        Raised::new("ValueError", sentence)
    };
    let ascii = ascii_digits(text);
    let trimmed = ascii.trim();
    let (sign, digits) = split_sign(trimmed);
    let digits = without_underscores(digits).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    if digits.len() > DIGITS_MAX {
        return Err(Raised::new(
            "ValueError",
            format!(
                "Exceeds the limit ({DIGITS_MAX} digits) for integer string conversion: \
                 value has {} digits; use sys.set_int_max_str_digits() to increase the limit",
                digits.len()
            ),
        ));
    }
    let significant = digits.trim_start_matches('0');
    Ok(match significant {
        "" => Value::Int(0),
        _ => int_of_digits(&format!("{}{significant}", if sign < 0 { "-" } else { "" })),
    })
}

fn float_of_text(text: &str) -> Result<f64, Raised> {
    let wrong = || {
        let literal = repr(&Value::Text(Cow::Borrowed(text)));
        let sentence = format!("could not convert string to float: {literal}");
        Raised::new("ValueError", sentence)
    };
    let ascii = ascii_digits(text);
    let trimmed = ascii.trim();
    // Rust reads the same decimal forms and the same words ("inf", "infinity", "nan", any case, any
    // sign) as Python; only underscores are Python's own.
    let digits = without_underscores(trimmed).ok_or_else(wrong)?;
    digits.parse().map_err(|_| wrong())
}

fn split_sign(text: &str) -> (i8, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

/// Underscores may stand between two digits only.
fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let between = |(at, byte): (usize, &u8)| {
        *byte != b'_' || (is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
    };
    let well_placed = bytes.iter().enumerate().all(between);
    well_placed.then(|| Cow::Owned(text.replace('_', "")))
}

fn order_mixed(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    let fraction = b - b.trunc();
    let by_fraction = 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal);
    let by_size = if b.abs() < 1e38 {
        a.cmp(&whole(b))
    } else {
        nearest(a).partial_cmp(&b)?
    };
    Some(by_size.then(by_fraction))
}

fn order_long(a: &str, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    if b.is_infinite() {
        return 0.0.partial_cmp(&b);
    }
    Some(order_digits(a, &format!("{:.0}", b.trunc())))
}

/// Canonical digits by sign, then length, then places.
fn order_digits(a: &str, b: &str) -> Ordering {
    let key = |text: &str| {
        let (sign, digits) = split_sign(text);
        (sign, digits.len(), digits.to_owned())
    };
    let (a, b) = (key(a), key(b));
    let by_digits = (a.1, &a.2).cmp(&(b.1, &b.2));
    a.0.cmp(&b.0).then(if a.0 < 0 {
        by_digits.reverse()
    } else {
        by_digits
    })
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    fn read(json: &str) -> Value<'_> {
        Reader::new(json.as_bytes()).unwrap().document().unwrap()
    }

    fn check_int(json: &str, expected: &str) {
        let got = to_int(&read(json));
        assert_eq!(
            got.map_or_else(|raised| raised.text, |value| repr(&value)),
            expected
        );
    }

    fn check_float(json: &str, expected: &str) {
        let got = to_float(&read(json)).map(Value::Float);
        assert_eq!(
            got.map_or_else(|raised| raised.text, |value| repr(&value)),
            expected
        );
    }

    fn check_order(a: &str, b: &str, expected: Result<Option<Ordering>, Unordered>) {
        assert_eq!(order(&read(a), &read(b)), expected, "{a} {b}");
    }

    #[test]
    fn whole_numbers_are_cut_and_read() {
        check_int("3.7", "3");
        check_int("-3.7", "-3");
        check_int("true", "1");
        check_int("1e30", "1000000000000000019884624838656");
        check_int("1e40", "10000000000000000303786028427003666890752");
        check_int("\" 7 \"", "7");
        check_int("\"1_0\"", "10");
        check_int("\"-03\"", "-3");
        check_int("\"-000\"", "0");
        check_int("\"๑๒\"", "12");
        check_int("\"１٢\"", "12");
        for json in [
            "\"²\"", "\"3.5\"", "\"1e3\"", "\"0x10\"", "\"\"", "\"1__0\"", "\"_1\"", "\"+ 1\"",
        ] {
            let literal = json.replace('"', "'");
            check_int(
                json,
                &format!("invalid literal for int() with base 10: {literal}"),
            );
        }
        check_int("NaN", "cannot convert float NaN to integer");
        check_int("-Infinity", "cannot convert float infinity to integer");
        check_int(
            "[]",
            "int() argument must be a string, a bytes-like object or a real number, not 'list'",
        );
    }

    /// `str.isspace` calls the four separators of ASCII space, so they were cut off here as well;
    /// `int` and `float` do not, as fuzzing against Python itself showed.
    #[test]
    fn the_separators_of_ascii_are_no_space_around_a_number() {
        let read = |text: &str| to_int(&Value::from(text)).map(|value| repr(&value));
        assert_eq!(
            read("\u{b}\u{85}\u{a0}\u{2003}\u{3000}7\u{c}"),
            Ok("7".into())
        );
        for separator in ["\u{1c}", "\u{1d}", "\u{1e}", "\u{1f}", "\u{200b}"] {
            let text = format!("{separator}7");
            assert!(read(&text).is_err(), "{text:?}");
            assert!(to_float(&Value::from(text.clone())).is_err(), "{text:?}");
        }
    }

    #[test]
    fn fractions_are_read() {
        check_float("\"1e-3\"", "0.001");
        check_float("\" 2 \"", "2.0");
        check_float("\"1_0.5\"", "10.5");
        check_float("\"๑.๕\"", "1.5");
        check_float("\"-Infinity\"", "-inf");
        check_float("\"1_.5\"", "could not convert string to float: '1_.5'");
        check_float("\"\"", "could not convert string to float: ''");
        check_float(
            "null",
            "float() argument must be a string or a real number, not 'NoneType'",
        );
        check_float(&"9".repeat(400), "int too large to convert to float");
    }

    #[test]
    fn numbers_of_different_kinds_compare_exactly() {
        use Ordering::{Equal, Greater, Less};
        check_order("1", "1.0", Ok(Some(Equal)));
        check_order("true", "1", Ok(Some(Equal)));
        check_order("1", "1.5", Ok(Some(Less)));
        check_order("-1", "-1.5", Ok(Some(Greater)));
        check_order("9007199254740993", "9007199254740992.0", Ok(Some(Greater)));
        check_order(&"9".repeat(50), "1", Ok(Some(Greater)));
        check_order(&format!("-{}", "9".repeat(50)), "-1e10", Ok(Some(Less)));
        check_order(&"9".repeat(50), "1e60", Ok(Some(Less)));
        check_order(&"9".repeat(50), "Infinity", Ok(Some(Less)));
        check_order("1", "NaN", Ok(None));
        check_order("\"1\"", "1", Err(Unordered));
        check_order("\"a\"", "\"b\"", Ok(Some(Less)));
    }
}
