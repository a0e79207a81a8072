//! Rows that are computed one by one, and the encoders that write them.

use std::io::{self, Write};

use zip::write::SimpleFileOptions;

/// Writes rows as a CSV file.
pub fn write_csv(rows: u64, w: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(w);
    csv.write_record(["row", "station", "degrees"])?;
    for row in 0..rows {
        // A daily curve with a bit of noise.
        let degrees =
            15.0 + 10.0 * (row as f64 / 1440.0).sin() + (row.wrapping_mul(0x9E37_79B9) >> 7 & 0xff) as f64 / 256.0;
        csv.write_record([row.to_string(), format!("station {}", row % 7), format!("{degrees:.2}")])?;
    }
    csv.flush()
}

/// Writes the same file, packed into an archive of unknown size.
pub fn write_zip(rows: u64, w: &mut impl Write) -> io::Result<()> {
    let mut zip = zip::ZipWriter::new_stream(w);
    zip.start_file("readings.csv", SimpleFileOptions::default().large_file(true))?;
    write_csv(rows, &mut zip)?;
    zip.finish()?.into_inner().flush()
}
