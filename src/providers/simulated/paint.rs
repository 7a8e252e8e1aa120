//! A real PNG that shows the prompt's hash as a pattern, so that a person sees that a result is
//! theirs: another prompt or seed is another picture.

use bytes::Bytes;
use crc::{Crc, NoTable, CRC_32_ISO_HDLC};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// The longest side we paint. Larger pictures cost time and show nothing more.
pub const SIDE_MAX: u32 = 2_048;

/// Cells along the longer side.
const CELLS: u32 = 16;

/// Paints output number `i` of the job whose prompt hashes to `pattern`.
pub fn png(pattern: &str, i: usize, width: u32, height: u32) -> Bytes {
    let seed = blake3::hash(format!("{pattern}/{i}").as_bytes());
    let seed = seed.as_bytes();
    let mut pixels = Vec::with_capacity(((1 + row_bytes(width)) * height) as usize);
    let cell = (width.max(height) / CELLS).max(1);
    for y in 0..height {
        // A line begins with its filter: 0, the bytes as they are.
        let mut row = vec![0_u8; 1 + row_bytes(width) as usize];
        for x in 0..width {
            let color = color(seed, x.min(width - 1 - x) / cell, y / cell);
            row[1 + (x / 4) as usize] |= color << (6 - 2 * (x % 4));
        }
        pixels.extend_from_slice(&row);
    }
    file(seed, width, height, &pixels).into()
}

/// Two bits a pixel: four colors are enough for a pattern, and the file stays small.
const fn row_bytes(width: u32) -> u32 {
    width.div_ceil(4)
}

/// One of four colors for a cell; mirrored left to right by the caller.
fn color(seed: &[u8; 32], column: u32, row: u32) -> u8 {
    let at = (row * CELLS + column) as usize;
    let byte = seed[at % 32] ^ seed[(at / 32 + 7) % 32].rotate_left(row % 7);
    byte & 3
}

/// Five chunks are all that such a picture needs. The encoders at hand bring every kind of picture,
/// and a reader of them: a hundredth of the Worker for something no paying job uses.
fn file(seed: &[u8; 32], width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // Two bits, indexed colors, and the only compression, filters and order that matter here.
    header.extend([2, 3, 0, 0, 0]);
    let pixels = compress_to_vec_zlib(pixels, 1);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"PLTE", &palette(seed));
    chunk(&mut file, *b"IDAT", &pixels);
    chunk(&mut file, *b"IEND", &[]);
    file
}

const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// Length, name, content, and the checksum of the last two.
fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    // A picture of at most SIDE_MAX squared, at two bits a pixel, is a megabyte.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    file.extend(length.to_be_bytes());
    let named_at = file.len();
    file.extend(name);
    file.extend(content);
    let checksum = CHECKSUM.checksum(&file[named_at..]);
    file.extend(checksum.to_be_bytes());
}

/// A light ground and three colors of the prompt's own.
fn palette(seed: &[u8; 32]) -> Vec<u8> {
    let mut palette = vec![246, 244, 238];
    palette.extend(seed[..9].iter().map(|byte| 40 + byte / 2));
    palette
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_of_the_asked_size() {
        for (width, height) in [(64, 48), (17, 33), (1_360, 768)] {
            let file = png("abc", 0, width, height);
            let media = crate::media::sniff(&file).unwrap();
            assert_eq!(media.extension, "png");
            assert_eq!((media.width, media.height), (Some(width), Some(height)));
            let decoder = png::Decoder::new(std::io::Cursor::new(file.to_vec()));
            let mut reader = decoder.read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
        }
    }

    #[test]
    fn another_prompt_is_another_picture_and_the_same_one_the_same() {
        assert_eq!(png("abc", 0, 64, 64), png("abc", 0, 64, 64));
        assert_ne!(png("abc", 0, 64, 64), png("abd", 0, 64, 64));
        assert_ne!(png("abc", 0, 64, 64), png("abc", 1, 64, 64));
    }
}
