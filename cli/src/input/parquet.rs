//! Reads Parquet.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_json::writer::{EncoderOptions, make_encoder};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::sink::{Sink, Stop};

/// Sends the rows of a file.
pub(super) fn read(file: File, sink: &mut Sink) -> Result<(), Stop> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Stop::failed)?;
    let rows = builder.metadata().file_metadata().num_rows();
    let names = builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone());
    sink.begin(names.collect(), u64::try_from(rows).ok())?;
    let batches = builder
        .with_batch_size(1024)
        .build()
        .map_err(Stop::failed)?;
    let mut first = 0_u64;
    for batch in batches {
        let batch = batch.map_err(Stop::failed)?;
        send(&batch, first, sink)?;
        first += batch.num_rows() as u64;
    }
    Ok(())
}

fn send(batch: &RecordBatch, first: u64, sink: &mut Sink) -> Result<(), Stop> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let schema = batch.schema();
    let mut encoders = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| make_encoder(field, column, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Stop::failed)?;
    for row in 0..batch.num_rows() {
        if let Some(column) = (0..encoders.len()).find(|at| !is_finite(batch.column(*at), row)) {
            let record = first + row as u64;
            let name = schema.field(column).name();
            sink.bad(format!(
                "record {record}, column `{name}`: NaN and infinity are no JSON"
            ))?;
            continue;
        }
        sink.row(|json| {
            for (place, encoder) in encoders.iter_mut().enumerate() {
                json.push(if place == 0 { b'[' } else { b',' });
                match encoder.is_null(row) {
                    true => json.extend_from_slice(b"null"),
                    false => encoder.encode(row, json),
                }
            }
            json.push(b']');
            Ok(())
        })?;
    }
    Ok(())
}

/// Whether a cell is anything but a number that JSON cannot say.
fn is_finite(column: &dyn Array, row: usize) -> bool {
    column.is_null(row)
        || match column.data_type() {
            DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_finite(),
            DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_finite(),
            DataType::Float16 => column.as_primitive::<Float16Type>().value(row).is_finite(),
            _ => true,
        }
}
