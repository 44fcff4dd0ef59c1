//! The checkpoint of a run.

use serde::{Deserialize, Serialize};

use super::machine::Position;

/// The state of a run, for another process to resume it: serialise it, keep it with the results,
/// and pass it to [`RunBuilder::resume`](super::RunBuilder::resume).
///
/// It counts as delivered exactly what was taken out of the run when it was made. So write the
/// results first, then the checkpoint, or both in one transaction; a resumed run delivers again the
/// results that were written after the last checkpoint.
///
/// Its size is bounded by the number of [chunks in flight](super::RunBuilder::chunks_in_flight),
/// whatever the length of the input and the order of results: it has at most one entry for each of
/// them, and one for each chunk that the run has dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The version of this format.
    version: u32,
    /// The service, to recognise a checkpoint of another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    position: Position,
}

/// The version that is written, and the only one that can be read.
const VERSION: u32 = 1;

impl Checkpoint {
    pub(super) fn new(service: Option<String>, batch: Option<String>, position: Position) -> Self {
        Self {
            version: VERSION,
            service,
            batch,
            position,
        }
    }

    /// The batch that is open, if one is.
    pub fn batch_id(&self) -> Option<&str> {
        self.batch.as_deref()
    }

    /// The number of the first record that was not delivered. Records before it are
    /// not needed any more; see [`RunBuilder::resume_at`](super::RunBuilder::resume_at).
    pub fn first_open_record(&self) -> u64 {
        self.position.first_open()
    }

    /// The most records of a chunk that the other run had in flight.
    pub(super) fn max_chunk_records(&self) -> usize {
        usize::try_from(self.position.max_cut()).unwrap_or(usize::MAX)
    }

    /// How many records of the source were delivered. The source begins at the first record, or at
    /// the first open one.
    pub(super) fn delivered_of_source(&self, from_first_open: bool) -> u64 {
        let skipped = if from_first_open {
            self.first_open_record()
        } else {
            0
        };
        self.position.delivered().saturating_sub(skipped)
    }

    pub(super) fn is_readable(&self) -> bool {
        self.version == VERSION
    }

    pub(super) fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }
}
