//! The parsers: libraries that read, each called as it would be for a file.
//!
//! Nothing here knows where the bytes come from, nor that they are still arriving.

use std::io::{self, Read, Write};

use flate2::Crc;
use flate2::read::MultiGzDecoder;
use serde::Serialize;

/// What an upload is, by its name.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `.csv`
    Csv,
    /// `.tar`
    Tar,
    /// `.tar.gz`
    TarGz,
    /// `.gz`, of whatever.
    Gz,
}

/// What was found in it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// A table.
    Table {
        /// Without the one with the names.
        rows: u64,
        /// In their order.
        columns: Vec<Column>,
    },
    /// An archive.
    Archive {
        /// Directories and links are not counted.
        files: u64,
        /// What is in them, one after the other.
        contents: Contents,
    },
    /// Anything.
    Data {
        /// What is in it.
        contents: Contents,
    },
}

/// A column of a table.
#[derive(Debug, Serialize)]
pub struct Column {
    name: String,
    /// If there are numbers in it.
    #[serde(flatten)]
    range: Option<Range>,
}

/// Between which numbers.
#[derive(Debug, Clone, Copy, Serialize)]
struct Range {
    least: f64,
    most: f64,
}

/// Bytes, counted and summed up.
#[derive(Debug, Serialize)]
pub struct Contents {
    bytes: u64,
    crc32: u32,
}

impl Kind {
    /// By what the name ends with.
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

    /// Reads it to its end.
    pub fn parse(self, r: impl Read) -> io::Result<Report> {
        match self {
            Kind::Csv => csv(r),
            Kind::Tar => tar(r),
            Kind::TarGz => tar(MultiGzDecoder::new(r)),
            Kind::Gz => Ok(Report::Data { contents: Tally::default().with(MultiGzDecoder::new(r))?.total() }),
        }
    }
}

/// By the crate `csv`.
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

/// By the crate `tar`.
fn tar(mut r: impl Read) -> io::Result<Report> {
    let (mut files, mut tally) = (0, Tally::default());
    for entry in tar::Archive::new(&mut r).entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            files += 1;
            tally = tally.with(entry)?;
        }
    }
    // An archive is padded, and what packs it has a checksum after the padding.
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
