//! What a new process needs to continue where this one stopped.

use std::collections::BTreeMap;
use std::ops::Range;

use rangemap::RangeSet;
use serde::{Deserialize, Serialize};

use super::chunk_id::RunId;
use super::delivery::first_open;
use super::event::Key;

/// No record has a higher number: ids have room for 62 bits.
const LAST: u64 = 1 << 62;
/// More chunks than a run holds.
const MOST_CUTS: u64 = 1 << 20;

/// Where a run is, from the consumer's view: what the consumer took is delivered, all else is not.
///
/// Its size is bounded by the number of chunks that a run may hold, whatever the order of results:
/// between two ranges of delivered records lies a chunk that the run holds or has dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Mints the ids.
    pub(crate) run: RunId,
    /// Delivered records, as sorted ranges (start, end).
    done: Vec<(u64, u64)>,
    /// Chunks that were cut from the source and are not delivered.
    chunks: Vec<Cuts>,
}

/// Chunks of equal size that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cuts {
    /// The first record of the first of them.
    first: u64,
    /// Records in each.
    records: u64,
    /// How many there are.
    times: u64,
    /// Whether they may have been pushed.
    sent: bool,
}

impl Position {
    /// `chunks`: first record, number of records, and whether the service may have the chunk.
    pub(super) fn new(
        run: RunId,
        done: &RangeSet<u64>,
        chunks: impl Iterator<Item = (Key, u64, bool)>,
    ) -> Self {
        let mut position = Self {
            run,
            done: done.iter().map(|range| (range.start, range.end)).collect(),
            chunks: Vec::new(),
        };
        let sorted: BTreeMap<Key, (u64, bool)> = chunks
            .map(|(key, records, sent)| (key, (records, sent)))
            .collect();
        for (first, (records, sent)) in sorted {
            position.cut(first, records, sent);
        }
        position
    }

    /// The delivered records. A position comes from outside, so nonsense in it is left out.
    pub(super) fn done(&self) -> RangeSet<u64> {
        self.done
            .iter()
            .map(|&(start, end)| start..end)
            .filter(|range: &Range<u64>| !range.is_empty() && range.end <= LAST)
            .collect()
    }

    /// The number of the first record that was not delivered. A source may begin there.
    pub(crate) fn first_open(&self) -> u64 {
        first_open(&self.done())
    }

    /// The records of the largest chunk.
    pub(crate) fn max_cut(&self) -> u64 {
        self.chunks
            .iter()
            .map(|cuts| cuts.records)
            .max()
            .unwrap_or(0)
    }

    /// How many records were delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.done()
            .iter()
            .map(|range| range.end - range.start)
            .fold(0, u64::saturating_add)
    }

    /// Adds a chunk; chunks come in the order of the input.
    fn cut(&mut self, first: Key, records: u64, sent: bool) {
        if let Some(last) = self.chunks.last_mut()
            && last.records == records
            && last.sent == sent
            && last.first + last.records * last.times == first
        {
            last.times += 1;
            return;
        }
        self.chunks.push(Cuts {
            first,
            records,
            times: 1,
            sent,
        });
    }

    /// The chunks one by one: first record to (records, sent). Overlaps and overflows are left out.
    pub(super) fn cuts(&self) -> BTreeMap<Key, (u64, bool)> {
        let mut cuts = BTreeMap::new();
        let mut end = 0;
        for group in self.chunks.iter().filter(|group| group.records > 0) {
            for nth in 0..group.times.min(MOST_CUTS) {
                let first = nth
                    .checked_mul(group.records)
                    .and_then(|offset| group.first.checked_add(offset));
                let Some(first) = first else { break };
                let Some(next) = first.checked_add(group.records) else {
                    break;
                };
                if next > LAST {
                    break;
                }
                if first >= end {
                    cuts.insert(first, (group.records, group.sent));
                    end = next;
                }
            }
        }
        cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            run: RunId::from_random(9),
            done: vec![(0, 400), (600, 800)],
            chunks: Vec::new(),
        }
    }

    #[test]
    fn equal_neighbours_are_one_entry() {
        let mut position = position();
        for (first, records, sent) in [
            (400, 200, true),
            (800, 200, true),
            (1000, 200, true),
            (1200, 50, true),
        ] {
            position.cut(first, records, sent);
        }
        position.cut(1250, 50, false);
        assert_eq!(position.first_open(), 400);
        assert_eq!(position.chunks.len(), 4);
        let cuts: Vec<_> = position.cuts().into_iter().collect();
        assert_eq!(
            cuts,
            [
                (400, (200, true)),
                (800, (200, true)),
                (1000, (200, true)),
                (1200, (50, true)),
                (1250, (50, false))
            ]
        );
    }

    #[test]
    fn survives_text() {
        let mut position = position();
        position.cut(400, 200, true);
        let text = serde_json::to_string(&position).expect("serialise");
        assert_eq!(
            serde_json::from_str::<Position>(&text).expect("deserialise"),
            position
        );
    }

    #[test]
    fn nonsense_is_not_believed() {
        let mut position = position();
        position.chunks = vec![
            Cuts {
                first: 10,
                records: 0,
                times: 5,
                sent: true,
            },
            Cuts {
                first: u64::MAX - 1,
                records: 2,
                times: 3,
                sent: true,
            },
        ];
        assert!(position.cuts().is_empty());
    }
}
