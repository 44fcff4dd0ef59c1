//! The bodies of responses.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::shapes::OptionalFields;

/// A JSON object whose fields stay in the order in which they were added.
///
/// Which fields a response has depends on the settings, so a response is put together field by
/// field.
#[derive(Debug, Default)]
pub(crate) struct JsonObject(Vec<(&'static str, Option<Box<RawValue>>)>);

impl JsonObject {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(crate) fn field(mut self, name: &'static str, value: impl Serialize) -> Self {
        // Texts, numbers, and lists and objects of them always serialise.
        self.0.push((name, to_raw_value(&value).ok()));
        self
    }

    /// Adds a field that the service need not give.
    pub(crate) fn optional(
        self,
        form: OptionalFields,
        name: &'static str,
        value: impl Serialize,
    ) -> Self {
        match form {
            OptionalFields::Given => self.field(name, value),
            OptionalFields::Null => self.field(name, ()),
            OptionalFields::Absent => self,
        }
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
