//! What the service's counters tell about pushes whose answers were lost.

/// Chunks and records that went in, by one side's count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) chunks: u64,
    /// The service may not say it.
    pub(super) records: Option<u64>,
}

/// A push whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) chunks: u64,
    pub(super) records: u64,
    /// Not counted by the service, but of use to the caller.
    pub(super) bytes: u64,
}

/// Compares the service's count with ours at moments when no push is under way.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Ours: what the service is known to have taken in this batch.
    chunks: u64,
    records: u64,
    /// Both counts at the last quiet moment: the service's, then ours.
    mark: Option<(Count, u64, u64)>,
    /// The counts have differed: somebody else pushes as well, or the service counts in another way.
    unreliable: bool,
    /// An id was pushed again, which the service may or may not count.
    blurred: bool,
}

impl Counters {
    /// The service took a push.
    pub(super) fn accepted(&mut self, chunks: u64, records: u64) {
        self.chunks += chunks;
        self.records += records;
    }

    /// An id that the service may have taken before is pushed again.
    pub(super) fn blur(&mut self) {
        self.blurred = true;
    }

    /// A quiet moment without doubt: nothing is under way, so the counts have to agree.
    pub(super) fn quiet(&mut self, theirs: Count) {
        if let Some((mark, chunks, records)) = self.mark
            && !self.blurred
        {
            let same = |now: u64, then: u64, ours: u64| now.checked_sub(then) == Some(ours);
            self.unreliable |= !same(theirs.chunks, mark.chunks, self.chunks - chunks);
            if let (Some(now), Some(then)) = (theirs.records, mark.records) {
                self.unreliable |= !same(now, then, self.records - records);
            }
        }
        self.mark = Some((theirs, self.chunks, self.records));
        self.blurred = false;
    }

    /// Which of the doubtful pushes the service took, if the counts leave only one possibility.
    pub(super) fn resolve(&self, theirs: Count, doubts: &[Doubt]) -> Option<Vec<bool>> {
        let (mark, chunks, records) = self.mark?;
        // Pushes in flight are few; the bound only keeps the search small.
        if self.unreliable || self.blurred || doubts.len() > 12 {
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
        for taken in 0..1u32 << doubts.len() {
            let (mut c, mut r) = (0, 0);
            for (i, doubt) in doubts.iter().enumerate() {
                if taken & (1 << i) != 0 {
                    c += doubt.chunks;
                    r += doubt.records;
                }
            }
            if c == more_chunks
                && more_records.is_none_or(|records| records == r)
                && found.replace(taken).is_some()
            {
                return None;
            }
        }
        found.map(|taken| (0..doubts.len()).map(|i| taken & (1 << i) != 0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(chunks: u64, records: u64) -> Count {
        Count {
            chunks,
            records: Some(records),
        }
    }

    fn doubts(pushes: &[(u64, u64)]) -> Vec<Doubt> {
        pushes
            .iter()
            .map(|&(chunks, records)| Doubt {
                chunks,
                records,
                bytes: 0,
            })
            .collect()
    }

    #[test]
    fn doubts_and_what_the_counters_say() {
        // (pushes in doubt, the service's count, which were taken)
        type Row<'a> = (&'a [(u64, u64)], Count, Option<Vec<bool>>);
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
                Count {
                    chunks: 11,
                    records: None,
                },
                None,
            ),
            (
                &[(1, 200), (1, 150)],
                Count {
                    chunks: 12,
                    records: None,
                },
                Some(vec![true, true]),
            ),
        ];
        for (pushes, theirs, expected) in table {
            let mut counters = Counters::default();
            counters.quiet(count(0, 0));
            counters.accepted(10, 2000);
            assert_eq!(
                &counters.resolve(*theirs, &doubts(pushes)),
                expected,
                "{pushes:?} {theirs:?}"
            );
        }
    }

    #[test]
    fn a_batch_that_had_chunks_before_is_no_obstacle() {
        let mut counters = Counters::default();
        counters.quiet(count(70, 7000));
        counters.accepted(2, 400);
        counters.quiet(count(72, 7400));
        assert_eq!(
            counters.resolve(count(73, 7600), &doubts(&[(1, 200)])),
            Some(vec![true])
        );
    }

    #[test]
    fn counters_that_once_disagreed_decide_nothing() {
        let mut counters = Counters::default();
        counters.quiet(count(0, 0));
        counters.accepted(2, 400);
        counters.quiet(count(3, 600));
        assert_eq!(counters.resolve(count(3, 600), &doubts(&[(1, 200)])), None);
    }

    #[test]
    fn after_a_repeated_id_a_quiet_moment_is_needed() {
        let mut counters = Counters::default();
        counters.quiet(count(0, 0));
        counters.blur();
        counters.accepted(1, 200);
        assert_eq!(counters.resolve(count(1, 200), &doubts(&[(1, 200)])), None);
        counters.quiet(count(2, 400));
        assert_eq!(
            counters.resolve(count(3, 600), &doubts(&[(1, 200)])),
            Some(vec![true])
        );
    }
}
