//! The rows of a stream of record batches.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use cspark_batches::JsonRow;
use futures_util::stream::Stream;

use crate::encode::{Row, RowEncoder};
use crate::error::{Error, Result};
use crate::held::Held;
use crate::table::BatchStream;

/// The error that the input ended with, for the run to end with it. Clones share it.
///
/// A run that delivers the errors of records would take it for that of one record, and read on.
#[derive(Clone, Default)]
pub(crate) struct InputError(Arc<Mutex<Option<Error>>>);

impl InputError {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn take(&self) -> Option<Error> {
        let mut error = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.take()
    }
}

/// Encodes record batches as the run reads their rows.
pub(crate) struct Rows {
    batches: BatchStream,
    encoder: RowEncoder,
    held: Held,
    hold: bool,
    /// The rest of a batch, and the number of its first record.
    rest: Option<(RecordBatch, u64)>,
    rows: std::vec::IntoIter<Row>,
    error: InputError,
    over: bool,
}

impl Rows {
    pub(crate) fn new(batches: BatchStream, encoder: RowEncoder, held: Held, hold: bool) -> Self {
        Self {
            batches,
            encoder,
            held,
            hold,
            rest: None,
            rows: Vec::new().into_iter(),
            error: InputError::default(),
            over: false,
        }
    }

    /// Where the error of the input will be, when the rows before it are read.
    pub(crate) fn error(&self) -> InputError {
        self.error.clone()
    }

    fn fail(&mut self, error: Error) {
        self.error.set(error);
        self.over = true;
    }

    fn encode_block(&mut self, batch: &RecordBatch, first: u64) -> Result<()> {
        let rows = self.encoder.encode(batch, first)?;
        let length = rows.len();
        self.rows = rows.into_iter();
        let rest = batch.num_rows() - length;
        self.rest = (rest > 0).then(|| (batch.slice(length, rest), first + length as u64));
        Ok(())
    }
}

impl Stream for Rows {
    type Item = Result<JsonRow>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Poll::Ready(Some(row));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let (batch, first) = match self.rest.take() {
                Some(rest) => rest,
                None => {
                    ready!(self.held.poll_room(cx));
                    match ready!(self.batches.as_mut().poll_next(cx)) {
                        Some(Ok(batch)) => {
                            let first = self.held.add(&batch, self.hold);
                            (batch, first)
                        }
                        Some(Err(error)) => {
                            self.fail(Error::Arrow(error));
                            continue;
                        }
                        None => {
                            self.over = true;
                            continue;
                        }
                    }
                }
            };
            if let Err(error) = self.encode_block(&batch, first) {
                self.fail(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;
    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::held::Limit;

    /// The numbers of rows of the blocks in which texts are encoded, in batches of these lengths.
    fn blocks(batches: &[&[usize]]) -> Vec<usize> {
        let batches = batches.iter().map(|lengths| {
            let texts = lengths.iter().map(|length| "x".repeat(*length));
            let texts = Arc::new(StringArray::from_iter_values(texts));
            RecordBatch::try_from_iter([("text", texts as _)]).unwrap()
        });
        let batches: Vec<_> = batches.collect();
        let encoder = RowEncoder::new(&batches[0].schema(), None).unwrap();
        let batches = Box::pin(stream::iter(batches.into_iter().map(Ok)));
        let mut rows = Rows::new(batches, encoder, Held::default(), false);
        let limit = Limit {
            bytes: 1,
            records: 1,
        };
        rows.held.begin(0, 0, limit);
        let mut blocks = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(row)) = rows.poll_next_unpin(&mut cx) {
            row.unwrap();
            blocks.push(1 + rows.rows.by_ref().map(Result::unwrap).count());
        }
        assert!(rows.over);
        blocks
    }

    #[test]
    fn rows_are_encoded_in_blocks_of_one_mebibyte() {
        assert_eq!(blocks(&[&[1; 5000]]), [2048, 2048, 904]);
        // The first block shows that they are long, and so do later ones.
        assert_eq!(blocks(&[&[100_000; 30]]), [11, 9, 9, 1]);
        assert_eq!(blocks(&[&[1; 2048], &[100_000; 12]]), [2048, 11, 1]);
        assert_eq!(blocks(&[&[3 << 20; 3]]), [1, 1, 1]);
        // What comes after long rows is not encoded one by one for ever.
        let mut lengths = vec![3 << 20];
        lengths.extend([1; 3000]);
        assert_eq!(blocks(&[&lengths]), [1, 1, 2048, 951]);
    }
}
