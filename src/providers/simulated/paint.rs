//! A real PNG that shows the prompt's hash as a pattern, so that a person sees that a result is
//! theirs: another prompt or seed is another picture.

use bytes::Bytes;

/// The longest side we paint. Larger pictures cost time and show nothing more.
pub const SIDE_MAX: u32 = 2_048;

/// Cells along the longer side.
const CELLS: u32 = 16;

/// Paints output number `i` of the job whose prompt hashes to `pattern`.
pub fn png(pattern: &str, i: usize, width: u32, height: u32) -> Bytes {
    let seed = blake3::hash(format!("{pattern}/{i}").as_bytes());
    let seed = seed.as_bytes();
    let mut pixels = Vec::with_capacity((row_bytes(width) * height) as usize);
    let cell = (width.max(height) / CELLS).max(1);
    for y in 0..height {
        let mut row = vec![0_u8; row_bytes(width) as usize];
        for x in 0..width {
            let color = color(seed, x.min(width - 1 - x) / cell, y / cell);
            row[(x / 4) as usize] |= color << (6 - 2 * (x % 4));
        }
        pixels.extend_from_slice(&row);
    }
    let mut file = Vec::new();
    // Writing to memory fails only for sizes that do not fit the pixels, and these do.
    match encode(&mut file, seed, width, height, &pixels) {
        Ok(()) => file.into(),
        Err(_) => Bytes::new(),
    }
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

fn encode(
    file: &mut Vec<u8>,
    seed: &[u8; 32],
    width: u32,
    height: u32,
    pixels: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(palette(seed));
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(pixels)
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
