//! The account of a run, for its user.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::machine::{Account, Count, Ending, Reason, Requests};

/// What became of everything that a run was given, and what it took.
///
/// Every record that was read from the source is in exactly one of two places: counted in
/// [`delivered`](Self::delivered), or listed in [`unfinished`](Self::unfinished). While the run goes on, the rest is under
/// way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Read from the source (in a resumed run: what this run read).
    pub read: Count,
    /// Taken by the service, each chunk counted once, however often it was pushed.
    pub pushed: Count,
    /// Results that came.
    pub pulled: Count,
    /// Results that were taken out of the run.
    pub delivered: Count,
    /// Of the delivered records, those with an error instead of an output.
    pub failed_records: u64,
    /// Records that came to no result, in order, with the reason.
    pub unfinished: Vec<Unfinished>,
    /// How often a chunk was pushed that the service may thereby have computed twice: its answer or its result was
    /// lost, or its batch. Chunks are computed twice nowhere else.
    pub resubmissions: u64,
    /// Results that came twice and were dropped.
    pub duplicates: u64,
    /// Results with ids that are not of this run, dropped. A run expects a batch to itself.
    pub foreign: u64,
    /// Pulls whose answer was lost.
    pub lost_pulls: u64,
    /// Pushes that were refused because the input buffer was full.
    pub refused_full: u64,
    /// The ids of the batches that were used, in order.
    pub batches: Vec<String>,
    /// Batches that requests without an answer may have created. They close by themselves when idle.
    pub batches_in_doubt: u64,
    /// The last batch, if it is open. After the end: if it could not be closed, or was to be left open.
    pub left_open: Option<String>,
    /// Requests that were sent.
    pub requests: Requests,
    /// Bytes of the chunks that were pushed, each time counted.
    pub bytes_pushed: u64,
    /// Bytes of the results that were kept.
    pub bytes_pulled: u64,
    /// Time from the start of the run to its end, or to now.
    pub elapsed: Duration,
    ending: Option<Ending>,
}

impl Summary {
    pub(super) fn new(account: &Account, batches: &[String], elapsed: Duration) -> Self {
        let unfinished = account
            .unfinished
            .iter()
            .map(|(records, reason)| Unfinished {
                records: records.clone(),
                reason: (*reason).into(),
            });
        Self {
            read: account.read,
            pushed: account.pushed,
            pulled: account.pulled,
            delivered: account.delivered,
            failed_records: account.failed,
            unfinished: unfinished.collect(),
            resubmissions: account.resubmissions,
            duplicates: account.duplicates,
            foreign: account.foreign,
            lost_pulls: account.lost_pulls,
            refused_full: account.refused_full,
            batches: batches.to_vec(),
            batches_in_doubt: account.batches_in_doubt,
            left_open: batches.last().filter(|_| !account.closed).cloned(),
            requests: account.requests,
            bytes_pushed: account.bytes_pushed,
            bytes_pulled: account.bytes_pulled,
            elapsed,
            ending: account.ending,
        }
    }

    pub(super) fn of_nothing() -> Self {
        Self::new(&Account::default(), &[], Duration::ZERO)
    }

    /// Whether the run is over. Its last results may still wait to be taken.
    pub fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether the run is over and every record of the source came to a result (those with an error of the service's
    /// among them).
    pub fn is_complete(&self) -> bool {
        self.ending == Some(Ending::Complete) && self.unfinished.is_empty()
    }

    /// How many records came to no result.
    pub fn unfinished_records(&self) -> u64 {
        self.unfinished
            .iter()
            .map(|one| one.records.end - one.records.start)
            .sum()
    }
}

impl fmt::Display for Summary {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} records delivered ({} with an error) in {:.1} s",
            self.delivered.records,
            self.read.records,
            self.failed_records,
            self.elapsed.as_secs_f64()
        )?;
        if !self.unfinished.is_empty() {
            write!(f, ", {} unfinished", self.unfinished_records())?;
        }
        if self.resubmissions > 0 {
            write!(f, ", {} chunks pushed again", self.resubmissions)?;
        }
        if self.batches.len() > 1 {
            write!(f, ", {} batches", self.batches.len())?;
        }
        if let Some(batch) = self.left_open.as_ref().filter(|_| self.is_over()) {
            write!(f, ", batch {batch} left open")?;
        }
        Ok(())
    }
}

/// Records that came to no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Their numbers, counted from 0 over the whole input.
    pub records: Range<u64>,
    /// Why.
    pub reason: UnfinishedReason,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.records;
        write!(
            f,
            "records {start} to {}: {}",
            end.saturating_sub(1),
            self.reason
        )
    }
}

/// Why records came to no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnfinishedReason {
    /// The run ended before, for a reason of its own.
    RunEnded,
    /// The service refused their chunk, although it fits.
    Refused,
    /// Their chunk is larger than the service's whole input buffer.
    TooLarge,
    /// The result of their chunk did not come, nor did it after the chunk was pushed again as often as allowed.
    Lost,
}

impl From<Reason> for UnfinishedReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Ended(_) => Self::RunEnded,
            Reason::Refused => Self::Refused,
            Reason::Oversized => Self::TooLarge,
            Reason::Lost => Self::Lost,
        }
    }
}

impl fmt::Display for UnfinishedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunEnded => "the run ended before",
            Self::Refused => "the service refused the chunk",
            Self::TooLarge => "the chunk is larger than the input buffer",
            Self::Lost => "no result came, though the chunk was pushed again",
        })
    }
}
