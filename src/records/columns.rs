//! The columns of a table.

use std::collections::HashMap;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Error;

use super::cells::{Cell, CellSink, take_apart};

/// The names of the columns, in order and without repetition.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    /// Where a name stands, for records that have their cells in another order.
    places: HashMap<String, usize>,
    /// The header row as JSON.
    header: Vec<u8>,
    /// The names as the keys of an object, each with its colon.
    keys: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn new(names: Vec<String>) -> Result<Self, Error> {
        if names.is_empty() {
            return Err(Error::custom("there are no columns"));
        }
        let mut places = HashMap::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.clone(), place).is_some() {
                return Err(Error::custom(format_args!(
                    "column `{name}` is there twice"
                )));
            }
        }
        let header = serde_json::to_vec(&names)?;
        let keys = names.iter().map(|name| {
            let mut key = serde_json::to_vec(name)?;
            key.push(b':');
            Ok(key)
        });
        let keys = keys.collect::<Result<_, Error>>()?;
        Ok(Self {
            names,
            places,
            header,
            keys,
        })
    }

    /// The columns that a record has. With them, whether the record is the header row of a table
    /// (nothing but names) rather than a record.
    pub(super) fn of<T: ?Sized + Serialize>(record: &T) -> Result<(Self, bool), Error> {
        let mut found = Found::default();
        take_apart(record, &mut found)?;
        Ok((Self::new(found.names)?, found.is_header))
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The key of a column in JSON, with its colon.
    pub(super) fn key(&self, place: usize) -> Option<&[u8]> {
        self.keys.get(place).map(Vec::as_slice)
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }
}

#[derive(Default)]
struct Found {
    names: Vec<String>,
    is_header: bool,
}

impl CellSink for Found {
    fn named(&mut self, column: &str, _: impl Cell) -> Result<(), Error> {
        self.names.push(column.to_owned());
        Ok(())
    }

    fn positional(&mut self, cell: impl Cell) -> Result<(), Error> {
        let mut json = Vec::new();
        let name: Option<String> = cell
            .write(&mut json)
            .and_then(|()| serde_json::from_slice(&json))
            .ok();
        let name = name.ok_or_else(|| {
            Error::custom("the columns of rows have to be named, by `columns` of the `Chunker` or a first row of names")
        })?;
        self.is_header = true;
        self.names.push(name);
        Ok(())
    }
}
