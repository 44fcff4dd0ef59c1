//! The summary of a run.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::machine::{Count, Ending, Machine, Reason, RequestCounts, Totals};

/// What became of every record of a run, and what the run took.
///
/// At the end of a run, every record that was read from the source is in exactly one of two places:
/// counted in [`delivered`](Self::delivered), or listed in [`unfinished`](Self::unfinished). Until
/// then, the rest is in progress. Of the delivered records, those without an output are counted by
/// the reason: [`failed_records`](Self::failed_records),
/// [`unreadable_records`](Self::unreadable_records) and
/// [`rejected_records`](Self::rejected_records).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Read from the source. A resumed run counts what it read itself.
    pub read: Count,
    /// Accepted by the service, each chunk once, however often it was pushed.
    pub pushed: Count,
    /// Pulled from the service.
    pub pulled: Count,
    /// Taken out of the run by the caller.
    pub delivered: Count,
    /// Delivered records for which the service returned an error, or nothing at all.
    pub failed_records: u64,
    /// Delivered records whose output is not what the output type expects.
    pub unreadable_records: u64,
    /// Delivered records that could not be sent.
    pub rejected_records: u64,
    /// Records without a result, in order, with the reason.
    pub unfinished: Vec<Unfinished>,
    /// How often a chunk was pushed that the service may thereby have computed twice, because a
    /// response, a result or a batch was lost. A run that resumes from a checkpoint older than its
    /// last push may have chunks computed twice that are not counted.
    pub resubmissions: u64,
    /// Results that came again and were dropped.
    pub duplicates: u64,
    /// Results with ids of another run, dropped. A run expects a batch to itself.
    pub foreign: u64,
    /// Pulls whose response was lost.
    pub lost_pulls: u64,
    /// Pushes that the service refused because its input buffer was full.
    pub refused_full: u64,
    /// The ids of the batches that were used, in order.
    pub batches: Vec<String>,
    /// Batches that creations without a response may have left behind. The service closes them when
    /// they are idle.
    pub batches_in_doubt: u64,
    /// The batches that are open. After the end: those that could not be closed, or were to be left
    /// open.
    pub left_open: Vec<String>,
    /// Requests that were sent.
    pub requests: RequestCounts,
    /// Bytes of the chunks that were pushed, each push counted.
    pub bytes_pushed: u64,
    /// Bytes of the results that were kept.
    pub bytes_pulled: u64,
    /// Time from the start of the run to its end, or to now.
    pub elapsed: Duration,
    ending: Option<Ending>,
}

impl Summary {
    pub(super) fn new(machine: &Machine, batches: &[String], elapsed: Duration) -> Self {
        let left_open = machine
            .open_batches()
            .into_iter()
            .filter_map(|nth| {
                batches
                    .get(usize::try_from(nth.checked_sub(1)?).ok()?)
                    .cloned()
            })
            .collect();
        Self::of(machine.totals(), batches.to_vec(), left_open, elapsed)
    }

    /// The summary of a run that could not start.
    pub(super) fn of_nothing() -> Self {
        Self::of(&Totals::default(), Vec::new(), Vec::new(), Duration::ZERO)
    }

    fn of(
        totals: &Totals,
        batches: Vec<String>,
        left_open: Vec<String>,
        elapsed: Duration,
    ) -> Self {
        let unfinished = totals
            .unfinished
            .iter()
            .map(|(records, reason)| Unfinished {
                records: records.clone(),
                reason: (*reason).into(),
            });
        Self {
            read: totals.read,
            pushed: totals.pushed,
            pulled: totals.pulled,
            delivered: totals.delivered,
            failed_records: totals.failed,
            unreadable_records: totals.unreadable,
            rejected_records: totals.rejected,
            unfinished: unfinished.collect(),
            resubmissions: totals.resubmissions,
            duplicates: totals.duplicates,
            foreign: totals.foreign,
            lost_pulls: totals.lost_pulls,
            refused_full: totals.refused_full,
            batches,
            batches_in_doubt: totals.batches_in_doubt,
            left_open,
            requests: totals.requests,
            bytes_pushed: totals.bytes_pushed,
            bytes_pulled: totals.bytes_pulled,
            elapsed,
            ending: totals.ending,
        }
    }

    /// Whether the run is over. Its last results may still wait to be taken.
    pub fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether the run is over, and every record of the source was delivered, be it with an output
    /// or with an error of its own.
    ///
    /// See [`all_succeeded`](Self::all_succeeded) for the stronger statement.
    pub fn is_complete(&self) -> bool {
        self.ending == Some(Ending::Complete)
            && self.unfinished.is_empty()
            && self.delivered.records == self.read.records
    }

    /// Whether the run [is complete](Self::is_complete), and every record has an output that could
    /// be read (or, if the run asked for summaries alone, no error).
    pub fn all_succeeded(&self) -> bool {
        self.is_complete()
            && self.failed_records + self.unreadable_records + self.rejected_records == 0
    }

    /// The number of records without a result.
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
            "{} of {} records delivered",
            self.delivered.records, self.read.records
        )?;
        let failed = [
            (self.failed_records, "failed at the service"),
            (self.unreadable_records, "with an unreadable output"),
            (self.rejected_records, "not sent"),
        ];
        let mut failed = failed.iter().filter(|(records, _)| *records > 0);
        if let Some((records, what)) = failed.next() {
            write!(f, " ({records} {what}")?;
            for (records, what) in failed {
                write!(f, ", {records} {what}")?;
            }
            f.write_str(")")?;
        }
        write!(f, " in {:.1} s", self.elapsed.as_secs_f64())?;
        if self.ending == Some(Ending::Cancelled) {
            f.write_str(", cancelled")?;
        }
        if !self.unfinished.is_empty() {
            write!(f, ", {} unfinished", self.unfinished_records())?;
        }
        if self.resubmissions > 0 {
            write!(f, ", {} chunks pushed again", self.resubmissions)?;
        }
        if self.batches.len() > 1 {
            write!(f, ", {} batches", self.batches.len())?;
        }
        if self.is_over() && !self.left_open.is_empty() {
            write!(f, ", left open: {}", self.left_open.join(", "))?;
        }
        Ok(())
    }
}

/// Records without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Their numbers, counted from 0 over the whole input.
    pub records: Range<u64>,
    /// The reason.
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

/// The reason for which records have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnfinishedReason {
    /// The run ended before.
    RunEnded,
    /// The record was read from the source and cannot be sent.
    Rejected,
    /// The service refused their chunk, although it fits.
    Refused,
    /// Their chunk is larger than the service's whole input buffer.
    TooLarge,
    /// The service has no result of their chunk, although it was pushed as often as allowed.
    Lost,
}

impl From<Reason> for UnfinishedReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Ended(_) => Self::RunEnded,
            Reason::Rejected => Self::Rejected,
            Reason::Refused => Self::Refused,
            Reason::Oversized => Self::TooLarge,
            Reason::Lost => Self::Lost,
        }
    }
}

impl fmt::Display for UnfinishedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunEnded => "the run ended before they had a result",
            Self::Rejected => "the record cannot be sent",
            Self::Refused => "the service refused the chunk",
            Self::TooLarge => "the chunk is larger than the input buffer",
            Self::Lost => "the service has no result, although the chunk was pushed again",
        })
    }
}
