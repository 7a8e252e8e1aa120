//! Small real files whose content depends on a seed.

/// Pixels on a side: enough to see two results differ, small enough to put in any test.
const SIDE: u32 = 64;

/// Shades between the two colours: four bits a pixel.
const SHADES: u32 = 16;

/// A PNG of two colours that run into each other, diagonally. Not compressed: the simulation makes
/// thousands.
pub(super) fn png(seed: &[u8; 32]) -> Vec<u8> {
    let mut palette = Vec::new();
    for shade in 0..SHADES {
        for channel in 0..3 {
            let (from, to) = (u32::from(seed[channel]), u32::from(seed[channel + 3]));
            let mixed = (from * (SHADES - shade) + to * shade) / SHADES;
            palette.push(u8::try_from(mixed).unwrap_or(u8::MAX));
        }
    }
    // Each row is the one above it, moved on by a pixel.
    let shade = |diagonal: u32| u8::try_from(diagonal * SHADES / (2 * SIDE)).unwrap_or(0);
    let diagonals: Vec<u8> = (0..2 * SIDE).map(shade).collect();
    let rows = diagonals.windows(SIDE as usize).take(SIDE as usize);
    let pairs = rows.flat_map(|row| row.chunks_exact(2));
    let pixels: Vec<u8> = pairs.map(|pair| pair[0] << 4 | pair[1]).collect();
    let mut file = Vec::new();
    // Writing to memory cannot fail, and an empty file would fail every test that looks.
    match encode(&mut file, palette, &pixels) {
        Ok(()) => file,
        Err(_) => Vec::new(),
    }
}

fn encode(file: &mut Vec<u8>, palette: Vec<u8>, pixels: &[u8]) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(pixels)
}

/// An MP4 by its first box; no player shows it.
pub(super) fn mp4(seed: &[u8; 32]) -> Vec<u8> {
    let mut file = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".to_vec();
    file.extend(b"\0\0\0\x88mdat");
    for _ in 0..4 {
        file.extend(seed);
    }
    file
}

/// The same file with as many bytes as asked for, no two pages of which are equal.
pub(super) fn stretched(file: &[u8], size_bytes: usize) -> Vec<u8> {
    const PAGE_BYTES: usize = 4_096;
    let mut bytes = file.to_vec();
    bytes.resize(size_bytes, b'.');
    for (page, bytes) in bytes.chunks_exact_mut(PAGE_BYTES).enumerate().skip(1) {
        bytes[..8].copy_from_slice(&page.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_real_and_differ() {
        let (one, other) = (png(&[1; 32]), png(&[200; 32]));
        let size = imagesize::blob_size(&one).unwrap();
        assert_eq!((size.width, size.height), (64, 64));
        assert_ne!(one, other);
        let mut decoder = png::Decoder::new(std::io::Cursor::new(one));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels[..3], [1, 1, 1]);
    }
}
