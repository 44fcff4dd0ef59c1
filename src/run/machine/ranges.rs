//! A set of record numbers, kept as disjoint half-open ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Record numbers as sorted, disjoint, never adjacent ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// Start to end.
    spans: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range; what is in the set already stays in it.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        let (mut start, mut end) = (range.start, range.end);
        if start >= end {
            return;
        }
        // Ranges are disjoint and sorted, so only the last ones that start at or before `end` can touch the new one.
        while let Some((&s, &e)) = self.spans.range(..=end).next_back() {
            if e < start {
                break;
            }
            start = start.min(s);
            end = end.max(e);
            self.spans.remove(&s);
        }
        self.spans.insert(start, end);
    }

    /// The range of the set that holds this number.
    pub(crate) fn around(&self, number: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.spans.range(..=number).next_back()?;
        (number < end).then_some(start..end)
    }

    /// Whether any number of the range is in the set.
    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.spans
            .range(..range.end)
            .next_back()
            .is_some_and(|(_, &end)| end > range.start)
    }

    /// The start of the first range that begins after this number.
    pub(crate) fn next_start(&self, number: u64) -> Option<u64> {
        self.spans
            .range(number.saturating_add(1)..)
            .next()
            .map(|(&start, _)| start)
    }

    /// The lowest number that is not in the set.
    pub(crate) fn first_gap(&self) -> u64 {
        self.around(0).map_or(0, |range| range.end)
    }

    /// All ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.spans.iter().map(|(&start, &end)| start..end)
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_overlaps_are_merged() {
        let set: Ranges = [10..20, 30..40, 20..25, 0..5, 24..31].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..5, 10..40]);
        assert_eq!(set.first_gap(), 5);
        assert_eq!(set.around(39), Some(10..40));
        assert_eq!(set.around(40), None);
        assert_eq!(set.next_start(5), Some(10));
        assert!(set.overlaps(&(4..6)));
        assert!(!set.overlaps(&(5..10)));
    }

    #[test]
    fn any_order_gives_the_same_set() {
        let mut set = Ranges::default();
        for start in [7u64, 3, 9, 1, 5, 0, 8, 2, 6, 4] {
            set.insert(start * 10..start * 10 + 10);
        }
        assert!(set.iter().eq(std::iter::once(0..100)));
        assert_eq!(set.first_gap(), 100);
    }
}
