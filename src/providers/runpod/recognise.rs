//! Whether a text is a file: base64 of something known, a data URI, or a link.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use crate::media;

/// Shorter text is never a file: the smallest real PNG is 67 bytes, 92 characters.
const BASE64_CHARS_MIN: usize = 92;

/// Characters decoded to look at the first bytes: 48 bytes are enough for every signature.
const BASE64_HEAD_CHARS: usize = 64;

/// The longest URL taken. Presigned URLs with session tokens reach two thousand characters.
const URL_CHARS_MAX: usize = 8 * 1024;

/// A file, still borrowed from the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Data<'j> {
    Base64(&'j str),
    Url(&'j str),
}

pub(super) fn recognise(text: &str) -> Option<Data<'_>> {
    let text = text.trim();
    if let Some(uri) = strip_prefix_ignoring_case(text, "data:") {
        let (kind, data) = uri.split_once(',')?;
        let data = data.trim();
        return (kind.ends_with(";base64") && head(data).is_some()).then_some(Data::Base64(data));
    }
    if is_url(text) {
        return Some(Data::Url(text));
    }
    let known = text.len() >= BASE64_CHARS_MIN && head(text).is_some_and(|head| is_media(&head));
    known.then_some(Data::Base64(text))
}

/// Base64 whose worker says beside it that it is a file: needs no signature.
pub(super) fn recognise_declared(text: &str) -> Option<Data<'_>> {
    let text = text.trim();
    let plausible = text.len() >= BASE64_CHARS_MIN && head(text).is_some();
    plausible.then_some(Data::Base64(text))
}

/// Requires a scheme: a worker without its S3 keys returns `simulated_uploaded/….png`, a path on
/// its own disk that poses as a link.
fn is_url(text: &str) -> bool {
    let rest = strip_prefix_ignoring_case(text, "https://")
        .or_else(|| strip_prefix_ignoring_case(text, "http://"));
    let host = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    rest.is_some_and(host)
        && text.len() <= URL_CHARS_MAX
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// The first bytes of base64 text; `None`: it is not base64. Only these are ever decoded here.
fn head(text: &str) -> Option<Vec<u8>> {
    let mut chars = [0; BASE64_HEAD_CHARS];
    let mut length = 0;
    let significant = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    for (slot, byte) in chars.iter_mut().zip(significant) {
        *slot = byte;
        length += 1;
    }
    // Whole groups of four only, so that a text without padding can be read too.
    let whole = length - length % 4;
    let bytes = STANDARD.decode(&chars[..whole]).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// Pictures, films, sounds, and the containers of everything else.
fn is_media(head: &[u8]) -> bool {
    media::signature(head).is_some()
}
