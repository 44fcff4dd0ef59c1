//! The account of a run: what became of every record, and what it took.

use std::ops::Range;

use super::event::{Ending, Reason};

/// Counts over the whole run, and the list of what came to no result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Records and chunks read from the source.
    pub(crate) read: Count,
    /// Records and chunks that the service took (each once, however often they were pushed).
    pub(crate) pushed: Count,
    /// Records and chunks whose results came.
    pub(crate) pulled: Count,
    /// Records and chunks whose results the consumer took.
    pub(crate) delivered: Count,
    /// Of the delivered records, those that came back as the service's errors or could not be decoded.
    pub(crate) failed: u64,
    /// Pushes of a chunk that the service may thereby compute a second time.
    pub(crate) resubmissions: u64,
    /// Results that came a second time and were dropped.
    pub(crate) duplicates: u64,
    /// Results of chunks that are not of this run, dropped.
    pub(crate) foreign: u64,
    /// Pulls whose answers were lost.
    pub(crate) lost_pulls: u64,
    /// Pushes that the service refused because its buffer was full.
    pub(crate) refused_full: u64,
    /// Batches that were created or taken over.
    pub(crate) batches: u64,
    /// Batches that may have been created by requests without an answer; they close by themselves when idle.
    pub(crate) batches_in_doubt: u64,
    /// Whether the last batch is known to be closed or cancelled, or was never opened.
    pub(crate) closed: bool,
    /// Bytes of the chunks that were pushed, each time counted.
    pub(crate) bytes_pushed: u64,
    /// Bytes of the results that were kept.
    pub(crate) bytes_pulled: u64,
    /// Requests sent, by kind.
    pub(crate) requests: Requests,
    /// Records that came to no result, in order, with the reason.
    pub(crate) unfinished: Vec<(Range<u64>, Reason)>,
    /// How the run ended; `None` while it goes on.
    pub(crate) ending: Option<Ending>,
}

/// Records and the chunks that they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Records.
    pub records: u64,
    /// Chunks.
    pub chunks: u64,
}

impl Count {
    pub(super) fn add(&mut self, records: u64) {
        self.records += records;
        self.chunks += 1;
    }
}

/// Requests sent, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// To create a batch.
    pub create: u64,
    /// To push chunks.
    pub push: u64,
    /// To pull results.
    pub pull: u64,
    /// To ask for the status.
    pub status: u64,
    /// To close or cancel a batch.
    pub end: u64,
}

impl Requests {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.create + self.push + self.pull + self.status + self.end
    }
}

impl Account {
    /// Notes records without a result; neighbours with the same reason become one entry.
    pub(super) fn unfinished(&mut self, records: Range<u64>, reason: Reason) {
        if let Some((last, same)) = self.unfinished.last_mut()
            && last.end == records.start
            && *same == reason
        {
            last.end = records.end;
            return;
        }
        self.unfinished.push((records, reason));
    }
}
