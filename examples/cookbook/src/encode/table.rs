//! Encodes the table as text: csv and JSON.

use std::io::{self, Write};

use serde::Serializer;

use crate::sun;

/// Encodes with the crate `csv`.
pub fn csv(days: u32, w: impl Write) -> io::Result<()> {
    rows_as_csv(sun::rows(days), w)
}

pub(super) fn rows_as_csv(rows: impl Iterator<Item = sun::Row>, w: impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(w);
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()
}

/// Encodes with `serde_json`: an array whose rows are created one by one.
pub fn json(days: u32, w: impl Write) -> io::Result<()> {
    Ok(serde_json::Serializer::new(w).collect_seq(sun::rows(days))?)
}
