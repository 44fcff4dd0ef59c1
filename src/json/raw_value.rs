//! Recognizes serde_json's `RawValue` among the types of the caller.
//!
//! A `RawValue` passes through serializers and deserializers as a struct or a newtype of a name
//! that serde_json keeps to itself. The name is not written down here: `RawValue` is asked for it.

use std::cell::Cell;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::value::RawValue;

static NAME: LazyLock<Option<&'static str>> = LazyLock::new(|| {
    let name = Cell::new(None);
    // It fails, but not before it has shown the name.
    let _ = Box::<RawValue>::deserialize(Probe(&name));
    name.get()
});

/// Whether a struct or a newtype of this name is a `RawValue`.
#[inline]
pub(crate) fn is_raw_value(name: &str) -> bool {
    *NAME == Some(name)
}

/// Gives text that is valid JSON to the visitor of a `RawValue`, in the form that it expects: a map
/// from the name to the text.
pub(crate) fn raw_value<'de, V: Visitor<'de>, E: serde::de::Error>(
    text: String,
    visitor: V,
) -> Result<V::Value, E> {
    let entry = NAME.map(|name| (name, text));
    visitor.visit_map(MapDeserializer::new(entry.into_iter()))
}

/// Notes the name of the newtype that asks to be deserialized.
struct Probe<'a>(&'a Cell<Option<&'static str>>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing to deserialize"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.set(Some(name));
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_values_are_recognized() {
        assert!(NAME.is_some_and(|name| !name.is_empty() && is_raw_value(name)));
        assert!(!is_raw_value("Other") && !is_raw_value(""));
    }
}
