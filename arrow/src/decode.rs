//! The outputs of a chunk to columns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, StructArray, new_null_array};
use arrow_json::{ReaderBuilder, StructMode};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, SchemaRef};
use arrow_select::nullif::nullif;
use serde_json::value::RawValue;

use crate::cells::Cells;
use crate::read::{ReadColumns, read};

/// Decodes outputs into the columns of a schema.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: SchemaRef,
    /// Whether a column may be decoded as a whole table. Not with structs, which would be lists.
    is_flat: bool,
}

/// The columns of a chunk's outputs, one row a record.
pub(crate) struct Decoded {
    pub(crate) columns: Vec<ArrayRef>,
    /// Cells that are not of their column's type, by the index of the record. The columns have null
    /// there.
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
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let is_flat = schema
            .fields()
            .iter()
            .all(|field| !field.data_type().is_nested());
        Self { schema, is_flat }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes the outputs of so many records.
    pub(crate) fn decode(&self, json: Option<&str>, records: usize) -> Result<Decoded, ArrowError> {
        let decoded = match json {
            Some(json) => match self.all_at_once(json, records) {
                Some(columns) => Some(Decoded::whole(columns)),
                None => self.by_cells(json, records)?,
            },
            None => None,
        };
        Ok(decoded.unwrap_or_else(|| Decoded::whole(self.nulls(records))))
    }

    fn nulls(&self, records: usize) -> Vec<ArrayRef> {
        let fields = self.schema.fields().iter();
        fields
            .map(|field| new_null_array(field.data_type(), records))
            .collect()
    }

    /// Reads outputs of the usual types, each of which is of its column's type.
    pub(crate) fn read(&self, json: &str, records: usize) -> Option<ReadColumns> {
        read(self.schema.fields(), json, records)
    }

    /// Decodes the whole chunk at once; `None` unless each output is there and of its column's type.
    pub(crate) fn all_at_once(&self, json: &str, records: usize) -> Option<Vec<ArrayRef>> {
        let inside = json.trim().strip_prefix('[')?;
        let mut elements = serde_json::Deserializer::from_str(inside).into_iter::<&RawValue>();
        let first = elements.next()?.ok()?;
        let fields = self.schema.fields();
        let rows = if first.get().starts_with('[') {
            let header: Vec<Cow<'_, str>> = serde_json::from_str(first.get()).ok()?;
            // The places of the header's columns in the schema.
            let places: Vec<usize> = header
                .iter()
                .map(|name| fields.iter().position(|field| field.name() == name))
                .collect::<Option<_>>()?;
            if !self.is_flat || places.len() != fields.len() {
                return None;
            }
            let columns: Fields = places
                .iter()
                .map(|place| FieldRef::clone(&fields[*place]))
                .collect();
            let rest = inside[elements.byte_offset()..].trim_start();
            let rows = rest.strip_prefix(',')?;
            let rows = rows_of(&columns, StructMode::ListOnly, rows)?;
            let mut columns = vec![None; fields.len()];
            for (place, column) in places.into_iter().zip(rows.columns()) {
                *columns.get_mut(place)? = Some(masked(column, &rows)?);
            }
            columns.into_iter().collect::<Option<Vec<_>>>()?
        } else {
            let rows = rows_of(fields, StructMode::ObjectOnly, inside)?;
            let columns = rows.columns().iter();
            columns
                .map(|column| masked(column, &rows))
                .collect::<Option<_>>()?
        };
        rows.iter()
            .all(|column| column.len() == records)
            .then_some(rows)
    }

    /// Column by column, and where that fails cell by cell, so that a cell costs no other.
    fn by_cells(&self, json: &str, records: usize) -> Result<Option<Decoded>, ArrowError> {
        let Some(cells) = Cells::parse(json).filter(|cells| cells.records() == records) else {
            return Ok(None);
        };
        let mut misfits = Vec::new();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let mut column: Vec<Cow<'_, str>> = cells
                .column(field.name())
                .map(|cell| readable(cell.unwrap_or("null"), field.data_type()))
                .collect();
            let decoded = match column_of(field, &column) {
                Some(decoded) => decoded,
                None => {
                    for (record, cell) in column.iter_mut().enumerate() {
                        if column_of(field, std::slice::from_ref(cell)).is_none() {
                            let misfit = misfit(field, cell);
                            misfits.push((record, misfit));
                            *cell = Cow::Borrowed("null");
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
        misfits.sort_by_key(|(record, _)| *record);
        Ok(Some(Decoded { columns, misfits }))
    }
}

/// The rows of a list that is begun.
fn rows_of(columns: &Fields, mode: StructMode, rest: &str) -> Option<StructArray> {
    let row = Field::new("row", DataType::Struct(columns.clone()), true);
    let list = decode(row, mode, &["[", rest])?;
    Some(list.as_struct().clone())
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
    decode(item, StructMode::ObjectOnly, &[&json]).filter(|column| column.len() == cells.len())
}

/// The items of one list; `None` if they are of another type.
fn decode(item: Field, mode: StructMode, json: &[&str]) -> Option<ArrayRef> {
    let list = Field::new("list", DataType::List(Arc::new(item)), false);
    let reader = ReaderBuilder::new_with_field(list).with_struct_mode(mode);
    let mut decoder = reader
        .with_batch_size(2)
        .with_coerce_primitive(true)
        .build_decoder()
        .ok()?;
    for part in json {
        // It stops early at the end of a batch, so after more than this one list.
        if decoder.decode(part.as_bytes()).ok()? < part.len() {
            return None;
        }
    }
    let batch = decoder.flush().ok()??;
    (batch.num_rows() == 1).then(|| batch.column(0).as_list::<i32>().value(0))
}

/// A column of rows some of which may be null.
fn masked(column: &ArrayRef, rows: &StructArray) -> Option<ArrayRef> {
    match rows.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            let is_null = BooleanArray::new(!nulls.inner(), None);
            nullif(column, &is_null).ok()
        }
        _ => Some(ArrayRef::clone(column)),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// An empty text is an empty cell where no texts are wanted, and in a column of texts whatever is
/// nested is its JSON.
fn readable<'a>(cell: &'a str, data_type: &DataType) -> Cow<'a, str> {
    match cell.as_bytes().first() {
        Some(b'"') if cell == "\"\"" && !is_text(data_type) => Cow::Borrowed("null"),
        Some(b'[' | b'{') if is_text(data_type) => {
            serde_json::to_string(cell).map_or(Cow::Borrowed(cell), Cow::Owned)
        }
        _ => Cow::Borrowed(cell),
    }
}

fn misfit(field: &Field, cell: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = cell.chars().take(SHOWN).collect();
    if shown.len() < cell.len() {
        let _ = write!(shown, "..");
    }
    format!(
        "output `{}` is {shown}, not a {}",
        field.name(),
        field.data_type()
    )
}
