//! The parsers. Each calls a library as it would for a file, and does not know that its input is still arriving.

use std::io::{self, Read, Write};

use flate2::Crc;
use flate2::read::MultiGzDecoder;
use serde::Serialize;

/// The format of an upload, by its name.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `.csv`
    Csv,
    /// `.tar`
    Tar,
    /// `.tar.gz`
    TarGz,
    /// `.gz`, with any content.
    Gz,
}

/// The result of a parser.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// A table.
    Table {
        /// The number of rows, without the header.
        rows: u64,
        /// The columns, in order.
        columns: Vec<Column>,
    },
    /// An archive.
    Archive {
        /// The number of files, without directories and links.
        files: u64,
        /// The contents of the files, one after the other.
        contents: Contents,
    },
    /// Any other content.
    Data {
        /// The content.
        contents: Contents,
    },
}

/// A column of a table.
#[derive(Debug, Serialize)]
pub struct Column {
    name: String,
    /// The range of its numbers, if it has any.
    #[serde(flatten)]
    range: Option<Range>,
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, Serialize)]
struct Range {
    least: f64,
    most: f64,
}

/// A number of bytes and their checksum.
#[derive(Debug, Serialize)]
pub struct Contents {
    bytes: u64,
    crc32: u32,
}

impl Kind {
    /// Returns the format that the end of the name stands for.
    pub fn of(name: &str) -> Option<Kind> {
        let ends = |end| name.ends_with(end);
        match () {
            () if ends(".csv") => Some(Kind::Csv),
            () if ends(".tar") => Some(Kind::Tar),
            () if ends(".tar.gz") || ends(".tgz") => Some(Kind::TarGz),
            () if ends(".gz") => Some(Kind::Gz),
            () => None,
        }
    }

    /// Parses a reader to its end.
    pub fn parse(self, r: impl Read) -> io::Result<Report> {
        match self {
            Kind::Csv => csv(r),
            Kind::Tar => tar(r),
            Kind::TarGz => tar(MultiGzDecoder::new(r)),
            Kind::Gz => Ok(Report::Data { contents: Tally::default().with(MultiGzDecoder::new(r))?.total() }),
        }
    }
}

/// Parses with the crate `csv`.
fn csv(r: impl Read) -> io::Result<Report> {
    let mut csv = csv::Reader::from_reader(r);
    let mut columns: Vec<_> = csv.headers()?.iter().map(|name| Column { name: name.to_owned(), range: None }).collect();
    let (mut rows, mut record) = (0, csv::StringRecord::new());
    while csv.read_record(&mut record)? {
        rows += 1;
        for (column, field) in columns.iter_mut().zip(&record) {
            if let Ok(number) = field.parse::<f64>() {
                let Range { least, most } = column.range.unwrap_or(Range { least: number, most: number });
                column.range = Some(Range { least: least.min(number), most: most.max(number) });
            }
        }
    }
    Ok(Report::Table { rows, columns })
}

/// Parses with the crate `tar`.
fn tar(mut r: impl Read) -> io::Result<Report> {
    let (mut files, mut tally) = (0, Tally::default());
    for entry in tar::Archive::new(&mut r).entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            files += 1;
            tally = tally.with(entry)?;
        }
    }
    // The archive is padded, and its compressor adds a checksum after the padding: read to the end to check both.
    io::copy(&mut r, &mut io::sink())?;
    Ok(Report::Archive { files, contents: tally.total() })
}

#[derive(Default)]
struct Tally {
    bytes: u64,
    crc: Crc,
}

impl Tally {
    fn with(mut self, mut r: impl Read) -> io::Result<Tally> {
        self.bytes += io::copy(&mut r, &mut self)?;
        Ok(self)
    }

    fn total(&self) -> Contents {
        Contents { bytes: self.bytes, crc32: self.crc.sum() }
    }
}

impl Write for Tally {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.crc.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
