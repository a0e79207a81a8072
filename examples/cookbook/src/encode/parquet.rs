//! The table in columns.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::sun::{self, Day, Row};

/// How many rows `ArrowWriter` keeps in memory before it writes them.
const GROUP: usize = 16 * 1024;

/// By the crate `parquet`, which asks for a `W: Send`: it may encode columns on threads of its own. So this one does not
/// go with the writer of `Local`.
pub fn parquet(days: u32, w: impl Write + Send) -> io::Result<()> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        // Hardly a value comes twice.
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

/// The error that the writer gave, as it was; any other with its message.
fn cause(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(written) => *written,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
