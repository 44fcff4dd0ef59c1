//! The service's count of submitted chunks, against the run's own.

use super::event::Observation;

/// Chunks and records that the service says it has accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Submitted {
    pub(super) chunks: u64,
    /// The service need not say it.
    pub(super) records: Option<u64>,
}

impl Submitted {
    pub(super) fn of(observation: &Observation) -> Option<Self> {
        observation.chunks_submitted.map(|chunks| Self {
            chunks,
            records: observation.records_submitted,
        })
    }
}

/// The size of a push whose response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PushSize {
    pub(super) chunks: u64,
    pub(super) records: u64,
}

/// Compares the two counts at moments when no push is in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct SubmissionCounts {
    /// The run's: chunks and records that the service is known to have accepted in this batch.
    chunks: u64,
    records: u64,
    /// Both counts when they were last compared: the service's, then the run's.
    mark: Option<(Submitted, u64, u64)>,
    /// The service counts more than the run pushes: somebody else pushes as well.
    shared: bool,
    /// The service counts less than it has accepted.
    short: bool,
    /// A chunk was pushed again since the last comparison; the service may or may not count it.
    repeated: bool,
    /// The service does not count chunks that are pushed again.
    hides_repeats: bool,
}

impl SubmissionCounts {
    /// The counts of a batch that was just created: both begin at zero, so that even the first that
    /// is told can be too low.
    pub(super) fn from_zero() -> Self {
        let none = Submitted {
            chunks: 0,
            records: Some(0),
        };
        Self {
            mark: Some((none, 0, 0)),
            ..Self::default()
        }
    }

    /// The service accepted chunks.
    pub(super) fn accepted(&mut self, chunks: u64, records: u64) {
        self.chunks += chunks;
        self.records += records;
    }

    /// The chunks and records that the service has accepted in this batch.
    pub(super) fn accepted_so_far(&self) -> (u64, u64) {
        (self.chunks, self.records)
    }

    /// A chunk is pushed that the service may have already.
    pub(super) fn repeated(&mut self) {
        self.repeated = true;
    }

    /// Compares the counts. No push is in flight, and none is in doubt.
    pub(super) fn compare(&mut self, theirs: Submitted) {
        if let Some((mark, chunks, records)) = self.mark {
            let (ours, more) = (self.chunks - chunks, theirs.chunks.checked_sub(mark.chunks));
            let same_records = match (theirs.records, mark.records) {
                (Some(now), Some(then)) => now.checked_sub(then) == Some(self.records - records),
                _ => true,
            };
            let same = more == Some(ours) && same_records;
            if self.repeated {
                self.hides_repeats |= !same;
            } else {
                self.short = more.is_none_or(|more| more < ours);
                if self.short {
                    // The service may be late; the next comparison covers this time as well.
                    return;
                }
                self.shared |= !same;
            }
        }
        self.mark = Some((theirs, self.chunks, self.records));
        self.repeated = false;
    }

    /// Whether the service counts what it accepts.
    pub(super) fn agree(&self) -> bool {
        !self.short
    }

    /// Whether everything that the service may compute is in its count.
    pub(super) fn cover_everything(&self) -> bool {
        self.agree() && !self.repeated && !self.hides_repeats
    }

    /// Which of the pushes in doubt the service accepted, if the counts leave one possibility.
    pub(super) fn resolve(&self, theirs: Submitted, doubts: &[PushSize]) -> Option<Vec<bool>> {
        let (mark, chunks, records) = self.mark?;
        // Pushes in flight are few; the bound only keeps the search small.
        if self.shared || self.short || self.repeated || doubts.len() > 12 {
            return None;
        }
        let more_chunks = theirs
            .chunks
            .checked_sub(mark.chunks)?
            .checked_sub(self.chunks - chunks)?;
        let more_records = match (theirs.records, mark.records) {
            (Some(now), Some(then)) => {
                Some(now.checked_sub(then)?.checked_sub(self.records - records)?)
            }
            _ => None,
        };
        let mut found = None;
        for accepted in 0..1u32 << doubts.len() {
            let (mut c, mut r) = (0, 0);
            for (i, doubt) in doubts.iter().enumerate() {
                if accepted & (1 << i) != 0 {
                    c += doubt.chunks;
                    r += doubt.records;
                }
            }
            if c == more_chunks
                && more_records.is_none_or(|records| records == r)
                && found.replace(accepted).is_some()
            {
                return None;
            }
        }
        found.map(|accepted| {
            (0..doubts.len())
                .map(|i| accepted & (1 << i) != 0)
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(chunks: u64, records: u64) -> Submitted {
        Submitted {
            chunks,
            records: Some(records),
        }
    }

    fn doubts(pushes: &[(u64, u64)]) -> Vec<PushSize> {
        pushes
            .iter()
            .map(|&(chunks, records)| PushSize { chunks, records })
            .collect()
    }

    #[test]
    fn doubts_and_what_the_counts_say() {
        // (pushes in doubt, the service's count, which were accepted)
        type Row<'a> = (&'a [(u64, u64)], Submitted, Option<Vec<bool>>);
        let table: &[Row<'_>] = &[
            (&[(1, 200)], count(10, 2000), Some(vec![false])),
            (&[(1, 200)], count(11, 2200), Some(vec![true])),
            (&[(1, 200)], count(12, 2400), None),
            (&[(1, 200)], count(9, 1800), None),
            (
                &[(1, 200), (3, 600)],
                count(13, 2600),
                Some(vec![false, true]),
            ),
            (&[(1, 200), (1, 200)], count(11, 2200), None),
            (
                &[(1, 200), (1, 150)],
                count(11, 2150),
                Some(vec![false, true]),
            ),
            (
                &[(1, 200), (1, 150)],
                Submitted {
                    chunks: 11,
                    records: None,
                },
                None,
            ),
            (
                &[(1, 200), (1, 150)],
                Submitted {
                    chunks: 12,
                    records: None,
                },
                Some(vec![true, true]),
            ),
        ];
        for (pushes, theirs, expected) in table {
            let mut counts = SubmissionCounts::default();
            counts.compare(count(0, 0));
            counts.accepted(10, 2000);
            assert_eq!(
                &counts.resolve(*theirs, &doubts(pushes)),
                expected,
                "{pushes:?} {theirs:?}"
            );
        }
    }

    #[test]
    fn a_batch_that_had_chunks_before_is_no_obstacle() {
        let mut counts = SubmissionCounts::default();
        counts.compare(count(70, 7000));
        counts.accepted(2, 400);
        counts.compare(count(72, 7400));
        assert_eq!(
            counts.resolve(count(73, 7600), &doubts(&[(1, 200)])),
            Some(vec![true])
        );
    }

    #[test]
    fn counts_that_once_disagreed_decide_nothing() {
        let mut counts = SubmissionCounts::default();
        counts.compare(count(0, 0));
        counts.accepted(2, 400);
        counts.compare(count(3, 600));
        assert_eq!(counts.resolve(count(3, 600), &doubts(&[(1, 200)])), None);
    }

    #[test]
    fn after_a_repeated_id_a_quiet_moment_is_needed() {
        let mut counts = SubmissionCounts::default();
        counts.compare(count(0, 0));
        counts.repeated();
        counts.accepted(1, 200);
        assert_eq!(counts.resolve(count(1, 200), &doubts(&[(1, 200)])), None);
        counts.compare(count(2, 400));
        assert_eq!(
            counts.resolve(count(3, 600), &doubts(&[(1, 200)])),
            Some(vec![true])
        );
    }

    #[test]
    fn a_count_that_is_late_is_compared_again() {
        let mut counts = SubmissionCounts::default();
        counts.compare(count(0, 0));
        counts.accepted(2, 400);
        counts.compare(count(1, 200));
        assert!(!counts.agree());
        assert_eq!(counts.resolve(count(2, 400), &doubts(&[(1, 200)])), None);
        counts.compare(count(2, 400));
        assert!(counts.agree() && counts.cover_everything());
    }

    #[test]
    fn a_repeated_chunk_that_is_not_counted_may_still_be_computed() {
        for (theirs, covered) in [(2, true), (1, false)] {
            let mut counts = SubmissionCounts::default();
            counts.compare(count(0, 0));
            counts.accepted(1, 200);
            counts.repeated();
            counts.accepted(1, 200);
            assert!(!counts.cover_everything());
            counts.compare(count(theirs, 200 * theirs));
            assert_eq!(counts.cover_everything(), covered);
        }
    }
}
