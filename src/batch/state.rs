//! A pipeline's record of its batch: the state, and the chunks that were pushed.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::push::{Duplicates, PushedChunk};
use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw::types::BatchStatus;

/// The state of a batch. It only changes to a later one in this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PipelineState {
    /// The batch accepts chunks.
    #[default]
    Open,
    /// The batch accepts no more chunks, but its results can be pulled: it was closed by the caller
    /// or by the system, or it completed or failed.
    Closed,
    /// The batch was cancelled, and its data were dropped.
    Cancelled,
}

impl PipelineState {
    /// Returns why the state forbids the operation, if it does.
    pub(super) fn allows(self, operation: Operation) -> std::result::Result<(), &'static str> {
        match (self, operation) {
            (Self::Closed, Operation::Push) => {
                Err("the batch is closed and accepts no more chunks")
            }
            (Self::Cancelled, Operation::Push) => {
                Err("the batch is cancelled and accepts no more chunks")
            }
            (Self::Cancelled, Operation::Pull) => {
                Err("the batch is cancelled and its results were dropped")
            }
            (Self::Closed, Operation::Close) => Err("the batch is closed already"),
            (Self::Cancelled, Operation::Close) => Err("the batch is cancelled already"),
            (Self::Cancelled, Operation::Cancel) => Err("the batch is cancelled already"),
            _ => Ok(()),
        }
    }
}

/// The chunks that the service accepted from a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    records: BTreeMap<String, u64>,
}

impl Stats {
    /// Returns the number of chunks.
    pub fn chunks(&self) -> usize {
        self.records.len()
    }

    /// Returns the number of records in all chunks.
    pub fn records(&self) -> u64 {
        self.records.values().sum()
    }

    /// Returns the number of records in one chunk.
    pub fn records_in(&self, chunk_id: &str) -> Option<u64> {
        self.records.get(chunk_id).copied()
    }

    /// Iterates over the ids of the chunks with their numbers of records, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.records
            .iter()
            .map(|(id, records)| (id.as_str(), *records))
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: PipelineState,
    accepted: Stats,
    /// The ids of chunks whose push has no response yet.
    in_flight: HashSet<String>,
}

impl Ledger {
    pub(super) fn state(&self) -> PipelineState {
        self.state
    }

    pub(super) fn stats(&self) -> Stats {
        self.accepted.clone()
    }

    /// Updates the state from a response, and returns it if it changed.
    ///
    /// Responses may arrive out of order, so the state never goes back.
    pub(super) fn learn(&mut self, status: Option<&BatchStatus>) -> Option<PipelineState> {
        let state = match status {
            Some(BatchStatus::Cancelled) => PipelineState::Cancelled,
            Some(status) if status.is_terminal() => PipelineState::Closed,
            _ => PipelineState::Open,
        };
        if state <= self.state {
            return None;
        }
        self.state = state;
        Some(state)
    }

    fn knows(&self, id: &str) -> bool {
        self.accepted.records.contains_key(id) || self.in_flight.contains(id)
    }
}

/// The ids of chunks that are being pushed. They become free again if it is dropped before
/// [`accept`](Self::accept).
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    ledger: &'a Mutex<Ledger>,
    /// Each chunk with its former id, if that was a duplicate and has been replaced.
    chunks: Vec<(Chunk, Option<String>)>,
    skipped: Vec<String>,
}

impl<'a> Reservation<'a> {
    /// Reserves the ids of all chunks, or of none.
    pub(super) fn new(
        ledger: &'a Mutex<Ledger>,
        chunks: Vec<Chunk>,
        duplicates: Duplicates,
    ) -> Result<Self> {
        let mut guard = lock(ledger);
        let (mut reserved, mut skipped) = (Vec::with_capacity(chunks.len()), Vec::new());
        let mut here = HashSet::new();
        for chunk in chunks {
            let id = chunk.id().to_owned();
            if id.is_empty() {
                return Err(Error::input("the id of a chunk is empty"));
            }
            let is_duplicate = guard.knows(&id) || here.contains(&id);
            let chunk = match duplicates {
                _ if !is_duplicate => (chunk, None),
                Duplicates::Refuse => {
                    return Err(Error::input(format!(
                        "chunk id `{id}` was used before in this batch; see `Push::if_duplicate` for other ways"
                    )));
                }
                Duplicates::Replace => (chunk.with_id(Uuid::new_v4().to_string()), Some(id)),
                Duplicates::Skip => {
                    skipped.push(id);
                    continue;
                }
            };
            here.insert(chunk.0.id().to_owned());
            reserved.push(chunk);
        }
        guard.in_flight.extend(here);
        Ok(Self {
            ledger,
            chunks: reserved,
            skipped,
        })
    }

    pub(super) fn chunks(&self) -> &[(Chunk, Option<String>)] {
        &self.chunks
    }

    /// Counts the chunks as accepted. Returns them, and the ids of those that were skipped.
    pub(super) fn accept(mut self) -> (Vec<PushedChunk>, Vec<String>) {
        let mut ledger = lock(self.ledger);
        let accepted = std::mem::take(&mut self.chunks)
            .into_iter()
            .map(|(chunk, replaced)| {
                let id = chunk.id().to_owned();
                ledger.in_flight.remove(&id);
                ledger.accepted.records.insert(id.clone(), chunk.records());
                PushedChunk {
                    id,
                    records: chunk.records(),
                    replaced,
                }
            });
        let accepted = accepted.collect();
        drop(ledger);
        (accepted, std::mem::take(&mut self.skipped))
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut ledger = lock(self.ledger);
        for (chunk, _) in &self.chunks {
            ledger.in_flight.remove(chunk.id());
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
