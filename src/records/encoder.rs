//! Encodes records as the JSON of a chunk's inputs.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::Error as _;

use super::columns::Columns;
use super::json_row::JsonRow;
use super::row::{Scratch, write_cell, write_row};
use super::{Layout, RecordFormat};
use crate::error::{Error, Result};

/// Encodes records one by one into the inputs of a chunk.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: RecordFormat,
    columns: Option<Columns>,
    scratch: Scratch,
    /// The inputs so far, without the closing bracket. Empty before the first record.
    json: Vec<u8>,
    /// Where the last record starts in `json`, including its comma.
    last: usize,
    /// The number of records in `json`.
    records: usize,
    /// The number of records and header rows so far, for messages.
    seen: u64,
}

impl Encoder {
    /// # Errors
    ///
    /// If the format has an empty list of columns, or a column twice.
    pub(crate) fn new(format: RecordFormat) -> Result<Self> {
        let columns = format.columns.clone().map(Columns::new).transpose();
        let columns = columns.map_err(|error| Error::input(error.to_string()))?;
        Ok(Self {
            format,
            columns,
            scratch: Scratch::default(),
            json: Vec::new(),
            last: 0,
            records: 0,
            seen: 0,
        })
    }

    /// Adds a record. Returns `false` for the first row of a table if it is the header.
    ///
    /// # Errors
    ///
    /// If the record does not match the columns or can't be encoded as JSON. Records that were
    /// added before are kept.
    pub(crate) fn push<T: ?Sized + Serialize>(&mut self, record: &T) -> Result<bool> {
        self.add(|encoder| encoder.try_push(record))
    }

    /// Adds a row that is encoded already, for columns that were set.
    ///
    /// # Errors
    ///
    /// If the layout is not a table.
    pub(crate) fn push_row(&mut self, row: &JsonRow) -> Result<bool> {
        self.add(|encoder| encoder.try_push_row(row))
    }

    /// Counts a record that could not be read, so that messages number the others as they come.
    pub(crate) fn pass_over(&mut self) {
        self.seen += 1;
    }

    fn add(
        &mut self,
        try_push: impl FnOnce(&mut Self) -> Result<bool, serde_json::Error>,
    ) -> Result<bool> {
        let length = self.json.len();
        let pushed = try_push(self);
        match pushed {
            Ok(true) => {
                self.last = length;
                self.records += 1;
            }
            Ok(false) => {}
            Err(_) => self.json.truncate(length),
        }
        let number = self.seen;
        self.seen += 1;
        pushed.map_err(|error| Error::input(format!("record {number}: {error}")))
    }

    fn try_push<T: ?Sized + Serialize>(&mut self, record: &T) -> Result<bool, serde_json::Error> {
        if self.format.layout == Layout::Objects {
            let start = self.open();
            write_cell(record, &mut self.json)?;
            return match self.json.get(start) {
                Some(b'{') => Ok(true),
                _ => Err(serde_json::Error::custom("it is not an object")),
            };
        }
        if self.columns.is_none() {
            let (columns, is_header) = Columns::of(record)?;
            self.columns = Some(columns);
            if is_header {
                return Ok(false);
            }
        }
        self.open();
        if let Some(columns) = &self.columns {
            let rules = (self.format.missing, self.format.extra);
            write_row(record, columns, rules, &mut self.scratch, &mut self.json)?;
        }
        Ok(true)
    }

    fn try_push_row(&mut self, row: &JsonRow) -> Result<bool, serde_json::Error> {
        if self.format.layout == Layout::Objects {
            let message = "a row of JSON has no names; the layout of its chunk has to be a table";
            return Err(serde_json::Error::custom(message));
        }
        self.open();
        self.json.extend_from_slice(row.json());
        Ok(true)
    }

    /// Writes what precedes a record, and returns where the record starts.
    fn open(&mut self) -> usize {
        match (self.records, &self.columns) {
            (0, Some(columns)) if self.format.layout == Layout::Table => {
                self.json.push(b'[');
                self.json.extend_from_slice(columns.header());
                self.json.push(b',');
            }
            (0, _) => self.json.push(b'['),
            _ => self.json.push(b','),
        }
        self.json.len()
    }

    /// The number of records since the last chunk.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// The length of the inputs in bytes if they ended here.
    pub(crate) fn len(&self) -> usize {
        self.json.len() + 1
    }

    /// Returns the inputs with all records, if there are any, and starts a new chunk.
    pub(crate) fn take(&mut self) -> Option<Encoded> {
        let records = std::mem::take(&mut self.records);
        // The next chunk probably takes as many bytes as this one.
        let next = Vec::with_capacity(
            self.json
                .capacity()
                .min(self.json.len() + self.json.len() / 8),
        );
        let mut json = std::mem::replace(&mut self.json, next);
        json.push(b']');
        (records > 0).then(|| Encoded {
            json: Bytes::from(json),
            records,
        })
    }

    /// Returns the inputs with all records but the last, which starts the next chunk.
    pub(crate) fn take_all_but_last(&mut self) -> Option<Encoded> {
        if self.records < 2 {
            return None;
        }
        // Skips the comma before the record.
        let last = self.json.split_off(self.last).split_off(1);
        self.records -= 1;
        let taken = self.take();
        self.open();
        self.last = 0;
        self.json.extend_from_slice(&last);
        self.records = 1;
        taken
    }
}

/// The inputs of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) json: Bytes,
    /// The number of records, without the header row.
    pub(crate) records: usize,
}
