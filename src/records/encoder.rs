//! From records to the JSON of a chunk's inputs, written once.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::Error as _;

use super::columns::Columns;
use super::row::{Scratch, write_cell, write_row};
use super::{Layout, RecordFormat};
use crate::error::{Error, Result};

/// Encodes records one after the other, and gives them out a chunk's worth at a time.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: RecordFormat,
    columns: Option<Columns>,
    scratch: Scratch,
    /// The inputs so far, without the closing bracket. Empty before the first record.
    json: Vec<u8>,
    /// Where the last record starts in `json`, its comma included.
    last: usize,
    /// Records in `json`.
    records: usize,
    /// Records and header rows seen, for messages.
    seen: u64,
}

impl Encoder {
    /// # Errors
    ///
    /// When the columns that the format names are none, or repeat themselves.
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

    /// Adds a record, and tells whether it was one: the first row of a table may be its header.
    ///
    /// # Errors
    ///
    /// When the record does not fit the columns or can't be written as JSON. What was added before
    /// stays as it was.
    pub(crate) fn push<T: ?Sized + Serialize>(&mut self, record: &T) -> Result<bool> {
        let length = self.json.len();
        let pushed = self.try_push(record);
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

    /// Writes what comes before a record, and tells where the record starts.
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

    /// The records added since the last chunk.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// The length in bytes of the inputs, if they ended here.
    pub(crate) fn len(&self) -> usize {
        self.json.len() + 1
    }

    /// The inputs with all records, if there are any. What comes next starts a new chunk.
    pub(crate) fn take(&mut self) -> Option<Encoded> {
        let records = std::mem::take(&mut self.records);
        // Chunks are much alike; the next one likely takes as many bytes as this one.
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

    /// The inputs with all records but the last, which starts the next chunk.
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
    /// How many records are in it; the header does not count.
    pub(crate) records: usize,
}
