//! Records and values of every shape in serde's data model.

use arbitrary::{Result, Unstructured};
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::tables::Cells;

/// Names of columns and fields. Some of them have to be escaped.
const NAMES: [&str; 8] = [
    "a",
    "b",
    "c",
    "",
    "d\"",
    "\u{e9}",
    "\n",
    "$serde_json::private::Number",
];
/// Raw JSON in spellings that only raw JSON keeps.
const RAW: [&str; 14] = [
    "1.0",
    "1E+5",
    "-0",
    "12345678901234567890123",
    "0.10",
    "1e999",
    "\"\\u00e9\\/\"",
    " [1 , 2 ] ",
    "{ }",
    "null",
    "{\"a\" : 1, \"b\":[[[{}]]]}",
    "{\"b\":1.50,\"a\":\"\\ud83d\\ude00\"}",
    "[\"a\", \"b\"]",
    "\"a\"",
];

#[derive(Clone, Debug)]
pub(super) enum Value {
    Unit,
    None,
    Bool(bool),
    I8(i8),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    UnitStruct,
    Variant(Box<Value>),
    UnitVariant,
    Some(Box<Value>),
    Newtype(Box<Value>),
    Shown(String),
    Raw(Box<RawValue>),
    Seq(Vec<Value>),
    Tuple(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Fields(Vec<(&'static str, Value)>),
}

pub(super) fn names(input: &mut Unstructured<'_>) -> Result<Vec<String>> {
    some(input, |input| Ok((*input.choose(&NAMES)?).to_owned()))
}

fn some<T>(
    input: &mut Unstructured<'_>,
    make: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..input.int_in_range(0..=5)?)
        .map(|_| make(input))
        .collect()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("it is JSON")
}

impl Value {
    pub(super) fn made_of(input: &mut Unstructured<'_>, depth: u8) -> Result<Self> {
        let inner = |input: &mut Unstructured<'_>| Self::made_of(input, depth.saturating_sub(1));
        let boxed = |input: &mut Unstructured<'_>| inner(input).map(Box::new);
        Ok(
            match input.int_in_range(0..=if depth > 0 { 23 } else { 15 })? {
                0 => Self::Unit,
                1 => Self::None,
                2 => Self::Bool(input.arbitrary()?),
                3 => Self::I8(input.arbitrary()?),
                4 => Self::I64(input.arbitrary()?),
                5 => Self::U64(input.arbitrary()?),
                6 => Self::I128(input.arbitrary()?),
                7 => Self::U128(input.arbitrary()?),
                8 => Self::F32(input.arbitrary()?),
                9 => Self::F64(input.arbitrary()?),
                10 => Self::Char(input.arbitrary()?),
                11 => Self::Text(input.arbitrary()?),
                12 => Self::UnitStruct,
                13 => Self::UnitVariant,
                14 => Self::Raw(raw(input.choose(&RAW)?)),
                15 => Self::Shown(input.arbitrary()?),
                16 => Self::Bytes(input.arbitrary()?),
                17 => Self::Variant(boxed(input)?),
                18 => Self::Some(boxed(input)?),
                19 => Self::Newtype(boxed(input)?),
                20 => Self::Seq(some(input, inner)?),
                21 => Self::Tuple(some(input, inner)?),
                22 => Self::Map(some(input, |input| {
                    let key = match input.ratio(7, 8)? {
                        true => Self::Text((*input.choose(&NAMES)?).to_owned()),
                        false => inner(input)?,
                    };
                    Ok((key, inner(input)?))
                })?),
                _ => Self::Fields(some(input, |input| {
                    Ok((*input.choose(&NAMES)?, inner(input)?))
                })?),
            },
        )
    }

    /// Whether all its numbers are finite.
    fn is_finite(&self) -> bool {
        match self {
            Self::F32(number) => number.is_finite(),
            Self::F64(number) => number.is_finite(),
            Self::Variant(value) | Self::Some(value) | Self::Newtype(value) => value.is_finite(),
            Self::Seq(values) | Self::Tuple(values) => values.iter().all(Self::is_finite),
            Self::Map(values) => values.iter().all(|(_, value)| value.is_finite()),
            Self::Fields(values) => values.iter().all(|(_, value)| value.is_finite()),
            _ => true,
        }
    }

    /// The text that serde_json writes, unless it would write null for an infinite number.
    fn json(&self) -> Option<String> {
        serde_json::to_string(self)
            .ok()
            .filter(|_| self.is_finite())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Unit => serializer.serialize_unit(),
            Self::None => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I8(value) => serializer.serialize_i8(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::UnitStruct => serializer.serialize_unit_struct("UnitStruct"),
            Self::Variant(value) => {
                serializer.serialize_newtype_variant("Enum", 0, "Variant", value)
            }
            Self::UnitVariant => serializer.serialize_unit_variant("Enum", 1, "UnitVariant"),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Newtype(value) => serializer.serialize_newtype_struct("Newtype", value),
            Self::Shown(value) => serializer.collect_str(&format_args!("<{value}>")),
            Self::Raw(value) => value.serialize(serializer),
            Self::Seq(values) => values.serialize(serializer),
            Self::Tuple(values) => {
                let mut tuple = serializer.serialize_tuple(values.len())?;
                values
                    .iter()
                    .try_for_each(|value| tuple.serialize_element(value))?;
                tuple.end()
            }
            Self::Map(values) => {
                serializer.collect_map(values.iter().map(|(key, value)| (key, value)))
            }
            Self::Fields(values) => {
                let mut fields = serializer.serialize_struct("Fields", values.len())?;
                values
                    .iter()
                    .try_for_each(|(name, value)| fields.serialize_field(name, value))?;
                fields.end()
            }
        }
    }
}

/// A record in one of the shapes that programs have them in.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// A field without a value is skipped.
    Struct(Vec<(&'static str, Option<Value>)>),
    Map(Vec<(String, Value)>),
    Row(Vec<Value>),
    TupleStruct(Vec<Value>),
    Header(Vec<String>),
    Raw(Box<RawValue>),
    Some(Box<Record>),
    Newtype(Box<Record>),
    /// A map whose keys are numbers.
    Numbered(Vec<(u8, Value)>),
    /// Its `Serialize` fails.
    Broken,
    /// Any value; most of them are not records.
    Other(Value),
}

impl Record {
    pub(super) fn made_of(input: &mut Unstructured<'_>) -> Result<Self> {
        let cell = |input: &mut Unstructured<'_>| Value::made_of(input, 2);
        Ok(match input.int_in_range(0..=15)? {
            0..=3 => Self::Struct(some(input, |input| {
                let value = if input.ratio(7, 8)? {
                    Some(cell(input)?)
                } else {
                    None
                };
                Ok((*input.choose(&NAMES)?, value))
            })?),
            4..=6 => Self::Map(some(input, |input| {
                Ok(((*input.choose(&NAMES)?).to_owned(), cell(input)?))
            })?),
            7 => Self::Row(some(input, cell)?),
            8 => Self::TupleStruct(some(input, cell)?),
            9 => Self::Header(names(input)?),
            10 => Self::Raw(raw(input.choose(&RAW)?)),
            11 => Self::Some(Box::new(Self::made_of(input)?)),
            12 => Self::Newtype(Box::new(Self::made_of(input)?)),
            13 => Self::Numbered(some(input, |input| Ok((input.arbitrary()?, cell(input)?)))?),
            14 => match input.ratio(1, 8)? {
                true => Self::Broken,
                false => Self::Header(names(input)?),
            },
            _ => Self::Other(cell(input)?),
        })
    }

    /// Makes another record with the same columns in any order, or a row for a header.
    pub(super) fn varied(&self, input: &mut Unstructured<'_>) -> Result<Self> {
        let cell = |input: &mut Unstructured<'_>| Value::made_of(input, 2);
        let turn = |input: &mut Unstructured<'_>, len: usize| {
            input.int_in_range(0..=len.saturating_sub(1))
        };
        Ok(match self {
            Self::Struct(fields) => {
                let mut fields = fields.clone();
                let by = turn(input, fields.len())?;
                fields.rotate_left(by);
                if input.ratio(1, 2)? {
                    return Ok(Self::Map(
                        fields
                            .into_iter()
                            .map(|(name, _)| Ok((name.to_owned(), cell(input)?)))
                            .collect::<Result<_>>()?,
                    ));
                }
                for (_, value) in &mut fields {
                    *value = if input.ratio(7, 8)? {
                        Some(cell(input)?)
                    } else {
                        None
                    };
                }
                Self::Struct(fields)
            }
            Self::Map(fields) => {
                let mut fields = fields.clone();
                let by = turn(input, fields.len())?;
                fields.rotate_left(by);
                for (_, value) in &mut fields {
                    *value = cell(input)?;
                }
                Self::Map(fields)
            }
            Self::Row(cells) | Self::TupleStruct(cells) => {
                Self::Row(cells.iter().map(|_| cell(input)).collect::<Result<_>>()?)
            }
            // The first stays a header, the others are rows.
            Self::Header(names) => match input.ratio(1, 2)? {
                true => self.clone(),
                false => {
                    Self::TupleStruct(names.iter().map(|_| cell(input)).collect::<Result<_>>()?)
                }
            },
            Self::Some(record) => Self::Some(Box::new(record.varied(input)?)),
            Self::Newtype(record) => Self::Newtype(Box::new(record.varied(input)?)),
            other => other.clone(),
        })
    }

    /// The record as serde_json writes it, if it can be sent.
    pub(super) fn json(&self) -> Option<String> {
        serde_json::to_string(self)
            .ok()
            .filter(|_| self.is_finite())
    }

    fn is_finite(&self) -> bool {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .filter_map(|(_, value)| value.as_ref())
                .all(Value::is_finite),
            Self::Map(fields) => fields.iter().all(|(_, value)| value.is_finite()),
            Self::Numbered(fields) => fields.iter().all(|(_, value)| value.is_finite()),
            Self::Row(cells) | Self::TupleStruct(cells) => cells.iter().all(Value::is_finite),
            Self::Some(record) | Self::Newtype(record) => record.is_finite(),
            Self::Other(value) => value.is_finite(),
            Self::Header(_) | Self::Raw(_) | Self::Broken => true,
        }
    }

    /// The cells of its row, if it can be part of a table.
    pub(super) fn cells(&self) -> Option<Cells> {
        Some(match self {
            Self::Struct(fields) => Cells::Named(
                fields
                    .iter()
                    .map(|(name, value)| {
                        let cell = value
                            .as_ref()
                            .map_or_else(|| Some("null".to_owned()), Value::json);
                        ((*name).to_owned(), cell)
                    })
                    .collect(),
            ),
            Self::Map(fields) => Cells::Named(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.json()))
                    .collect(),
            ),
            Self::Row(cells) | Self::TupleStruct(cells) => {
                Cells::Row(cells.iter().map(Value::json).collect())
            }
            Self::Header(names) => Cells::Row(
                names
                    .iter()
                    .map(|name| serde_json::to_string(name).ok())
                    .collect(),
            ),
            Self::Raw(raw) => raw_cells(raw)?,
            Self::Some(record) | Self::Newtype(record) => record.cells()?,
            Self::Numbered(fields) if fields.is_empty() => Cells::Named(Vec::new()),
            Self::Numbered(_) | Self::Broken => return None,
            Self::Other(value) => value_cells(value)?,
        })
    }
}

fn value_cells(value: &Value) -> Option<Cells> {
    Some(match value {
        Value::Some(value) | Value::Newtype(value) => value_cells(value)?,
        Value::Raw(raw) => raw_cells(raw)?,
        Value::Seq(cells) | Value::Tuple(cells) => {
            Cells::Row(cells.iter().map(Value::json).collect())
        }
        Value::Fields(fields) => Cells::Named(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.json()))
                .collect(),
        ),
        Value::Map(fields) => {
            let named = fields
                .iter()
                .map(|(key, value)| Some((text(key)?, value.json())));
            Cells::Named(named.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The key of a map, if it is a text.
fn text(key: &Value) -> Option<String> {
    match key {
        Value::Text(text) => Some(text.clone()),
        Value::Shown(text) => Some(format!("<{text}>")),
        Value::Some(key) | Value::Newtype(key) => text(key),
        _ => None,
    }
}

fn raw_cells(raw: &RawValue) -> Option<Cells> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Object(serde_json::Map<String, serde_json::Value>),
        Row(
            #[allow(dead_code, reason = "only that it is a row matters")]
            Vec<serde::de::IgnoredAny>,
        ),
    }
    // This tells objects from rows. The cells are read raw, in their order in the text.
    match serde_json::from_str(raw.get()).ok()? {
        Shape::Row(_) => {
            let cells: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
            Some(Cells::Row(
                cells
                    .iter()
                    .map(|cell| Some(cell.get().to_owned()))
                    .collect(),
            ))
        }
        Shape::Object(object) => {
            let cells: std::collections::HashMap<String, &RawValue> =
                serde_json::from_str(raw.get()).ok()?;
            let place = |name: &String| {
                raw.get()
                    .find(&serde_json::to_string(name).expect("a name"))
            };
            let mut names: Vec<&String> = object.keys().collect();
            names.sort_by_key(|name| place(name));
            let cells = names
                .into_iter()
                .map(|name| (name.clone(), Some(cells[name].get().to_owned())));
            Some(Cells::Named(cells.collect()))
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Struct(fields) => {
                let mut record = serializer.serialize_struct("Record", fields.len())?;
                for (name, value) in fields {
                    match value {
                        Some(value) => record.serialize_field(name, value)?,
                        None => record.skip_field(name)?,
                    }
                }
                record.end()
            }
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in fields {
                    map.serialize_key(name)?;
                    map.serialize_value(value)?;
                }
                map.end()
            }
            Self::Row(cells) => {
                let mut row = serializer.serialize_seq(None)?;
                cells
                    .iter()
                    .try_for_each(|cell| row.serialize_element(cell))?;
                row.end()
            }
            Self::TupleStruct(cells) => {
                let mut row = serializer.serialize_tuple_struct("Record", cells.len())?;
                cells
                    .iter()
                    .try_for_each(|cell| row.serialize_field(cell))?;
                row.end()
            }
            Self::Header(names) => names.serialize(serializer),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Some(record) => serializer.serialize_some(record),
            Self::Newtype(record) => serializer.serialize_newtype_struct("Newtype", record),
            Self::Numbered(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, value)))
            }
            Self::Broken => Err(S::Error::custom("this record always fails")),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}
