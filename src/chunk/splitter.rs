//! Where one chunk ends and the next begins.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::records::{Encoded, Encoder};

/// How large chunks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkSize {
    /// So many records, the last chunk excepted.
    Records(usize),
    /// So many chunks, whose sizes differ by one record at most.
    Count(usize),
    /// As many records as fit into so many bytes of inputs, and at least one.
    Bytes(usize),
}

impl Default for ChunkSize {
    /// The size that Coherent recommends at most.
    fn default() -> Self {
        Self::Records(200)
    }
}

/// Takes records one by one and gives chunks.
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
    /// `length` is the number of records that will come, if it is known; a header row is one of
    /// them.
    pub(crate) fn new(size: ChunkSize, encoder: Encoder, length: Option<usize>) -> Result<Self> {
        let target = match (size, length) {
            (ChunkSize::Records(0), _) => {
                return Err(Error::input(
                    "chunk_size is 0; a chunk has at least one record",
                ));
            }
            (ChunkSize::Bytes(0), _) => {
                return Err(Error::input("chunk_bytes is 0; give a number of bytes"));
            }
            (ChunkSize::Count(0), _) => {
                return Err(Error::input("chunk_count is 0; give at least one chunk"));
            }
            (ChunkSize::Count(_), None) => {
                return Err(Error::input(
                    "chunk_count needs to know the number of records beforehand, and this source does not tell it; \
                     collect the records, or give chunk_size or chunk_bytes",
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

    /// Adds a record, and gives a chunk if one is complete by it.
    pub(crate) fn push<T: ?Sized + Serialize>(&mut self, record: &T) -> Result<Option<Encoded>> {
        if !self.encoder.push(record)? {
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
                // A source that gives more than it said goes on in chunks of one.
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

    /// Adds a record, and gives a chunk if it is the one that is to end after so many records.
    pub(crate) fn push_until<T: ?Sized + Serialize>(
        &mut self,
        record: &T,
        records: usize,
    ) -> Result<Option<Encoded>> {
        self.encoder.push(record)?;
        Ok(if self.pending() >= records {
            self.finish()
        } else {
            None
        })
    }

    /// Gives what is left as the last chunk.
    pub(crate) fn finish(&mut self) -> Option<Encoded> {
        self.encoder.take()
    }

    /// The records that wait for their chunk to be complete.
    pub(crate) fn pending(&self) -> usize {
        self.encoder.records()
    }
}
