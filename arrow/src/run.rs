//! A run over a table in progress.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use cspark_batches::run::{Checkpoint, Progress, Run, RunHandle, Summary};
use futures_util::stream::{Stream, StreamExt};
use serde::de::IgnoredAny;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::output::Output;
use crate::rows::InputError;

/// A run in progress: a stream of record batches with the outputs, and their [`Summary`].
///
/// It keeps all that [a run promises](cspark_batches::run). Dropping it stops the work at once; the
/// batch is then left to its idle time-out. To end it early and leave nothing behind,
/// [cancel](RunHandle::cancel) it and read the stream to its end.
#[must_use = "a run stops when it is dropped"]
pub struct TableRun {
    run: Run<IgnoredAny>,
    output: Output,
    input_error: InputError,
    /// Whether records are passed over whose inputs are held.
    resumed: bool,
    /// The error that comes last.
    error: Option<Error>,
    over: bool,
}

impl TableRun {
    pub(crate) fn new(
        run: Run<IgnoredAny>,
        output: Output,
        input_error: InputError,
        resumed: bool,
    ) -> Self {
        Self {
            run,
            output,
            input_error,
            resumed,
            error: None,
            over: false,
        }
    }

    /// The schema of the record batches; `None` while it is to be inferred and there was no output
    /// yet. It is known with the first batch.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.output.schema().cloned()
    }

    /// The summary so far; final when the stream has ended. Its failed records are those that the
    /// service failed; cells of another type than their column's do not count.
    pub fn summary(&self) -> Summary {
        self.run.summary()
    }

    /// How far the run is, as a receiver that also waits for changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.run.progress()
    }

    /// A handle that steers the run from elsewhere.
    pub fn handle(&self) -> RunHandle {
        self.run.handle()
    }

    /// The id of the batch in use, if there is one yet.
    pub fn batch_id(&self) -> Option<String> {
        self.run.batch_id()
    }

    /// A checkpoint from which another process can resume the run, with the rows that it counts as
    /// delivered and that were not returned yet, since they did not fill a record batch.
    ///
    /// Keep the rows first, as you keep those of the stream, then the checkpoint. Rows before the
    /// first output have no columns of outputs while these are [not known](Self::schema).
    ///
    /// # Errors
    ///
    /// If Arrow cannot make a batch of the rows.
    pub fn checkpoint(&mut self) -> Result<(Vec<RecordBatch>, Checkpoint)> {
        Ok((self.output.flush()?, self.run.checkpoint()))
    }

    /// The next record batch; `None` when the run is over and everything was taken.
    ///
    /// An error comes once and last.
    ///
    /// # Errors
    ///
    /// The reason for which the run ended before its work was done.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        StreamExt::next(self).await
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
        // What comes now is not wanted any more, and the batch is not to stay open.
        self.run.handle().cancel();
    }
}

impl Stream for TableRun {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(batch) = self.output.next() {
                return Poll::Ready(Some(Ok(batch)));
            }
            if self.over {
                return Poll::Ready(self.error.take().map(Err));
            }
            let Self {
                run, output, error, ..
            } = &mut *self;
            let mut read = |json: &str, records| match error {
                Some(_) => None,
                None => output.read(json, records),
            };
            match ready!(run.poll_next_with(cx, &mut read)) {
                Some(Ok(_)) if self.error.is_some() => {}
                Some(Ok(delivery)) => {
                    if let Err(error) = self.output.push(delivery) {
                        self.fail(error);
                    }
                    if self.resumed && self.output.joins_inputs() {
                        let open = self.run.first_open_record();
                        self.output.held().drop_before(open);
                    }
                }
                Some(Err(error)) => {
                    // A run whose input failed may say no more than that it ended too early.
                    let input_error = self.input_error.take();
                    let error = input_error.unwrap_or_else(|| error.into());
                    self.error.get_or_insert(error);
                }
                None => {
                    self.over = true;
                    let finished = self.output.finish();
                    let error = self.input_error.take().or(finished.err());
                    self.error = self.error.take().or(error);
                }
            }
        }
    }
}

impl fmt::Debug for TableRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableRun")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}
