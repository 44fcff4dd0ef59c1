//! Decides where one chunk ends and the next begins.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::records::{Encoded, Encoder};

/// The size of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkSize {
    /// A number of records; the last chunk may have fewer.
    Records(usize),
    /// A number of chunks, whose sizes differ by at most one record.
    Count(usize),
    /// As many records as fit into a number of bytes, and at least one.
    Bytes(usize),
}

impl Default for ChunkSize {
    /// The largest size that Coherent recommends.
    fn default() -> Self {
        Self::Records(200)
    }
}

/// Returns the number of items of an iterator or stream with this size hint, if it is exact.
pub(crate) fn exact_length(size_hint: (usize, Option<usize>)) -> Option<usize> {
    match size_hint {
        (least, Some(most)) if least == most => Some(most),
        _ => None,
    }
}

/// Encodes records one by one and cuts them into chunks.
#[derive(Debug)]
pub(crate) struct Splitter {
    encoder: Encoder,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Records(usize),
    Bytes(usize),
    Even {
        records_left: usize,
        chunks_left: usize,
    },
}

impl Splitter {
    /// `length` is the number of records to come if it is known, including a header row.
    pub(crate) fn new(size: ChunkSize, encoder: Encoder, length: Option<usize>) -> Result<Self> {
        let target = match (size, length) {
            (ChunkSize::Records(0), _) => {
                return Err(Error::input("chunk_size is 0; it has to be at least 1"));
            }
            (ChunkSize::Bytes(0), _) => {
                return Err(Error::input("chunk_bytes is 0; it has to be at least 1"));
            }
            (ChunkSize::Count(0), _) => {
                return Err(Error::input("chunk_count is 0; it has to be at least 1"));
            }
            (ChunkSize::Count(_), None) => {
                return Err(Error::input(
                    "chunk_count needs an iterator that knows the number of its records; collect \
                     the records, or set chunk_size or chunk_bytes",
                ));
            }
            (ChunkSize::Records(records), _) => Target::Records(records),
            (ChunkSize::Bytes(bytes), _) => Target::Bytes(bytes),
            (ChunkSize::Count(chunks), Some(records)) => Target::Even {
                records_left: records,
                chunks_left: chunks,
            },
        };
        Ok(Self { encoder, target })
    }

    /// Adds a record, and returns a chunk if one is complete.
    pub(crate) fn push<T: ?Sized + Serialize>(&mut self, record: &T) -> Result<Option<Encoded>> {
        self.push_with(|encoder| encoder.push(record))
    }

    /// Lets a record be added, which may be a header row; returns a chunk if one is complete.
    pub(crate) fn push_with(
        &mut self,
        add: impl FnOnce(&mut Encoder) -> Result<bool>,
    ) -> Result<Option<Encoded>> {
        if !add(&mut self.encoder)? {
            if let Target::Even { records_left, .. } = &mut self.target {
                *records_left = records_left.saturating_sub(1);
            }
            return Ok(None);
        }
        let records = self.encoder.records();
        Ok(match &mut self.target {
            Target::Records(target) => (records >= *target).then(|| self.encoder.take()).flatten(),
            Target::Bytes(target) => (self.encoder.len() > *target)
                .then(|| self.encoder.take_all_but_last())
                .flatten(),
            Target::Even {
                records_left,
                chunks_left,
            } => {
                // Records beyond the size hint make chunks of one record.
                let target = records_left.div_ceil((*chunks_left).max(1)).max(1);
                if records < target {
                    return Ok(None);
                }
                *records_left = records_left.saturating_sub(records);
                *chunks_left = chunks_left.saturating_sub(1);
                self.encoder.take()
            }
        })
    }

    /// Lets a record be added, and returns a chunk if there are `records` records.
    pub(crate) fn push_until(
        &mut self,
        add: impl FnOnce(&mut Encoder) -> Result<bool>,
        records: usize,
    ) -> Result<Option<Encoded>> {
        add(&mut self.encoder)?;
        Ok(if self.pending() >= records {
            self.finish()
        } else {
            None
        })
    }

    /// Counts a record that could not be read.
    pub(crate) fn pass_over(&mut self) {
        self.encoder.pass_over();
    }

    /// Returns the rest as the last chunk.
    pub(crate) fn finish(&mut self) -> Option<Encoded> {
        self.encoder.take()
    }

    /// The number of records in the incomplete chunk.
    pub(crate) fn pending(&self) -> usize {
        self.encoder.records()
    }
}
