//! What a new process needs to resume a run.

use serde::{Deserialize, Serialize};

use super::machine::Position;

/// Where a run stands, for another process to go on from: serialise it, keep it with the results, and give it to
/// [`RunBuilder::resume`](super::RunBuilder::resume).
///
/// It counts as delivered exactly what was taken out of the run when it was made. So write the results first and the
/// checkpoint of just then after them, or both in one transaction; results that were written after the last
/// checkpoint are delivered again by the resumed run.
///
/// Its size depends on the number of chunks in flight, not on the length of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// For the day on which its shape changes.
    version: u32,
    /// The service, to notice a checkpoint that belongs to another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    position: Position,
}

/// The version that is written, and the only one that is read.
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

    /// The number of the first record that was not delivered. Records before it are not needed any more; see
    /// [`RunBuilder::resume_at`](super::RunBuilder::resume_at).
    pub fn first_open_record(&self) -> u64 {
        self.position.first_open()
    }

    /// How many records of the source were delivered, which begins at the first or at the first open one.
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
