//! The inputs of records whose outputs are still to come.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use arrow_array::cast::AsArray;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::DataType;

/// The batches that the run has read, as long as a record of theirs has no outcome. Clones share
/// them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<Batches>>);

/// How much may be held before the input is read further.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    /// So many records are always read, since the run may need them to fill a chunk.
    pub(crate) records: usize,
}

#[derive(Debug, Default)]
struct Batches {
    /// In the order of the input.
    batches: VecDeque<HeldBatch>,
    /// The number of the next record.
    next: u64,
    /// All records before have their outcome.
    done: u64,
    /// Of all batches.
    bytes: usize,
    /// Records without an outcome.
    open: u64,
    limit: Limit,
    /// Of the input, when it waits for room.
    reader: Option<Waker>,
}

#[derive(Debug)]
struct HeldBatch {
    first: u64,
    end: u64,
    bytes: usize,
    /// How many of its records have no outcome.
    open: u64,
    /// `None` when all have one.
    batch: Option<RecordBatch>,
}

impl Held {
    /// The first record of the input has this number, and those before `done` have their outcome.
    pub(crate) fn begin(&self, first: u64, done: u64, limit: Limit) {
        let mut held = self.lock();
        (held.next, held.done, held.limit) = (first, done, limit);
    }

    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the input may be read further.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = self.lock();
        if held.has_room() {
            return Poll::Ready(());
        }
        held.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Counts the records of a batch, and holds it if wanted. Returns the number of its first.
    pub(crate) fn add(&self, batch: &RecordBatch, hold: bool) -> u64 {
        let mut held = self.lock();
        let first = held.next;
        held.next += batch.num_rows() as u64;
        let open = held.next.saturating_sub(first.max(held.done));
        if hold && open > 0 {
            let bytes = size(batch);
            held.bytes += bytes;
            held.open += open;
            let end = held.next;
            held.batches.push_back(HeldBatch {
                first,
                end,
                bytes,
                open,
                batch: Some(batch.clone()),
            });
        }
        first
    }

    /// The inputs of these records, which have their outcome now. Empty if some are not held.
    pub(crate) fn take(&self, records: Range<u64>) -> Vec<RecordBatch> {
        let mut held = self.lock();
        let inputs = held.take(records).unwrap_or_default();
        held.let_go(|batch| batch.batch.is_none());
        inputs
    }

    /// Lets go of all batches before this record.
    pub(crate) fn drop_before(&self, record: u64) {
        let mut held = self.lock();
        held.done = held.done.max(record);
        held.let_go(|batch| batch.end <= record);
        // Those of its records that are passed over are never taken.
        if let Some(batch) = held.batches.front_mut() {
            let open = batch.open.min(batch.end - batch.first.max(record));
            let passed_over = batch.open - open;
            batch.open = open;
            held.open -= passed_over;
        }
    }
}

impl Batches {
    fn has_room(&self) -> bool {
        self.bytes < self.limit.bytes || self.open < self.limit.records as u64
    }

    fn take(&mut self, records: Range<u64>) -> Option<Vec<RecordBatch>> {
        let mut inputs = Vec::new();
        let mut at = records.start;
        let mut place = self
            .batches
            .partition_point(|batch| batch.first <= at)
            .checked_sub(1)?;
        while at < records.end {
            let batch = self.batches.get_mut(place)?;
            let rows = batch.batch.as_ref()?;
            let length = batch.end.min(records.end).checked_sub(at)?;
            if length == 0 {
                return None;
            }
            inputs.push(rows.slice((at - batch.first) as usize, length as usize));
            let closed = length.min(batch.open);
            batch.open -= closed;
            self.open -= closed;
            if batch.open == 0 {
                batch.batch = None;
                self.bytes -= std::mem::take(&mut batch.bytes);
            }
            at += length;
            place += 1;
        }
        Some(inputs)
    }

    /// Lets go of the first batches, and of the reader if there is room now.
    fn let_go(&mut self, is_done: impl Fn(&HeldBatch) -> bool) {
        while let Some(batch) = self.batches.front().filter(|batch| is_done(batch)) {
            self.bytes -= batch.bytes;
            self.open -= batch.open;
            self.batches.pop_front();
        }
        if self.has_room()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

/// The bytes of a batch's rows, without the rest of the buffers that it may be a slice of.
fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(size_of_column).sum()
}

fn size_of_column(column: &ArrayRef) -> usize {
    let size = column.to_data().get_slice_memory_size();
    size.unwrap_or_else(|_| column.get_array_memory_size()) + viewed(column)
}

/// The bytes of texts that are beside their views, which Arrow leaves out of the size of a slice.
fn viewed(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
        DataType::Struct(_) => column.as_struct().columns().iter().map(viewed).sum(),
        DataType::List(_) => viewed(column.as_list::<i32>().values()),
        DataType::LargeList(_) => viewed(column.as_list::<i64>().values()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
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

    fn count(held: &Held) -> usize {
        let held = held.lock();
        let batches = held.batches.iter();
        batches.filter(|batch| batch.batch.is_some()).count()
    }

    fn in_use(held: &Held) -> (usize, u64) {
        let held = held.lock();
        (held.bytes, held.open)
    }

    #[test]
    fn inputs_are_found_in_any_order_and_let_go() {
        let held = Held::default();
        held.begin(10, 10, Limit::default());
        assert_eq!(held.add(&batch(10..15), true), 10);
        assert_eq!(held.add(&batch(15..15), true), 15);
        assert_eq!(held.add(&batch(15..20), true), 15);
        assert_eq!(held.add(&batch(20..25), true), 20);
        assert_eq!(numbers(&held.take(18..24)), (18..24).collect::<Vec<_>>());
        assert_eq!(numbers(&held.take(13..18)), (13..18).collect::<Vec<_>>());
        assert_eq!(count(&held), 2);
        assert_eq!(numbers(&held.take(10..13)), [10, 11, 12]);
        assert_eq!(count(&held), 1);
        assert!(held.take(9..11).is_empty(), "it is not held any more");
        assert!(held.take(24..26).is_empty(), "the last one was never read");
        held.drop_before(25);
        assert_eq!(count(&held), 0);
    }

    #[test]
    fn the_input_waits_for_room() {
        let mut cx = Context::from_waker(Waker::noop());
        let held = Held::default();
        let bytes = size(&batch(0..5));
        assert_eq!(bytes, 5 * 8);
        held.begin(0, 0, Limit { bytes, records: 3 });
        assert!(held.poll_room(&mut cx).is_ready(), "nothing is held");
        held.add(&batch(0..5), true);
        assert!(held.poll_room(&mut cx).is_pending());
        held.take(0..2);
        assert!(held.poll_room(&mut cx).is_pending());
        held.take(2..3);
        assert_eq!(in_use(&held), (bytes, 2), "a batch is held as a whole");
        assert!(held.poll_room(&mut cx).is_ready(), "a chunk may need more");
        held.add(&batch(5..10).slice(1, 4), true);
        assert!(held.poll_room(&mut cx).is_pending());
        held.take(3..9);
        assert!(held.poll_room(&mut cx).is_ready());
        assert_eq!(in_use(&held), (0, 0));
    }

    #[test]
    fn records_that_are_passed_over_are_no_reason_to_wait() {
        let mut cx = Context::from_waker(Waker::noop());
        let held = Held::default();
        let limit = Limit {
            bytes: 1,
            records: 3,
        };
        held.begin(0, 8, limit);
        held.add(&batch(0..5), true);
        assert_eq!(count(&held), 0);
        held.add(&batch(5..10), true);
        assert_eq!(in_use(&held).1, 2);
        assert!(held.poll_room(&mut cx).is_ready());
        held.add(&batch(10..20), true);
        assert!(held.poll_room(&mut cx).is_pending());
        // Their results came, and those of the next ones the run before had.
        held.take(8..12);
        held.drop_before(18);
        assert_eq!((count(&held), in_use(&held).1), (1, 2));
        assert!(held.poll_room(&mut cx).is_ready());
        assert_eq!(numbers(&held.take(18..20)), [8, 9].map(|n| n + 10));
        assert_eq!(in_use(&held), (0, 0));
    }
}
