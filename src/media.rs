//! What bytes are, told by the bytes themselves: names and declared types are only claims.

use serde::{Deserialize, Serialize};
use thiserror::Error;

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

    /// Seen or heard, and so never a text.
    pub const fn is_played(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Audio)
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

/// From so many first bytes of a file we tell what it is. The size of a JPEG stands behind its
/// colour profile and its EXIF data, which take a hundred kilobytes and more.
pub const HEAD_BYTES: usize = 1 << 20;

/// Pillow, which opens the pictures on the worker, refuses larger ones as decompression bombs:
/// twice its `Image.MAX_IMAGE_PIXELS`. Decoded they take half a gigabyte.
pub const PIXELS_MAX: u64 = 178_956_970;

/// Names of `infer` that are not the registered ones.
const RENAMED: [(&str, &str); 3] = [
    ("audio/x-flac", "audio/flac"),
    ("audio/x-wav", "audio/wav"),
    ("audio/m4a", "audio/mp4"),
];

/// What `infer` does not know, or only in part: where the magic stands, and what it says.
const ADDED: [(usize, &[u8], Kind, &str, &str); 3] = [
    // MP4 under the newer of its many brands; `infer` knows the older ones by name.
    (4, b"ftyp", Kind::Video, "video/mp4", "mp4"),
    (0, b"glTF", Kind::File, "model/gltf-binary", "glb"),
    (0, b"\x76\x2f\x31\x01", Kind::Image, "image/x-exr", "exr"),
];

/// The extensions of the files that jobs take; ComfyUI's loaders look at them.
const EXTENSIONS: [(&str, &str); 14] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/bmp", "bmp"),
    ("image/tiff", "tif"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/quicktime", "mov"),
    ("audio/mpeg", "mp3"),
    ("audio/wav", "wav"),
    ("audio/flac", "flac"),
    ("audio/ogg", "ogg"),
    ("audio/mp4", "m4a"),
];

/// The pictures whose size stands in their first bytes.
const MEASURED: [&str; 5] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/bmp",
];

/// Those of them that a worker is given, if they have one frame: it decodes every frame there is,
/// and a few bytes make one as large as the first.
const STILL: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/bmp"];

/// What makes a picture unusable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    #[error("the picture is broken: its header breaks off or tells no size")]
    BrokenHeader,
    #[error("the picture is {0} x {1}; more than {PIXELS_MAX} pixels are too many for any worker")]
    TooManyPixels(u32, u32),
    #[error("the picture may have many frames, or a size unknown: send a still PNG, JPEG or WebP")]
    NotStill,
}

impl Media {
    /// Whatever it is wanted for.
    pub fn flaw(&self) -> Option<Flaw> {
        match self.width.zip(self.height) {
            Some((width, height)) if width == 0 || height == 0 => Some(Flaw::BrokenHeader),
            Some((width, height)) => {
                let pixels = u64::from(width) * u64::from(height);
                (pixels > PIXELS_MAX).then_some(Flaw::TooManyPixels(width, height))
            }
            None => MEASURED
                .contains(&self.content_type)
                .then_some(Flaw::BrokenHeader),
        }
    }

    /// For a worker to be given. `head` is what [`sniff`] was given.
    pub fn flaw_of_input(&self, head: &[u8]) -> Option<Flaw> {
        let is_still = match self.content_type {
            "image/png" => is_still_png(head),
            "image/webp" => is_still_webp(head),
            other => self.kind != Kind::Image || STILL.contains(&other),
        };
        self.flaw().or((!is_still).then_some(Flaw::NotStill))
    }
}

/// The frames of a PNG are announced (`acTL`) before its first pixels (PNG, Third Edition, 11.3.6).
/// What has neither in its first mebibyte may have them anywhere.
fn is_still_png(head: &[u8]) -> bool {
    let mut rest = head.get(8..).unwrap_or_default();
    while let Some(([a, b, c, d, kind @ ..], _)) = rest.split_first_chunk::<8>() {
        match kind {
            b"IDAT" => return true,
            b"acTL" => return false,
            _ => {}
        }
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        // Around its data a chunk has its length, its kind and its checksum.
        rest = rest.get(length.saturating_add(12)..).unwrap_or_default();
    }
    head.len() < HEAD_BYTES
}

/// The frames of a WebP are announced in its first chunk, or there is one (RFC 9649, 2.7.1).
fn is_still_webp(head: &[u8]) -> bool {
    const ANIMATION: u8 = 2;
    let is_extended = head.get(12..16) == Some(b"VP8X");
    !is_extended || head.get(20).is_none_or(|flags| flags & ANIMATION == 0)
}

/// The extension that a file of this content type goes by.
pub fn extension(content_type: &str) -> &'static str {
    let known = EXTENSIONS.iter().find(|(known, _)| *known == content_type);
    known.map_or("bin", |(_, extension)| extension)
}

/// Tells what a file is by its first [`HEAD_BYTES`], or by all it has. `None`: nothing known, and
/// not text either.
pub fn sniff(head: &[u8]) -> Option<Media> {
    signature(head).or_else(|| text(head))
}

/// The same by magic alone, for which some fifty bytes are enough; a size takes more.
pub fn signature(head: &[u8]) -> Option<Media> {
    let (kind, content_type, extension) = match infer::get(head) {
        Some(found) => (
            kind_of(found.matcher_type())?,
            found.mime_type(),
            found.extension(),
        ),
        None => added(head)?,
    };
    let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == content_type);
    let content_type = renamed.map_or(content_type, |(_, ours)| ours);
    let size = MEASURED
        .contains(&content_type)
        .then(|| imagesize::blob_size(head).ok())
        .flatten();
    let pixels = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Media {
        kind,
        content_type,
        extension,
        width: size.map(|size| pixels(size.width)),
        height: size.map(|size| pixels(size.height)),
    })
}

fn added(head: &[u8]) -> Option<(Kind, &'static str, &'static str)> {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let found = ADDED.iter().find(|(at, magic, ..)| has(*at, magic))?;
    Some((found.2, found.3, found.4))
}

/// `None`: text is told by what it is not. HTML and XML are text here, too: nothing that a browser
/// would run in our name.
fn kind_of(matcher: infer::MatcherType) -> Option<Kind> {
    match matcher {
        infer::MatcherType::Image => Some(Kind::Image),
        infer::MatcherType::Video => Some(Kind::Video),
        infer::MatcherType::Audio => Some(Kind::Audio),
        infer::MatcherType::Text => None,
        _ => Some(Kind::File),
    }
}

/// What bytes are that nobody recognises: a file to be kept as it is.
pub fn unknown(name: &str) -> Media {
    let is_latent = name.ends_with(".latent");
    Media {
        kind: if is_latent { Kind::Latent } else { Kind::File },
        content_type: "application/octet-stream",
        extension: if is_latent { "latent" } else { "bin" },
        width: None,
        height: None,
    }
}

fn text(head: &[u8]) -> Option<Media> {
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A longer file's head may end inside a character.
        Err(error) if error.error_len().is_none() && head.len() >= HEAD_BYTES => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let is_text = !whole.is_empty() && !whole.chars().any(is_strange);
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

    /// A PNG's first bytes, saying that it has this size.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_size_of_an_image_is_read_from_its_header() {
        let media = sniff(&png(64, 48)).unwrap();
        assert_eq!((media.width, media.height), (Some(64), Some(48)));
        assert_eq!(media.flaw(), None);
    }

    #[test]
    fn a_picture_without_a_size_or_with_an_absurd_one_is_flawed() {
        let check = |bytes: &[u8], expected: Option<Flaw>| {
            assert_eq!(sniff(bytes).unwrap().flaw(), expected, "{bytes:?}");
        };
        check(&png(64, 48)[..20], Some(Flaw::BrokenHeader));
        check(&png(64, 0), Some(Flaw::BrokenHeader));
        check(b"\xff\xd8\xff\xe0", Some(Flaw::BrokenHeader));
        check(b"GIF89a", Some(Flaw::BrokenHeader));
        let bomb = Flaw::TooManyPixels(60_000, 60_000);
        check(&png(60_000, 60_000), Some(bomb));
        check(
            &png(u32::MAX, u32::MAX),
            Some(Flaw::TooManyPixels(u32::MAX, u32::MAX)),
        );
        check(&png(13_377, 13_377), None);
        check(b"ID3\x04", None);
    }

    #[test]
    fn a_file_goes_by_one_extension_whoever_asks() {
        for bytes in [
            b"\x89PNG\r\n\x1a\n".as_slice(),
            b"\xff\xd8\xff\xe0",
            b"RIFF\0\0\0\0WEBPVP8 ",
            b"GIF89a",
            b"BM\0\0\0\0",
            b"II*\0",
            b"\0\0\0\x18ftypiso9",
            b"\0\0\0\x14ftypqt  \0\0\0\0",
            b"\x1a\x45\xdf\xa3\x01",
            b"ID3\x04\0",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"fLaC\0",
            b"OggS\0",
            b"\0\0\0\x18ftypM4A \0\0",
        ] {
            let media = sniff(&[bytes, &[0; 64]].concat()).unwrap();
            assert_eq!(extension(media.content_type), media.extension, "{bytes:?}");
        }
        assert_eq!(extension("application/zip"), "bin");
    }

    #[test]
    fn a_long_text_may_be_cut_inside_a_character() {
        let text = "ป".repeat(HEAD_BYTES);
        assert_eq!(
            sniff(&text.as_bytes()[..HEAD_BYTES]).map(|m| m.kind),
            Some(Kind::Text)
        );
        assert_eq!(sniff("ป".as_bytes().split_at(2).0), None);
    }
}
