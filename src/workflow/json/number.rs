//! Numbers in texts, as JavaScript writes and reads them.

/// A number as JavaScript writes it.
pub fn number_text(n: f64) -> String {
    if n == 0.0 {
        return "0".to_owned();
    }
    let size = n.abs();
    if n.is_finite() && !(1e-6..1e21).contains(&size) {
        let text = format!("{n:e}");
        return match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
            _ => text,
        };
    }
    match n {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => n.to_string(),
    }
}

/// The number that JavaScript makes of a text; not-a-number for other words.
pub fn number_of_text(text: &str) -> f64 {
    let text = text.trim();
    let radix = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        let digits = text[2..].chars().map(|digit| digit.to_digit(radix));
        let sum = digits.fold(None, |sum: Option<f64>, digit| {
            Some(sum.unwrap_or(0.0) * f64::from(radix) + digit.map_or(f64::NAN, f64::from))
        });
        return sum.unwrap_or(f64::NAN);
    }
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if text.chars().all(is_number) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_javascript_texts() {
        for (n, text) in [
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (123.5, "123.5"),
            (-0.0, "0"),
            (18_446_744_073_709_551_615.0, "18446744073709552000"),
        ] {
            assert_eq!(number_text(n), text);
        }
    }

    #[test]
    fn texts_are_the_numbers_that_javascript_reads() {
        for (text, n) in [
            ("", "0"),
            (" 12 ", "12"),
            ("-1.5e1", "-15"),
            ("0x100", "256"),
            ("0b11", "3"),
            ("Infinity", "Infinity"),
            ("inf", "NaN"),
            ("nan", "NaN"),
            ("0x", "NaN"),
            ("-0x1", "NaN"),
            ("12px", "NaN"),
        ] {
            assert_eq!(number_text(number_of_text(text)), n, "{text}");
        }
    }
}
