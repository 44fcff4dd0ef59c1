//! What a new process needs to go on where this one stopped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Key;
use super::id::RunId;
use super::ranges::Ranges;

/// More chunks than any memory budget lets be in flight.
const MOST_CUTS: u64 = 1 << 20;

/// Where a run stands, by the consumer's view: what it took is delivered, all else is not.
///
/// Its size depends on the number of chunks in flight, not on the length of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Mints the ids.
    pub(crate) run: RunId,
    /// Records that were delivered, as sorted ranges (start, end).
    pub(crate) done: Vec<(u64, u64)>,
    /// Chunks that were cut from the source and are not delivered.
    pub(crate) chunks: Vec<Cuts>,
}

/// Chunks of equal size that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cuts {
    /// The first record of the first of them.
    pub(crate) first: u64,
    /// Records in each.
    pub(crate) records: u64,
    /// How many there are.
    pub(crate) times: u64,
    /// Whether they may have been pushed.
    pub(crate) sent: bool,
}

impl Position {
    /// The number of the first record that was not delivered. A source may begin there.
    pub(crate) fn first_open(&self) -> u64 {
        self.done
            .iter()
            .map(|&(start, end)| start..end)
            .collect::<Ranges>()
            .first_gap()
    }

    /// How many records were delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.done.iter().fold(0u64, |sum, &(start, end)| {
            sum.saturating_add(end.saturating_sub(start))
        })
    }

    /// Adds a chunk that was cut; chunks come in the order of the input.
    pub(super) fn cut(&mut self, first: Key, records: u64, sent: bool) {
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

    /// The cuts one by one: first record to (records, sent).
    ///
    /// A checkpoint comes from outside, so nonsense in it (overlaps, overflow) is left out rather than believed.
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
