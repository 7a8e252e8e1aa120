//! Files that a browser reads and a strict reader of JSON does not.

use serde::de::DeserializeOwned;

use crate::parse;

/// Reads a file as the browser does: without its byte order mark, halves of a pair of UTF-16 that
/// stand alone as U+FFFD, and numbers beyond a double's range as null, which is what is sent of
/// them.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let read = parse::json_bytes(text);
    match read {
        Err(_) => match mended(text) {
            Some(mended) => parse::json_bytes(&mended),
            None => read,
        },
        read => read,
    }
}

/// The text with what only a browser reads replaced in its place, byte for byte; nothing when there
/// is none.
fn mended(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended = text.to_vec();
    let (mut at, mut is_within_text) = (0, false);
    while let Some(byte) = text.get(at) {
        let rest = &text[at..];
        let (step, replacement): (_, Option<&[u8]>) = match byte {
            b'\\' if is_within_text => escape(rest),
            b'-' | b'0'..=b'9' if !is_within_text => number(rest),
            b'"' => {
                is_within_text = !is_within_text;
                (1, None)
            }
            _ => (1, None),
        };
        if let Some(replacement) = replacement {
            let place = &mut mended[at..(at + step).min(text.len())];
            place.fill(b' ');
            place[..replacement.len()].copy_from_slice(replacement);
        }
        at += step;
    }
    (mended != text).then_some(mended)
}

/// How long an escape is, and what stands for it if it is half of a pair alone.
fn escape(text: &[u8]) -> (usize, Option<&'static [u8]>) {
    match utf16_unit(text) {
        None => (2, None),
        Some(0xd800..=0xdbff) if matches!(utf16_unit(&text[6..]), Some(0xdc00..=0xdfff)) => {
            (12, None)
        }
        Some(0xd800..=0xdfff) => (6, Some(br"\ufffd")),
        Some(_) => (6, None),
    }
}

/// The unit that an escape such as `\u00e9` stands for.
fn utf16_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// How long a number is, and what stands for it if no double is as large.
fn number(text: &[u8]) -> (usize, Option<&'static [u8]>) {
    let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let size = text.iter().take_while(is_part).count();
    let written = std::str::from_utf8(&text[..size]).unwrap_or_default();
    let is_infinite = written.parse().is_ok_and(f64::is_infinite);
    (size, is_infinite.then_some(b"null"))
}

#[cfg(test)]
mod tests {
    use super::super::Json;
    use super::*;

    #[test]
    fn files_that_a_browser_reads_are_read() {
        let sent = |text: &str| parse::<Json>(text.as_bytes()).map(|json| json.json_text());
        for (text, read) in [
            ("\u{feff}{\"a\":1}", "{\"a\":1}"),
            (
                r#"["cut \ud83d here","\udc00\ud83d\ude00"]"#,
                "[\"cut \u{fffd} here\",\"\u{fffd}😀\"]",
            ),
            (
                r#"["\\ud83d",1e400,-1e400,2]"#,
                r#"["\\ud83d",null,null,2]"#,
            ),
            (r#"["\ud83d", "1e400"]"#, "[\"\u{fffd}\",\"1e400\"]"),
        ] {
            assert_eq!(sent(text).unwrap(), read, "{text}");
        }
        for wrong in ["", "{", r#"["\ud83d"#, r#"["\ud8"]"#, "[1e400"] {
            sent(wrong).unwrap_err();
        }
    }
}
