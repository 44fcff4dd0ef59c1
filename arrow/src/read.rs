//! Outputs of the usual types, read straight into columns.
//!
//! arrow-json reads every type, by way of a tape of tokens. A service's outputs are mostly numbers,
//! booleans and texts, which serde_json reads into Arrow's builders without a detour, and in the
//! same pass in which the run looks at them. That takes 0.6 of arrow-json's time (benchmark `json`).
//! Whatever is unusual about a chunk is left to arrow-json, and so are numbers in a program that turns
//! on serde_json's `arbitrary_precision`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, GenericStringBuilder, PrimitiveBuilder, StringViewBuilder,
};
use arrow_array::types::{
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType};
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
/// of the usual ones, a cell is not of its column's type, or these are not so many outputs; if `all`
/// are wanted, also if there is one, except for nulls, that is in no column.
pub(crate) fn read(fields: &Fields, all: bool, json: &str, records: usize) -> Option<ReadColumns> {
    // Arrow's columns of texts have offsets of 32 bits.
    i32::try_from(json.len()).ok()?;
    let columns = fields.iter().map(|field| {
        Some(Column {
            name: field.name(),
            cells: Cells::new(field.data_type(), records)?,
            filled: 0,
        })
    });
    let mut reader = Reader {
        columns: columns.collect::<Option<_>>()?,
        all,
        cells: 0,
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
    let columns = reader
        .columns
        .iter_mut()
        .map(|column| column.cells.finish());
    (reader.rows.len() == records).then(|| ReadColumns {
        columns: columns.collect(),
        rows: reader.rows,
    })
}

/// The cells of a column so far.
enum Cells {
    Boolean(BooleanBuilder),
    Float64(PrimitiveBuilder<Float64Type>),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt8(PrimitiveBuilder<UInt8Type>),
    UInt16(PrimitiveBuilder<UInt16Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    Utf8(GenericStringBuilder<i32>),
    LargeUtf8(GenericStringBuilder<i64>),
    Utf8View(StringViewBuilder),
}

/// The same for the builder of each type.
macro_rules! each {
    ($cells:expr, $builder:ident => $what:expr) => {
        match $cells {
            Cells::Boolean($builder) => $what,
            Cells::Float64($builder) => $what,
            Cells::Int8($builder) => $what,
            Cells::Int16($builder) => $what,
            Cells::Int32($builder) => $what,
            Cells::Int64($builder) => $what,
            Cells::UInt8($builder) => $what,
            Cells::UInt16($builder) => $what,
            Cells::UInt32($builder) => $what,
            Cells::UInt64($builder) => $what,
            Cells::Utf8($builder) => $what,
            Cells::LargeUtf8($builder) => $what,
            Cells::Utf8View($builder) => $what,
        }
    };
}

/// Each says `false` if the cell is not of the column's type.
impl Cells {
    fn new(data_type: &DataType, rows: usize) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(PrimitiveBuilder::with_capacity(rows)),
            DataType::Int8 => Self::Int8(PrimitiveBuilder::with_capacity(rows)),
            DataType::Int16 => Self::Int16(PrimitiveBuilder::with_capacity(rows)),
            DataType::Int32 => Self::Int32(PrimitiveBuilder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(PrimitiveBuilder::with_capacity(rows)),
            DataType::UInt8 => Self::UInt8(PrimitiveBuilder::with_capacity(rows)),
            DataType::UInt16 => Self::UInt16(PrimitiveBuilder::with_capacity(rows)),
            DataType::UInt32 => Self::UInt32(PrimitiveBuilder::with_capacity(rows)),
            DataType::UInt64 => Self::UInt64(PrimitiveBuilder::with_capacity(rows)),
            DataType::Utf8 => Self::Utf8(GenericStringBuilder::with_capacity(rows, 8 * rows)),
            DataType::LargeUtf8 => {
                Self::LargeUtf8(GenericStringBuilder::with_capacity(rows, 8 * rows))
            }
            DataType::Utf8View => Self::Utf8View(StringViewBuilder::with_capacity(rows)),
            _ => return None,
        })
    }

    fn push_null(&mut self) -> bool {
        each!(self, builder => builder.append_null());
        true
    }

    fn push_boolean(&mut self, value: bool) -> bool {
        let Self::Boolean(builder) = self else {
            return false;
        };
        builder.append_value(value);
        true
    }

    fn push_float(&mut self, value: f64) -> bool {
        let Self::Float64(builder) = self else {
            return false;
        };
        builder.append_value(value);
        true
    }

    /// `as_float`: the same number, rounded as any JSON number is.
    fn push_integer<I>(&mut self, value: I, as_float: f64) -> bool
    where
        I: TryInto<i8> + TryInto<i16> + TryInto<i32> + TryInto<i64>,
        I: TryInto<u8> + TryInto<u16> + TryInto<u32> + TryInto<u64>,
    {
        fn push<T: ArrowPrimitiveType>(
            builder: &mut PrimitiveBuilder<T>,
            value: impl TryInto<T::Native>,
        ) -> bool {
            let value = value.try_into().ok();
            value.map(|value| builder.append_value(value)).is_some()
        }
        match self {
            Self::Float64(builder) => push(builder, as_float),
            Self::Int8(builder) => push(builder, value),
            Self::Int16(builder) => push(builder, value),
            Self::Int32(builder) => push(builder, value),
            Self::Int64(builder) => push(builder, value),
            Self::UInt8(builder) => push(builder, value),
            Self::UInt16(builder) => push(builder, value),
            Self::UInt32(builder) => push(builder, value),
            Self::UInt64(builder) => push(builder, value),
            Self::Boolean(_) | Self::Utf8(_) | Self::LargeUtf8(_) | Self::Utf8View(_) => false,
        }
    }

    /// An empty text is an empty cell where no texts are wanted.
    fn push_text(&mut self, text: &str) -> bool {
        match self {
            Self::Utf8(builder) => builder.append_value(text),
            Self::LargeUtf8(builder) => builder.append_value(text),
            Self::Utf8View(builder) => builder.append_value(text),
            _ if text.is_empty() => return self.push_null(),
            _ => return false,
        }
        true
    }

    fn finish(&mut self) -> ArrayRef {
        each!(self, builder => Arc::new(builder.finish()))
    }
}

/// A column in the making.
struct Column<'a> {
    name: &'a str,
    cells: Cells,
    /// How many there are.
    filled: usize,
}

/// The columns so far, and their rows.
struct Reader<'a> {
    columns: Vec<Column<'a>>,
    rows: Vec<Option<IgnoredAny>>,
    /// Whether no output may be passed over.
    all: bool,
    /// The cells of the row so far.
    cells: usize,
}

impl Reader<'_> {
    fn place_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column at a place, unless it has a cell in this row already.
    fn next_cell<E: serde::de::Error>(&mut self, place: usize) -> Result<CellSeed<'_>, E> {
        match self.columns.get_mut(place) {
            Some(column) if column.filled == self.rows.len() => {
                column.filled += 1;
                self.cells += 1;
                Ok(CellSeed(&mut column.cells))
            }
            _ => Err(E::custom("a column twice")),
        }
    }

    /// Passes over a cell that is in no column.
    fn pass_over<E: serde::de::Error>(&self, cell: Option<IgnoredAny>) -> Result<(), E> {
        match self.all && cell.is_some() {
            true => Err(E::custom("an unknown output")),
            false => Ok(()),
        }
    }

    /// Ends a row: cells that did not come are null.
    fn end_row(&mut self, row: Option<IgnoredAny>) {
        if self.cells < self.columns.len() {
            for column in &mut self.columns {
                if column.filled == self.rows.len() {
                    column.filled += 1;
                    column.cells.push_null();
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
                None => self.reader.pass_over(cells.next_value()?)?,
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
                None => match cells.next_element()? {
                    Some(cell) => Some(self.reader.pass_over(cell)?),
                    None => None,
                },
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
        Ok(match self.reader.columns.get(self.expected) {
            Some(expected) if expected.name == name => Some(self.expected),
            _ => self.reader.place_of(name),
        })
    }
}

/// A cell, to its column.
struct CellSeed<'a>(&'a mut Cells);

fn pushed<E: serde::de::Error>(pushed: bool) -> Result<(), E> {
    match pushed {
        true => Ok(()),
        false => Err(E::custom("a cell of another type")),
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
        pushed(self.0.push_null())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        pushed(self.0.push_boolean(value))
    }

    #[allow(clippy::cast_precision_loss, reason = "as any JSON number is rounded")]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        pushed(self.0.push_integer(value, value as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "as any JSON number is rounded")]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        pushed(self.0.push_integer(value, value as f64))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        pushed(self.0.push_float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        pushed(self.0.push_text(value))
    }
}

#[cfg(test)]
mod tests {
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
        let decoder = Decoder::of_some(Arc::new(Schema::new(fields()))).unwrap();
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
            let read = read(&fields(), false, json, records);
            let read = read.unwrap_or_else(|| panic!("{json}"));
            let expected = decoder.decode(Some(json), records).unwrap();
            assert_eq!(read.columns, expected.columns, "{json}");
            assert!(expected.misfits.is_empty(), "{:?}", expected.misfits);
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
            assert!(read(&fields(), false, json, 1).is_none(), "{json}");
        }
        let nested = DataType::new_list(DataType::Int64, true);
        let fields = Fields::from(vec![Field::new("a", nested, true)]);
        assert!(read(&fields, false, "[{}]", 1).is_none());
    }

    #[test]
    fn columns_that_do_not_come_are_null_and_others_are_passed_over() {
        let json = r#"[["x","a"],[[1],""],["y",2]]"#;
        let ReadColumns { columns, .. } = read(&fields(), false, json, 2).unwrap();
        assert_eq!(columns[0].null_count(), 1);
        assert!(columns[1..].iter().all(|column| column.null_count() == 2));
        assert!(read(&fields(), true, json, 2).is_none());
        for (json, is_read) in [
            (r#"[["x","a"],[null,1]]"#, true),
            (r#"[{"x":null,"a":1}]"#, true),
            (r#"[["x","a"],[0,1]]"#, false),
            (r#"[{"x":"","a":1}]"#, false),
        ] {
            assert_eq!(read(&fields(), true, json, 1).is_some(), is_read, "{json}");
        }
    }
}
