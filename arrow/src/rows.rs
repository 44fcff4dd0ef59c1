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

/// The most rows that are encoded at a time, beside the budget of the run.
const BLOCK: usize = 2048;

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
        let length = batch.num_rows().min(BLOCK);
        self.rows = self
            .encoder
            .encode(&batch.slice(0, length), first)?
            .into_iter();
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
