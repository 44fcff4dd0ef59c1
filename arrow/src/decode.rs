//! The outputs of a chunk to columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use arrow_select::nullif::nullif;

use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::fit::fit;
use crate::read::{ReadColumns, read};

/// Decodes outputs into the columns of a schema.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: SchemaRef,
    /// Whether outputs that the schema does not have are errors; otherwise they are passed over.
    all: bool,
}

/// The columns of a chunk's outputs, one row a record.
pub(crate) struct Decoded {
    pub(crate) columns: Vec<ArrayRef>,
    /// What is in no column: cells that are not of their column's type, where that has null, and
    /// outputs without a column. By the index of the record.
    pub(crate) misfits: Vec<(usize, String)>,
}

impl Decoded {
    /// Columns whose cells all fit.
    pub(crate) fn whole(columns: Vec<ArrayRef>) -> Self {
        Self {
            columns,
            misfits: Vec::new(),
        }
    }

    /// Empties the rows of the records that failed.
    pub(crate) fn without(mut self, failed: &BooleanArray) -> Result<Self, ArrowError> {
        for column in &mut self.columns {
            *column = nullif(column, failed)?;
        }
        Ok(self)
    }
}

impl Decoder {
    /// A decoder for a schema that may leave out outputs.
    ///
    /// # Errors
    ///
    /// If it has a type that cannot be read, with the name of the output.
    pub(crate) fn of_some(schema: SchemaRef) -> Result<Self> {
        for field in schema.fields() {
            let decoder = reader(field.as_ref().clone()).build_decoder();
            decoder.map_err(|error| {
                let name = field.name();
                Error::Schema(format!("output `{name}` cannot be read: {error}"))
            })?;
        }
        Ok(Self { schema, all: false })
    }

    /// A decoder for a schema that is to have all outputs.
    pub(crate) fn of_all(schema: SchemaRef) -> Self {
        Self { schema, all: true }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads outputs of the usual types, each of which is of its column's type.
    pub(crate) fn read(&self, json: &str, records: usize) -> Option<ReadColumns> {
        read(self.schema.fields(), self.all, json, records)
    }

    /// Decodes the outputs of so many records.
    pub(crate) fn decode(&self, json: Option<&str>, records: usize) -> Result<Decoded, ArrowError> {
        let cells = json.and_then(Cells::parse);
        match cells.filter(|cells| cells.records() == records) {
            Some(cells) => self.decode_cells(&cells),
            None => {
                let fields = self.schema.fields().iter();
                let nulls = fields.map(|field| new_null_array(field.data_type(), records));
                Ok(Decoded::whole(nulls.collect()))
            }
        }
    }

    /// Column by column, and where that fails cell by cell, so that a cell costs no other.
    fn decode_cells(&self, cells: &Cells<'_>) -> Result<Decoded, ArrowError> {
        let strays = cells.strays().iter();
        let stray = |(record, json): &(usize, &str)| {
            let why = format!("the output is {}, which has no columns", shortened(json));
            (*record, why)
        };
        let mut misfits: Vec<(usize, String)> = strays.map(stray).collect();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let mut columns_found = cells.columns().iter();
            let found = columns_found.find(|column| column.name == *field.name());
            let cell = |record: usize| found.and_then(|column| column.cells[record]);
            let mut misfit = |record| {
                let (name, cell) = (field.name(), shortened(cell(record).unwrap_or("null")));
                let why = format!("output `{name}` is {cell}, not a {}", field.data_type());
                misfits.push((record, why));
                Cow::Borrowed("null")
            };
            let fitting = |record| {
                let cell = cell(record).unwrap_or("null");
                fit(cell, field.data_type(), self.all).unwrap_or_else(|| misfit(record))
            };
            let mut column: Vec<Cow<'_, str>> = (0..cells.records()).map(fitting).collect();
            let decoded = match column_of(field, &column) {
                Some(decoded) => decoded,
                None => {
                    for (record, cell) in column.iter_mut().enumerate() {
                        if column_of(field, std::slice::from_ref(cell)).is_none() {
                            *cell = misfit(record);
                        }
                    }
                    column_of(field, &column).ok_or_else(|| {
                        let name = field.name();
                        ArrowError::JsonError(format!("output `{name}` cannot be decoded"))
                    })?
                }
            };
            columns.push(decoded);
        }
        if self.all {
            misfits.extend(self.unknown(cells));
        }
        misfits.sort_by_key(|(record, _)| *record);
        Ok(Decoded { columns, misfits })
    }

    /// The outputs that the schema does not have, by the index of the record.
    fn unknown(&self, cells: &Cells<'_>) -> impl Iterator<Item = (usize, String)> {
        let columns = cells.columns().iter();
        let unknown = columns.filter(|column| self.schema.fields().find(&column.name).is_none());
        unknown.flat_map(|column| {
            let cells = column.cells.iter().enumerate();
            cells.filter_map(|(record, cell)| {
                let cell = cell.filter(|cell| *cell != "null")?;
                let (name, cell) = (&column.name, shortened(cell));
                let why = "and the first outputs have none of this name";
                Some((record, format!("output `{name}` is {cell}, {why}")))
            })
        })
    }
}

/// The cells of one column.
fn column_of(field: &Field, cells: &[Cow<'_, str>]) -> Option<ArrayRef> {
    let mut json = String::from("[");
    for (n, cell) in cells.iter().enumerate() {
        json.push_str(if n > 0 { "," } else { "" });
        json.push_str(cell);
    }
    json.push(']');
    let item = Field::new("item", field.data_type().clone(), true);
    let list = Field::new("list", DataType::List(Arc::new(item)), false);
    let mut decoder = reader(list).build_decoder().ok()?;
    // It stops early at the end of a batch, so after more than this one list.
    if decoder.decode(json.as_bytes()).ok()? < json.len() {
        return None;
    }
    let batch = decoder.flush().ok()??;
    let column = (batch.num_rows() == 1).then(|| batch.column(0).as_list::<i32>().value(0))?;
    (column.len() == cells.len()).then_some(column)
}

/// A reader of values of one type.
fn reader(field: Field) -> ReaderBuilder {
    let reader = ReaderBuilder::new_with_field(field).with_batch_size(2);
    reader.with_coerce_primitive(true)
}

fn shortened(cell: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = cell.chars().take(SHOWN).collect();
    if shown.len() < cell.len() {
        shown.push_str("..");
    }
    shown
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Float64Type;
    use arrow_schema::Schema;

    use super::*;

    #[test]
    fn what_is_no_output_is_an_error_of_its_record() {
        let schema = Schema::new(vec![Field::new("a", DataType::Float64, true)]);
        let schema = Arc::new(schema);
        let some = Decoder::of_some(Arc::clone(&schema)).unwrap();
        for decoder in [some, Decoder::of_all(schema)] {
            let objects = r#"[7, {"a": 1}, null, {}, [2], "x"]"#;
            let table = r#"[["a"], 7, [1], null, [], [2, 3], "x"]"#;
            for (json, list) in [(objects, "[2]"), (table, "[2, 3]")] {
                assert!(decoder.read(json, 6).is_none(), "{json}");
                let decoded = decoder.decode(Some(json), 6).unwrap();
                let expected = [(0, "7"), (4, list), (5, "\"x\"")];
                let expected = expected.map(|(record, output)| {
                    let why = format!("the output is {output}, which has no columns");
                    (record, why)
                });
                assert_eq!(decoded.misfits, expected, "{json}");
                let column = decoded.columns[0].as_primitive::<Float64Type>();
                let cells: Vec<_> = column.iter().collect();
                assert_eq!(cells, [None, Some(1.0), None, None, None, None], "{json}");
            }
        }
    }
}
