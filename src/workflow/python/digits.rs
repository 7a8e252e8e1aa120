//! Decimal digits of all scripts: Python's `int("๑๒")` is 12.

use std::borrow::Cow;

/// The zeros of Unicode's decimal digits; nine others follow each in order.
const ZEROS: [u32; 67] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x1_04a0, 0x1_0d30, 0x1_1066, 0x1_10f0, 0x1_1136, 0x1_11d0, 0x1_12f0, 0x1_1450, 0x1_14d0,
    0x1_1650, 0x1_16c0, 0x1_1730, 0x1_18e0, 0x1_1950, 0x1_1c50, 0x1_1d50, 0x1_1da0, 0x1_1f50,
    0x1_6a60, 0x1_6ac0, 0x1_6b50, 0x1_d7ce, 0x1_d7d8, 0x1_d7e2, 0x1_d7ec, 0x1_d7f6, 0x1_e140,
    0x1_e2f0, 0x1_e4f0, 0x1_e950, 0x1_fbf0,
];

/// The text with every decimal digit as one of ASCII.
pub(super) fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(ascii_digit).collect())
}

fn ascii_digit(character: char) -> char {
    let code = u32::from(character);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let zero = after.checked_sub(1).map(|place| ZEROS[place]);
    let digit = zero.and_then(|zero| char::from_digit(code - zero, 10));
    digit.unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_become_ascii_and_nothing_else_does() {
        assert_eq!(ascii_digits("๑๒"), "12");
        assert_eq!(ascii_digits("１.５"), "1.5");
        assert_eq!(ascii_digits("٣𝟗"), "39");
        assert_eq!(ascii_digits("²⅓๏ก:"), "²⅓๏ก:");
        assert!(ZEROS.is_sorted());
    }
}
