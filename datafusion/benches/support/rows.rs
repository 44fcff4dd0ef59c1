//! The records as record batches, and the service that they go through.

use std::sync::Arc;

use cspark_emulator::{Output, Record};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt8Array, UInt16Array,
    UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::policy::{Policy, policies};

pub(crate) const SERVICE: &str = "my-folder/quote";
/// Rows of a record batch.
pub(crate) const IN_A_BATCH: usize = 8_192;

/// Returns each field under another name, so that inputs and outputs fit into one table.
pub(crate) fn quote(record: &Record<'_>, output: &mut Output) -> Result<(), String> {
    for (name, value) in record.fields()? {
        output.field(&format!("{name}_out"), value)?;
    }
    Ok(())
}

/// The output for a [`Policy`].
#[derive(Clone, Debug, serde::Deserialize)]
#[expect(dead_code, reason = "read from JSON and thrown away")]
pub(crate) struct Quote {
    policy_id_out: u64,
    product_out: String,
    age_out: u8,
    sex_out: char,
    smoker_out: bool,
    term_out: u16,
    sum_assured_out: f64,
    interest_out: f64,
    loading_out: Option<f64>,
    issued_out: String,
}

/// A record batch of the first policies.
pub(crate) fn batch() -> Result<RecordBatch, ArrowError> {
    let rows: Vec<Policy<&str>> = policies().take(IN_A_BATCH).collect();
    fn column<A: FromIterator<T> + datafusion::arrow::array::Array + 'static, T>(
        rows: &[Policy<&'static str>],
        cell: impl Fn(&Policy<&'static str>) -> T,
    ) -> ArrayRef {
        Arc::new(rows.iter().map(cell).collect::<A>())
    }
    let rows = rows.as_slice();
    RecordBatch::try_from_iter([
        (
            "policy_id",
            column::<UInt64Array, _>(rows, |row| Some(row.policy_id)),
        ),
        (
            "product",
            column::<StringArray, _>(rows, |row| Some(row.product)),
        ),
        ("age", column::<UInt8Array, _>(rows, |row| Some(row.age))),
        (
            "sex",
            column::<StringArray, _>(rows, |row| Some(row.sex.to_string())),
        ),
        (
            "smoker",
            column::<BooleanArray, _>(rows, |row| Some(row.smoker)),
        ),
        ("term", column::<UInt16Array, _>(rows, |row| Some(row.term))),
        (
            "sum_assured",
            column::<Float64Array, _>(rows, |row| Some(row.sum_assured)),
        ),
        (
            "interest",
            column::<Float64Array, _>(rows, |row| Some(row.interest)),
        ),
        (
            "loading",
            column::<Float64Array, _>(rows, |row| row.loading),
        ),
        (
            "issued",
            column::<StringArray, _>(rows, |row| Some(row.issued)),
        ),
    ])
}

/// So many records as record batches: the same one over and over.
pub(crate) fn batches(batch: RecordBatch, records: usize) -> impl Iterator<Item = RecordBatch> {
    (0..records)
        .step_by(IN_A_BATCH)
        .map(move |first| batch.slice(0, IN_A_BATCH.min(records - first)))
}

/// The columns of the outputs, with the types of the inputs.
pub(crate) fn output_schema(inputs: &Schema) -> SchemaRef {
    let fields = inputs.fields().iter().map(|field| {
        let data_type: &DataType = field.data_type();
        Field::new(format!("{}_out", field.name()), data_type.clone(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
