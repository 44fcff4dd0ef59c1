//! The cells of a chunk's outputs as text, for where the outputs cannot be decoded at once.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

/// The outputs of a chunk, taken apart.
pub(crate) struct Cells<'a> {
    names: Vec<Cow<'a, str>>,
    rows: Rows<'a>,
}

enum Rows<'a> {
    /// Of a table; `None` for a row without cells.
    Table(Vec<Option<Vec<&'a RawValue>>>),
    Objects(Vec<Option<HashMap<Cow<'a, str>, &'a RawValue>>>),
}

impl<'a> Cells<'a> {
    /// `None` if these are no outputs.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let is_table = elements
            .first()
            .is_some_and(|first| first.get().starts_with('['));
        if is_table {
            let (header, rows) = elements.split_first()?;
            let names: Vec<Cow<'_, str>> = serde_json::from_str(header.get()).ok()?;
            let row = |row: &&'a RawValue| {
                let cells: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
                (cells.len() == names.len()).then_some(cells)
            };
            let rows = Rows::Table(rows.iter().map(row).collect());
            return Some(Self { names, rows });
        }
        let mut names: Vec<Cow<'_, str>> = Vec::new();
        let mut objects = Vec::with_capacity(elements.len());
        for element in elements {
            // A map forgets the order of the names, a list of pairs does not.
            let object: Option<Object<'_>> = serde_json::from_str(element.get()).ok();
            for (name, _) in object.iter().flat_map(|object| &object.0) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            objects.push(object.map(|object| object.0.into_iter().collect()));
        }
        let rows = Rows::Objects(objects);
        Some(Self { names, rows })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(crate) fn records(&self) -> usize {
        match &self.rows {
            Rows::Table(rows) => rows.len(),
            Rows::Objects(objects) => objects.len(),
        }
    }

    /// The cells of a column, one a record.
    pub(crate) fn column(&self, name: &str) -> Box<dyn Iterator<Item = Option<&'a str>> + '_> {
        let name = name.to_owned();
        match &self.rows {
            Rows::Table(rows) => {
                let place = self.names.iter().position(|column| *column == name);
                Box::new(
                    rows.iter()
                        .map(move |row| Some(row.as_ref()?.get(place?)?.get())),
                )
            }
            Rows::Objects(objects) => Box::new(
                objects
                    .iter()
                    .map(move |object| object.as_ref()?.get(name.as_str()).map(|cell| cell.get())),
            ),
        }
    }
}

/// The members of an object in their order.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
