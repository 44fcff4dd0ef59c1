//! The inputs of records whose outputs are still to come.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;

/// The batches that the run has read, as long as a record of theirs has no outcome. Clones share
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Held(Arc<Mutex<Batches>>);

#[derive(Debug)]
struct Batches {
    /// In the order of the input.
    batches: VecDeque<HeldBatch>,
    /// The number of the next record.
    next: u64,
}

#[derive(Debug)]
struct HeldBatch {
    first: u64,
    /// How many of its records have no outcome.
    open: u64,
    /// `None` when all have one.
    batch: Option<RecordBatch>,
}

impl Held {
    /// Holds nothing yet; the first record has this number.
    pub(crate) fn new(first: u64) -> Self {
        let batches = VecDeque::new();
        Self(Arc::new(Mutex::new(Batches {
            batches,
            next: first,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the records of a batch, and holds it if wanted. Returns the number of its first.
    pub(crate) fn add(&self, batch: &RecordBatch, hold: bool) -> u64 {
        let mut held = self.lock();
        let first = held.next;
        let records = batch.num_rows() as u64;
        held.next += records;
        if hold && records > 0 {
            held.batches.push_back(HeldBatch {
                first,
                open: records,
                batch: Some(batch.clone()),
            });
        }
        first
    }

    /// The inputs of these records, which have their outcome now. Empty if some are not held.
    pub(crate) fn take(&self, records: Range<u64>) -> Vec<RecordBatch> {
        let mut held = self.lock();
        let mut inputs = Vec::new();
        let mut at = records.start;
        let mut place = held
            .batches
            .partition_point(|batch| batch.first <= at)
            .checked_sub(1);
        while at < records.end {
            let Some(batch) = place.and_then(|place| held.batches.get_mut(place)) else {
                return Vec::new();
            };
            let Some(rows) = &batch.batch else {
                return Vec::new();
            };
            let end = (batch.first + rows.num_rows() as u64).min(records.end);
            let Some(length) = end.checked_sub(at).filter(|length| *length > 0) else {
                return Vec::new();
            };
            inputs.push(rows.slice((at - batch.first) as usize, length as usize));
            batch.open = batch.open.saturating_sub(length);
            if batch.open == 0 {
                batch.batch = None;
            }
            at = end;
            place = place.map(|place| place + 1);
        }
        while held
            .batches
            .front()
            .is_some_and(|batch| batch.batch.is_none())
        {
            held.batches.pop_front();
        }
        inputs
    }

    /// Lets go of all batches before this record.
    pub(crate) fn drop_before(&self, record: u64) {
        let mut held = self.lock();
        while held.batches.front().is_some_and(|batch| {
            let rows = batch.batch.as_ref().map_or(0, RecordBatch::num_rows);
            batch.first + rows as u64 <= record
        }) {
            held.batches.pop_front();
        }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let held = self.lock();
        held.batches
            .iter()
            .filter(|batch| batch.batch.is_some())
            .count()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    fn batch(numbers: Range<i64>) -> RecordBatch {
        let column = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", column as _)]).unwrap()
    }

    fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
        let columns = batches
            .iter()
            .map(|batch| batch.column(0).as_primitive::<Int64Type>());
        columns
            .flat_map(|column| column.values().to_vec())
            .collect()
    }

    #[test]
    fn inputs_are_found_in_any_order_and_let_go() {
        let held = Held::new(10);
        assert_eq!(held.add(&batch(10..15), true), 10);
        assert_eq!(held.add(&batch(15..15), true), 15);
        assert_eq!(held.add(&batch(15..20), true), 15);
        assert_eq!(held.add(&batch(20..25), true), 20);
        assert_eq!(numbers(&held.take(18..24)), (18..24).collect::<Vec<_>>());
        assert_eq!(numbers(&held.take(13..18)), (13..18).collect::<Vec<_>>());
        assert_eq!(held.count(), 2);
        assert_eq!(numbers(&held.take(10..13)), [10, 11, 12]);
        assert_eq!(held.count(), 1);
        assert!(held.take(9..11).is_empty(), "it is not held any more");
        assert!(held.take(24..26).is_empty(), "the last one was never read");
        held.drop_before(25);
        assert_eq!(held.count(), 0);
    }
}
