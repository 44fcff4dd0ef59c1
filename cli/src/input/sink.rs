//! Where the readers of the formats put their records.

use std::sync::mpsc;

use bytes::Bytes;

use super::{BadRecord, Record};

/// The bytes of rows after which a batch of records goes to the run.
const BATCH_BYTES: usize = 64 << 10;
/// The most records in a batch, and those of a pipe, whose writer may be slow.
const BATCH_RECORDS: usize = 1000;
const BATCH_RECORDS_OF_PIPE: usize = 16;

/// Why reading stopped before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody takes records any more.
    Unwanted,
    /// The file cannot be read further.
    Failed(String),
}

impl Stop {
    pub(super) fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

/// What is known before the first record.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// None only if there are no records.
    pub(super) columns: Vec<String>,
    /// The number of records, if the file says so.
    pub(super) length: Option<u64>,
}

/// Takes the columns, then the records, and hands them on in batches.
pub(super) struct Sink {
    begin: Option<mpsc::SyncSender<Result<Begun, String>>>,
    batches: tokio::sync::mpsc::Sender<Vec<Record>>,
    /// The rows of the batch, one after the other.
    rows: Vec<u8>,
    /// Where each row ends, or why the record cannot be sent.
    records: Vec<Result<usize, BadRecord>>,
    most: usize,
}

impl Sink {
    pub(super) fn new(
        begin: mpsc::SyncSender<Result<Begun, String>>,
        batches: tokio::sync::mpsc::Sender<Vec<Record>>,
        of_pipe: bool,
    ) -> Self {
        Self {
            begin: Some(begin),
            batches,
            rows: Vec::new(),
            records: Vec::new(),
            most: match of_pipe {
                true => BATCH_RECORDS_OF_PIPE,
                false => BATCH_RECORDS,
            },
        }
    }

    /// Takes the columns, and how many records there are if the file says so. It comes before the
    /// first record.
    pub(super) fn begin(&mut self, columns: Vec<String>, length: Option<u64>) -> Result<(), Stop> {
        for (place, name) in columns.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Stop::failed(format_args!(
                    "column {} has no name",
                    place + 1
                )));
            }
            if columns[..place].contains(name) {
                return Err(Stop::failed(format_args!(
                    "it has the column `{name}` twice"
                )));
            }
        }
        self.begin_with(Begun { columns, length });
        Ok(())
    }

    fn begin_with(&mut self, begun: Begun) {
        if let Some(begin) = self.begin.take() {
            // Whoever opens the input waits for this.
            let _ = begin.send(Ok(begun));
        }
    }

    /// Takes a record. `write` appends its row, or says why the record cannot be sent.
    pub(super) fn row(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), Stop> {
        let start = self.rows.len();
        let record = match write(&mut self.rows) {
            Ok(()) => Ok(self.rows.len()),
            Err(why) => {
                self.rows.truncate(start);
                Err(BadRecord(why))
            }
        };
        self.push(record)
    }

    /// Takes a record that cannot be sent.
    pub(super) fn bad(&mut self, why: String) -> Result<(), Stop> {
        self.push(Err(BadRecord(why)))
    }

    fn push(&mut self, record: Result<usize, BadRecord>) -> Result<(), Stop> {
        self.records.push(record);
        match self.rows.len() >= BATCH_BYTES || self.records.len() >= self.most {
            true if self.flush() => Ok(()),
            true => Err(Stop::Unwanted),
            false => Ok(()),
        }
    }

    /// Hands on what there is; `false` if nobody takes it.
    fn flush(&mut self) -> bool {
        if self.records.is_empty() {
            return true;
        }
        // The next batch probably takes as many bytes as this one.
        let next = Vec::with_capacity(self.rows.len() + self.rows.len() / 8);
        let rows = Bytes::from(std::mem::replace(&mut self.rows, next));
        let mut start = 0;
        let batch = self.records.drain(..).map(|record| {
            let end = record?;
            let row = rows.slice(start..end);
            start = end;
            Ok(row)
        });
        self.batches.blocking_send(batch.collect()).is_ok()
    }

    /// Ends the input, at its end or where it cannot be read further. Returns why it cannot, if the
    /// input was not open yet.
    pub(super) fn end(mut self, read: Result<(), Stop>) {
        match (read, self.begin.take()) {
            (Ok(()), begin) => {
                // An input without a single record has no columns, which is no error.
                self.begin = begin;
                self.begin_with(Begun::default());
                self.flush();
            }
            (Err(Stop::Unwanted), _) => {}
            (Err(Stop::Failed(why)), Some(begin)) => drop(begin.send(Err(why))),
            (Err(Stop::Failed(why)), None) => {
                self.flush();
                self.records.push(Err(BadRecord(why)));
                self.flush();
            }
        }
    }
}
