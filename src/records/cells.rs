//! Taking a record apart into its cells, whatever it is made of: a struct, a map, a row, or raw
//! JSON.

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};
use serde_json::Error;

use super::finite::Finite;
use super::raw_record;
use crate::json::is_raw_value;

/// A cell of a record, which can be written as JSON.
pub(super) trait Cell {
    fn write(&self, json: &mut Vec<u8>) -> Result<(), Error>;
}

struct Value<'a, T: ?Sized>(&'a T);

impl<T: ?Sized + Serialize> Cell for Value<'_, T> {
    fn write(&self, json: &mut Vec<u8>) -> Result<(), Error> {
        Finite(self.0).serialize(&mut serde_json::Serializer::new(json))
    }
}

/// Takes the cells of a record, one after the other.
pub(super) trait CellSink {
    /// A cell that the record has a name for.
    fn named(&mut self, column: &str, cell: impl Cell) -> Result<(), Error>;

    /// A cell of a field, whose name is the same one in each record of a type.
    fn field(&mut self, name: &'static str, cell: impl Cell) -> Result<(), Error> {
        self.named(name, cell)
    }

    /// The key of the cell that is next in the usual order, as JSON with its colon. After it, the
    /// cell needs no name.
    fn next_key(&self) -> Option<&[u8]> {
        None
    }

    /// The record is a row: cells without names follow, or none.
    fn row(&mut self) {}

    /// A cell without a name.
    fn positional(&mut self, cell: impl Cell) -> Result<(), Error>;

    /// The record is a text, which only the text of raw JSON may be.
    fn text(&mut self, _: &str) -> Result<(), Error> {
        Err(no_record("a string"))
    }
}

/// Gives the cells of a record to a sink.
pub(super) fn take_apart<T: ?Sized + Serialize>(
    record: &T,
    sink: &mut impl CellSink,
) -> Result<(), Error> {
    record.serialize(TakeApart(sink))
}

pub(super) fn no_record(what: &str) -> Error {
    Error::custom(format_args!(
        "a record is a struct, a map or a row of cells, not {what}"
    ))
}

struct TakeApart<'a, C>(&'a mut C);

macro_rules! refuse {
    ($($method:ident($($type:ty),*): $what:literal;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), Error> {
            Err(no_record($what))
        })*
    };
}

impl<'a, C: CellSink> Serializer for TakeApart<'a, C> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Row<'a, C>;
    type SerializeTuple = Row<'a, C>;
    type SerializeTupleStruct = Row<'a, C>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Map<'a, C>;
    type SerializeStruct = Struct<'a, C>;
    type SerializeStructVariant = Impossible<(), Error>;

    refuse! {
        serialize_bool(bool): "a boolean";
        serialize_i8(i8): "a number";
        serialize_i16(i16): "a number";
        serialize_i32(i32): "a number";
        serialize_i64(i64): "a number";
        serialize_u8(u8): "a number";
        serialize_u16(u16): "a number";
        serialize_u32(u32): "a number";
        serialize_u64(u64): "a number";
        serialize_f32(f32): "a number";
        serialize_f64(f64): "a number";
        serialize_char(char): "a character";
        serialize_bytes(&[u8]): "bytes";
        serialize_none(): "nothing";
        serialize_unit(): "nothing";
        serialize_unit_struct(&'static str): "an empty struct";
        serialize_unit_variant(&'static str, u32, &'static str): "a variant of an enum";
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.0.text(text)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(no_record("a variant of an enum"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Row<'a, C>, Error> {
        self.0.row();
        Ok(Row(self.0))
    }

    fn serialize_tuple(self, _: usize) -> Result<Row<'a, C>, Error> {
        self.0.row();
        Ok(Row(self.0))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Row<'a, C>, Error> {
        self.0.row();
        Ok(Row(self.0))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(no_record("a variant of an enum"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a, C>, Error> {
        Ok(Map {
            sink: self.0,
            key: String::new(),
        })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a, C>, Error> {
        Ok(match name {
            _ if is_raw_value(name) => Struct::Raw(self.0),
            _ => Struct::Fields(self.0),
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(no_record("a variant of an enum"))
    }
}

struct Row<'a, C>(&'a mut C);

macro_rules! row {
    ($($trait:ident::$method:ident),*) => {
        $(impl<C: CellSink> $trait for Row<'_, C> {
            type Ok = ();
            type Error = Error;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                self.0.positional(Value(value))
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

row!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

struct Map<'a, C> {
    sink: &'a mut C,
    key: String,
}

impl<C: CellSink> SerializeMap for Map<'_, C> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        self.key.clear();
        let mut name = Key {
            text: &mut self.key,
            is_text: false,
        };
        key.serialize(TakeApart(&mut name))?;
        match name.is_text {
            true => Ok(()),
            false => Err(no_name()),
        }
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        self.sink.named(&self.key, Value(value))
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The key of a map, which has to be a text.
struct Key<'a> {
    text: &'a mut String,
    is_text: bool,
}

fn no_name() -> Error {
    Error::custom("the names of columns have to be strings")
}

impl CellSink for Key<'_> {
    fn named(&mut self, _: &str, _: impl Cell) -> Result<(), Error> {
        Err(no_name())
    }

    fn positional(&mut self, _: impl Cell) -> Result<(), Error> {
        Err(no_name())
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.text.push_str(text);
        self.is_text = true;
        Ok(())
    }
}

enum Struct<'a, C> {
    Fields(&'a mut C),
    Raw(&'a mut C),
}

impl<C: CellSink> SerializeStruct for Struct<'_, C> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match self {
            Self::Fields(sink) => sink.field(key, Value(value)),
            Self::Raw(sink) => {
                // Its cells go on as raw JSON, so that their digits stay as they are.
                let mut take_apart = |text: &str| raw_record::take_apart(text, &mut **sink);
                value.serialize(TakeApart(&mut RawText(&mut take_apart)))
            }
        }
    }

    /// A struct has the same columns whether or not it skips some of them, so the cell is null.
    fn skip_field(&mut self, key: &'static str) -> Result<(), Error> {
        match self {
            Self::Fields(sink) => sink.field(key, Value(&())),
            Self::Raw(_) => Ok(()),
        }
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The text of raw JSON. Not generic over the sink behind it: a record of a type that holds itself
/// would otherwise need sinks within sinks without end, and not compile.
struct RawText<'a>(&'a mut dyn FnMut(&str) -> Result<(), Error>);

impl CellSink for RawText<'_> {
    fn named(&mut self, _: &str, _: impl Cell) -> Result<(), Error> {
        Err(no_record("this"))
    }

    fn positional(&mut self, _: impl Cell) -> Result<(), Error> {
        Err(no_record("this"))
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        (self.0)(text)
    }
}
