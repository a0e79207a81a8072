//! Encodes a picture that is computed while it is sent.

use std::io::{self, Write};

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};

/// A point that is still inside after this many steps counts as part of the set.
const MAX_STEPS: u32 = 200;

/// Encodes the Mandelbrot set row by row with the crate `png`, `width` points wide and three quarters as high, in
/// 16-bit shades.
pub fn png(width: u32, w: impl Write) -> io::Result<()> {
    let height = (width * 3 / 4).max(1);
    let mut encoder = Encoder::new(w, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Sixteen);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(cause)?;
    let mut picture = writer.stream_writer().map_err(cause)?;
    let step = 3.0 / f64::from(width);
    let mut row = Vec::with_capacity(6 * width as usize);
    for y in 0..height {
        row.clear();
        for x in 0..width {
            let colour = colour(-2.25 + step * f64::from(x), 1.125 - step * f64::from(y));
            row.extend(colour.into_iter().flat_map(u16::to_be_bytes));
        }
        picture.write_all(&row)?;
    }
    picture.finish().map_err(cause)?;
    writer.finish().map_err(cause)
}

/// Returns black for a point of the set. The shade of other points depends on how fast they leave, and from where.
fn colour(re: f64, im: f64) -> [u16; 3] {
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    for step in 0..MAX_STEPS {
        let square = x * x + y * y;
        if square > 256.0 {
            // Whole numbers of steps would give visible bands.
            let speed = f64::from(step) + 1.0 - square.ln().log2();
            let shade = |phase: f64| (32767.5 + 32767.0 * (0.15 * speed + phase).cos()) as u16;
            return [shade(3.0), shade(3.6), shade(4.2)];
        }
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
    }
    [0; 3]
}

/// Returns the writer's own error if the png error contains it, otherwise the png error.
fn cause(error: EncodingError) -> io::Error {
    match error {
        EncodingError::IoError(written) => written,
        other => io::Error::other(other),
    }
}
