//! Base64, decoded piece by piece: neither the text nor the file is ever copied as a whole.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;
use bytes::Bytes;

use crate::ports::Broken;

/// Decoded at once: whole groups of four characters, few enough to be no burden beside the text.
const PIECE_CHARS: usize = 64 << 10;

/// Workers send base64 with and without its padding.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that a text stands for. Python's `encodebytes` breaks it into lines.
pub struct Decoded {
    text: Bytes,
    is_padded: bool,
}

impl Decoded {
    pub fn new(text: Bytes) -> Self {
        Self {
            text,
            is_padded: false,
        }
    }

    fn decode(&mut self, chars: &[u8]) -> Result<Bytes, Broken> {
        let wrong = || Broken::Refused("a file is not base64".into());
        if self.is_padded {
            return Err(wrong());
        }
        self.is_padded = chars.ends_with(b"=");
        let bytes = TOLERANT.decode(chars).map_err(|_| wrong())?;
        Ok(bytes.into())
    }
}

impl Iterator for Decoded {
    type Item = Result<Bytes, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chars = Vec::with_capacity(PIECE_CHARS.min(self.text.len()));
        while chars.len() < PIECE_CHARS && !self.text.is_empty() {
            let room = PIECE_CHARS - chars.len();
            let some = self.text.split_to(room.min(self.text.len()));
            chars.extend(some.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
        (!chars.is_empty()).then(|| self.decode(&chars))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn check(text: String, expected: Option<&[u8]>) {
        let pieces: Result<Vec<Bytes>, Broken> = Decoded::new(text.into()).collect();
        assert_eq!(
            pieces.ok().map(|pieces| pieces.concat()).as_deref(),
            expected
        );
    }

    #[test]
    fn a_text_of_any_length_is_decoded_with_lines_and_without_padding() {
        for length in [1, 2, 3, 49_151, 49_152, 49_153, 200_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let text = STANDARD.encode(&bytes);
            check(text.trim_end_matches('=').to_owned(), Some(&bytes));
            let lines = text.as_bytes().chunks(76).collect::<Vec<_>>().join(&b'\n');
            check(String::from_utf8(lines).unwrap(), Some(&bytes));
            check(text, Some(&bytes));
        }
        check(String::new(), Some(&[]));
    }

    #[test]
    fn what_is_not_base64_is_refused_wherever_it_stands() {
        let good = STANDARD.encode(vec![7; 49_152]);
        check("A".into(), None);
        check("AA-A".into(), None);
        check(format!("{good}{good}*AAA"), None);
        // One text ends where another begins.
        let padded = STANDARD.encode(vec![7; 49_151]);
        check(format!("{padded}{good}"), None);
        check(format!("AA=={good}"), None);
    }
}
