//! Encodes the table in columns.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::sun::{self, Day, Row};

/// The number of rows that `ArrowWriter` keeps in memory before it writes them.
const GROUP: usize = 16 * 1024;

/// Encodes with the crate `parquet`. It requires `W: Send`, since it may encode columns on threads of its own, so it
/// cannot use the writer of `Local`.
pub fn parquet(days: u32, w: impl Write + Send) -> io::Result<()> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        // Almost no value repeats, so a dictionary would not help.
        .set_dictionary_enabled(false)
        .build();
    let schema = columns(&[]).map_err(|error| cause(error.into()))?.schema();
    let mut writer = ArrowWriter::try_new(w, schema, Some(properties)).map_err(cause)?;
    for day in sun::days(days) {
        let rows: Vec<Row> = Day::rows(day).collect();
        let batch = columns(&rows).map_err(|error| cause(error.into()))?;
        writer.write(&batch).map_err(cause)?;
    }
    writer.close().map_err(cause)?;
    Ok(())
}

fn columns(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let numbers = |of: fn(&Row) -> f64| Arc::new(Float64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.time)));
    RecordBatch::try_from_iter([
        ("time", times),
        ("declination", numbers(|row| row.declination)),
        ("elevation", numbers(|row| row.elevation)),
        ("azimuth", numbers(|row| row.azimuth)),
    ])
}

/// Returns the writer's own error if the parquet error contains it, otherwise the parquet error.
fn cause(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(written) => *written,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
