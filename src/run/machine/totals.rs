//! The totals of a run: what became of every record, and what it took. Nothing is decided by them.

use std::ops::Range;

use super::event::{Ending, Reason, RequestKind};

/// Counts over the whole run, and the list of records without a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Read from the source.
    pub(crate) read: Count,
    /// Accepted by the service, each chunk once, however often it was pushed.
    pub(crate) pushed: Count,
    /// Pulled from the service.
    pub(crate) pulled: Count,
    /// Taken by the consumer.
    pub(crate) delivered: Count,
    /// Delivered records for which the service returned an error or nothing.
    pub(crate) failed: u64,
    /// Delivered records whose output could not be decoded.
    pub(crate) unreadable: u64,
    /// Delivered records that could not be sent.
    pub(crate) rejected: u64,
    /// Pushes of a chunk that the service may thereby compute a second time.
    pub(crate) resubmissions: u64,
    /// Results that came again and were dropped.
    pub(crate) duplicates: u64,
    /// Results of chunks of another run, dropped.
    pub(crate) foreign: u64,
    /// Pulls whose responses were lost.
    pub(crate) lost_pulls: u64,
    /// Pushes that the service refused because its buffer was full.
    pub(crate) refused_full: u64,
    /// Batches that were created or taken over.
    pub(crate) batches: u64,
    /// Batches that creations without a response may have left behind.
    pub(crate) batches_in_doubt: u64,
    /// The batches that the run left and could not close, by their number, counted from 1.
    pub(crate) left_open: Vec<u64>,
    /// Bytes of the chunks that were pushed, each push counted.
    pub(crate) bytes_pushed: u64,
    /// Bytes of the results that were kept.
    pub(crate) bytes_pulled: u64,
    /// Requests sent, by kind.
    pub(crate) requests: RequestCounts,
    /// Records without a result, in order, with the reason.
    pub(crate) unfinished: Vec<(Range<u64>, Reason)>,
    /// How the run ended; `None` while it is under way.
    pub(crate) ending: Option<Ending>,
}

/// Records and the chunks that they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
pub struct RequestCounts {
    /// To create a batch.
    pub create: u64,
    /// To push chunks.
    pub push: u64,
    /// To pull results.
    pub pull: u64,
    /// To get the status.
    pub status: u64,
    /// To close or cancel a batch.
    pub end: u64,
}

impl RequestCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.create + self.push + self.pull + self.status + self.end
    }

    pub(super) fn add(&mut self, kind: RequestKind) {
        *match kind {
            RequestKind::Create => &mut self.create,
            RequestKind::Push => &mut self.push,
            RequestKind::Pull => &mut self.pull,
            RequestKind::Status => &mut self.status,
            RequestKind::End => &mut self.end,
        } += 1;
    }
}

impl Totals {
    /// Delivered records without an output.
    pub(crate) fn without_output(&self) -> u64 {
        self.failed + self.unreadable + self.rejected
    }

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
