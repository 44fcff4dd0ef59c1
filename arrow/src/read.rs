//! Outputs of the usual types, read straight into columns.
//!
//! arrow-json reads every type, by way of a tape of tokens. A service's outputs are mostly numbers,
//! booleans and texts, which serde_json reads into Arrow's builders without a detour, and in the
//! same pass in which the run looks at them: that saves a run a third of its CPU (benchmark `tables`
//! of `cspark-batches-datafusion`). Whatever is unusual about a chunk is left to arrow-json, and so
//! are numbers in a program that turns on serde_json's `arbitrary_precision`.

use std::borrow::Cow;
use std::fmt;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, GenericStringBuilder, PrimitiveBuilder, StringViewBuilder,
};
use arrow_array::types::{
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, OffsetSizeTrait};
use arrow_schema::{DataType, Fields};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The outputs of a chunk.
pub(crate) struct ReadColumns {
    /// With a row for each record.
    pub(crate) columns: Vec<ArrayRef>,
    /// For each record, whether it has an output.
    pub(crate) rows: Vec<Option<IgnoredAny>>,
}

/// Reads the outputs of so many records into a column for each field. `None` if a type is not one
/// of the usual ones, a cell is not of its column's type, or these are not so many outputs.
pub(crate) fn read(fields: &Fields, json: &str, records: usize) -> Option<ReadColumns> {
    // Arrow's columns of texts have offsets of 32 bits.
    i32::try_from(json.len()).ok()?;
    let columns = fields.iter().map(|field| {
        let column = column(field.data_type(), records)?;
        Some((field.name().as_str(), column))
    });
    let (names, columns) = columns.collect::<Option<(Vec<_>, Vec<_>)>>()?;
    let mut reader = Reader {
        filled: vec![0; names.len()],
        cells: 0,
        names,
        columns,
        rows: Vec::with_capacity(records),
    };
    let is_table = json.trim_start().strip_prefix('[')?;
    let is_table = is_table.trim_start().starts_with('[');
    let mut json = serde_json::Deserializer::from_str(json);
    let list = List {
        reader: &mut reader,
        is_table,
    };
    list.deserialize(&mut json).ok()?;
    json.end().ok()?;
    let columns = reader.columns.iter_mut().map(|column| column.finish());
    (reader.rows.len() == records).then(|| ReadColumns {
        columns: columns.collect(),
        rows: reader.rows,
    })
}

/// What a cell may be, besides null.
enum Cell<'a> {
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
}

/// A column in the making.
trait ColumnBuilder: ArrayBuilder {
    fn push_null(&mut self);

    /// Says `false` if the cell is not of the column's type.
    fn push(&mut self, cell: Cell<'_>) -> bool;
}

fn column(data_type: &DataType, rows: usize) -> Option<Box<dyn ColumnBuilder>> {
    fn primitive<T: ArrowPrimitiveType<Native: FromCell>>(rows: usize) -> Box<dyn ColumnBuilder> {
        Box::new(PrimitiveBuilder::<T>::with_capacity(rows))
    }
    Some(match data_type {
        DataType::Float64 => primitive::<Float64Type>(rows),
        DataType::Int8 => primitive::<Int8Type>(rows),
        DataType::Int16 => primitive::<Int16Type>(rows),
        DataType::Int32 => primitive::<Int32Type>(rows),
        DataType::Int64 => primitive::<Int64Type>(rows),
        DataType::UInt8 => primitive::<UInt8Type>(rows),
        DataType::UInt16 => primitive::<UInt16Type>(rows),
        DataType::UInt32 => primitive::<UInt32Type>(rows),
        DataType::UInt64 => primitive::<UInt64Type>(rows),
        DataType::Boolean => Box::new(BooleanBuilder::with_capacity(rows)),
        DataType::Utf8 => Box::new(GenericStringBuilder::<i32>::with_capacity(rows, 8 * rows)),
        DataType::LargeUtf8 => Box::new(GenericStringBuilder::<i64>::with_capacity(rows, 8 * rows)),
        DataType::Utf8View => Box::new(StringViewBuilder::with_capacity(rows)),
        _ => return None,
    })
}

/// Converts a cell to a number; `None` if it is another value.
trait FromCell: Sized {
    fn from_cell(cell: &Cell<'_>) -> Option<Self>;
}

impl FromCell for f64 {
    #[allow(clippy::cast_precision_loss, reason = "as any JSON number is rounded")]
    fn from_cell(cell: &Cell<'_>) -> Option<Self> {
        match *cell {
            Cell::Float(value) => Some(value),
            Cell::Signed(value) => Some(value as f64),
            Cell::Unsigned(value) => Some(value as f64),
            Cell::Boolean(_) | Cell::Text(_) => None,
        }
    }
}

macro_rules! integers_from_cells {
    ($($integer:ty)*) => { $(
        impl FromCell for $integer {
            fn from_cell(cell: &Cell<'_>) -> Option<Self> {
                match *cell {
                    Cell::Signed(value) => value.try_into().ok(),
                    Cell::Unsigned(value) => value.try_into().ok(),
                    Cell::Float(_) | Cell::Boolean(_) | Cell::Text(_) => None,
                }
            }
        }
    )* };
}

integers_from_cells!(i8 i16 i32 i64 u8 u16 u32 u64);

impl<T: ArrowPrimitiveType<Native: FromCell>> ColumnBuilder for PrimitiveBuilder<T> {
    fn push_null(&mut self) {
        self.append_null();
    }

    fn push(&mut self, cell: Cell<'_>) -> bool {
        match T::Native::from_cell(&cell) {
            Some(value) => self.append_value(value),
            None if is_empty(&cell) => self.append_null(),
            None => return false,
        }
        true
    }
}

impl ColumnBuilder for BooleanBuilder {
    fn push_null(&mut self) {
        self.append_null();
    }

    fn push(&mut self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::Boolean(value) => self.append_value(value),
            cell if is_empty(&cell) => self.append_null(),
            _ => return false,
        }
        true
    }
}

/// An empty text is an empty cell where no texts are wanted.
fn is_empty(cell: &Cell<'_>) -> bool {
    matches!(cell, Cell::Text(""))
}

macro_rules! texts {
    ($builder:ty $(, $offset:ident)?) => {
        impl$(<$offset: OffsetSizeTrait>)? ColumnBuilder for $builder {
            fn push_null(&mut self) {
                self.append_null();
            }

            fn push(&mut self, cell: Cell<'_>) -> bool {
                let Cell::Text(text) = cell else {
                    return false;
                };
                self.append_value(text);
                true
            }
        }
    };
}

texts!(GenericStringBuilder<O>, O);
texts!(StringViewBuilder);

/// The columns so far, and their rows.
struct Reader<'a> {
    names: Vec<&'a str>,
    columns: Vec<Box<dyn ColumnBuilder>>,
    rows: Vec<Option<IgnoredAny>>,
    /// How many cells each column has.
    filled: Vec<usize>,
    /// The cells of the row so far.
    cells: usize,
}

impl Reader<'_> {
    fn place_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// The column at a place, unless it has a cell in this row already.
    fn next_cell<E: serde::de::Error>(&mut self, place: usize) -> Result<CellSeed<'_>, E> {
        let filled = self.filled.get_mut(place);
        match (filled, self.columns.get_mut(place)) {
            (Some(filled), Some(column)) if *filled == self.rows.len() => {
                *filled += 1;
                self.cells += 1;
                Ok(CellSeed(column.as_mut()))
            }
            _ => Err(E::custom("a column twice")),
        }
    }

    /// Ends a row: cells that did not come are null.
    fn end_row(&mut self, row: Option<IgnoredAny>) {
        if self.cells < self.columns.len() {
            for (filled, column) in self.filled.iter_mut().zip(&mut self.columns) {
                if *filled == self.rows.len() {
                    *filled += 1;
                    column.push_null();
                }
            }
        }
        self.cells = 0;
        self.rows.push(row);
    }
}

/// The list of all outputs.
struct List<'a, 'n> {
    reader: &'a mut Reader<'n>,
    is_table: bool,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outputs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let header = match self.is_table {
            true => elements.next_element::<Vec<Cow<'_, str>>>()?,
            false => None,
        };
        let places = header.map(|names| {
            let places = names.iter().map(|name| self.reader.place_of(name));
            places.collect::<Vec<_>>()
        });
        loop {
            let row = RowSeed {
                reader: &mut *self.reader,
                places: places.as_deref(),
            };
            if elements.next_element_seed(row)?.is_none() {
                return Ok(());
            }
        }
    }
}

/// An output: an object, or a row whose cells have their columns at these places; or null.
struct RowSeed<'a, 'n> {
    reader: &'a mut Reader<'n>,
    places: Option<&'a [Option<usize>]>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an output")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.reader.end_row(None);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        if self.places.is_some() {
            return Err(A::Error::custom("an object in a table"));
        }
        let mut expected = 0;
        loop {
            let reader = &*self.reader;
            let Some(place) = cells.next_key_seed(Name { reader, expected })? else {
                break;
            };
            match place {
                Some(place) => {
                    cells.next_value_seed(self.reader.next_cell(place)?)?;
                    expected = place + 1;
                }
                None => drop(cells.next_value::<IgnoredAny>()?),
            }
        }
        self.reader.end_row(Some(IgnoredAny));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let places = self.places.ok_or_else(|| A::Error::custom("a list"))?;
        for place in places {
            let cell = match place {
                Some(place) => cells.next_element_seed(self.reader.next_cell(*place)?)?,
                None => cells.next_element::<IgnoredAny>()?.map(drop),
            };
            cell.ok_or_else(|| A::Error::custom("a short row"))?;
        }
        if cells.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a long row"));
        }
        self.reader.end_row(Some(IgnoredAny));
        Ok(())
    }
}

/// The name of an output, to its place. Most probably it is the expected one.
struct Name<'a, 'n> {
    reader: &'a Reader<'n>,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an output")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match self.reader.names.get(self.expected) {
            Some(expected) if *expected == name => Some(self.expected),
            _ => self.reader.place_of(name),
        })
    }
}

/// A cell, to its column.
struct CellSeed<'a>(&'a mut dyn ColumnBuilder);

impl CellSeed<'_> {
    fn push<E: serde::de::Error>(self, cell: Cell<'_>) -> Result<(), E> {
        match self.0.push(cell) {
            true => Ok(()),
            false => Err(E::custom("a cell of another type")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for CellSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.push_null();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(Cell::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(Cell::Signed(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.push(Cell::Unsigned(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.push(Cell::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.push(Cell::Text(value))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, Schema};
    use cspark_batches::Outputs;

    use super::*;
    use crate::decode::Decoder;

    fn fields() -> Fields {
        let field =
            |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
        [
            ("a", DataType::Float64),
            ("b", DataType::Boolean),
            ("c", DataType::Utf8),
            ("d", DataType::UInt8),
            ("e", DataType::Int64),
            ("f", DataType::Utf8View),
        ]
        .iter()
        .map(field)
        .collect()
    }

    #[test]
    fn it_reads_what_arrow_json_reads() {
        let decoder = Decoder::new(Arc::new(Schema::new(fields())));
        for (json, records) in [
            (
                r#"[{"a": 1.5, "b": true, "c": "x\n", "d": 255, "e": -9223372036854775808, "f": ""}]"#,
                1,
            ),
            (
                r#"[{"f": "\u00e9", "a": -0.0, "d": 0}, {"b": null}, null]"#,
                3,
            ),
            (
                r#"[{"a": 18446744073709551615}, {"a": 9007199254740993}, {"a": -1e-320}]"#,
                3,
            ),
            (r#"[{"a": 0.1, "more": [1, {"a": 2}], "c": "c"}, {}]"#, 2),
            (
                r#"[["f","e","d","c","b","a"], ["x", 1, 2, "y", false, 3.25], [null,null,null,null,null,null]]"#,
                2,
            ),
            (r#" [ ["a", "b","c","d","e","f"] , null ] "#, 1),
        ] {
            let read = read(&fields(), json, records).unwrap_or_else(|| panic!("{json}"));
            let expected = decoder.all_at_once(json, records).unwrap();
            assert_eq!(read.columns, expected, "{json}");
            let outputs: Vec<Option<IgnoredAny>> = Outputs::from_json(json).unwrap().into_vec();
            assert_eq!(read.rows, outputs, "{json}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_arrow_json() {
        for json in [
            r#"[{"a": "1.5"}]"#,
            r##"[{"a": "#DIV/0!"}]"##,
            r#"[{"c": 7}]"#,
            r#"[{"c": [1]}]"#,
            r#"[{"d": 256}]"#,
            r#"[{"e": 1.0}]"#,
            r#"[{"b": 1}]"#,
            r#"[{"a": 1, "a": 2}]"#,
            r#"[["a","a"],[1,2]]"#,
            r#"[["a","b"],[1]]"#,
            r#"[["a"],[1,true]]"#,
            r#"[["a"],{"a":1}]"#,
            r#"[{"a":1},[1]]"#,
            r#"[7]"#,
            r#"[{"a":1}"#,
            r#"[{"a":1}] 1"#,
            r#"[{"a":1},{"a":1}]"#,
            "[]",
            "7",
            "",
        ] {
            assert!(read(&fields(), json, 1).is_none(), "{json}");
        }
        let nested = DataType::new_list(DataType::Int64, true);
        let fields = Fields::from(vec![Field::new("a", nested, true)]);
        assert!(read(&fields, "[{}]", 1).is_none());
    }

    #[test]
    fn columns_that_do_not_come_are_null_and_others_are_passed_over() {
        let ReadColumns { columns, .. } =
            read(&fields(), r#"[["x","a"],[[1],""],["y",2]]"#, 2).unwrap();
        assert_eq!(columns[0].null_count(), 1);
        assert!(columns[1..].iter().all(|column| column.null_count() == 2));
    }
}
