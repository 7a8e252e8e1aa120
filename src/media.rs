//! What bytes are, told by the bytes themselves: names and declared types are only claims.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Image,
    Video,
    Audio,
    Text,
    File,
    Latent,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::File => "file",
            Self::Latent => "latent",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    pub kind: Kind,
    pub content_type: &'static str,
    /// Without a dot.
    pub extension: &'static str,
    /// Pixels, for the images whose header tells.
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// Tells what `bytes` are by their magic. `None`: nothing known, and not text either.
pub fn sniff(bytes: &[u8]) -> Option<Media> {
    let Some(found) = infer::get(bytes) else {
        return text(bytes);
    };
    let kind = match found.matcher_type() {
        infer::MatcherType::Image => Kind::Image,
        infer::MatcherType::Video => Kind::Video,
        infer::MatcherType::Audio => Kind::Audio,
        infer::MatcherType::Text => Kind::Text,
        _ => Kind::File,
    };
    if kind == Kind::Text {
        // HTML and XML are text here, too: nothing that a browser would run in our name.
        return text(bytes);
    }
    let size = (kind == Kind::Image)
        .then(|| imagesize::blob_size(bytes).ok())
        .flatten();
    let pixels = |n: usize| u32::try_from(n).ok();
    Some(Media {
        kind,
        content_type: found.mime_type(),
        extension: found.extension(),
        width: size.and_then(|size| pixels(size.width)),
        height: size.and_then(|size| pixels(size.height)),
    })
}

/// What bytes are that nobody recognises: a file to be kept as it is.
pub fn unknown(name: Option<&str>) -> Media {
    let is_latent = name.is_some_and(|name| name.ends_with(".latent"));
    Media {
        kind: if is_latent { Kind::Latent } else { Kind::File },
        content_type: "application/octet-stream",
        extension: if is_latent { "latent" } else { "bin" },
        width: None,
        height: None,
    }
}

fn text(bytes: &[u8]) -> Option<Media> {
    let is_text = !bytes.is_empty()
        && std::str::from_utf8(bytes).is_ok_and(|text| {
            !text
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        });
    is_text.then_some(Media {
        kind: Kind::Text,
        content_type: "text/plain; charset=utf-8",
        extension: "txt",
        width: None,
        height: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<(Kind, &str)>) {
        let found = sniff(bytes).map(|media| (media.kind, media.extension));
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn bytes_are_known_by_their_magic() {
        check(b"\x89PNG\r\n\x1a\n", Some((Kind::Image, "png")));
        check(b"\xff\xd8\xff\xe0", Some((Kind::Image, "jpg")));
        check(b"RIFF\0\0\0\0WEBPVP8 ", Some((Kind::Image, "webp")));
        check(b"\0\0\0\x18ftypmp42", Some((Kind::Video, "mp4")));
        check(b"RIFF\0\0\0\0WAVEfmt ", Some((Kind::Audio, "wav")));
        check(
            "a plain sentence, ประโยค".as_bytes(),
            Some((Kind::Text, "txt")),
        );
        check(b"<!DOCTYPE html><script>", Some((Kind::Text, "txt")));
        check(b"\x00\x01\x02\x03", None);
        check(b"", None);
    }

    #[test]
    fn the_size_of_an_image_is_read_from_its_header() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 0, 64, 0, 0, 0, 48, 8, 2, 0, 0, 0]);
        let media = sniff(&png).unwrap();
        assert_eq!((media.width, media.height), (Some(64), Some(48)));
    }
}
