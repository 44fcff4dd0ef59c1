//! The run of one partition.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cspark_batches_arrow::TableRun;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use futures_util::{Stream, StreamExt as _};
use tokio::runtime::Handle;

use crate::metrics::RunMetrics;
use crate::service::{SparkService, external};
use crate::sharing::Permit;

/// How long the end of a cancelled run is waited for.
const FAREWELL: Duration = Duration::from_secs(60);

/// The results of a partition. When it is dropped before its end, its batch is cancelled.
pub(crate) struct PartitionRun {
    /// `None` when it is over.
    run: Option<TableRun>,
    service: SparkService,
    schema: SchemaRef,
    /// The places of the wanted columns among those of the run.
    places: Vec<usize>,
    metrics: RunMetrics,
    /// Given back when the run is over.
    permit: Option<Permit>,
    runtime: Handle,
}

impl PartitionRun {
    /// Of a run that was started on the current runtime, whose schema is known.
    pub(crate) fn try_new(
        run: TableRun,
        service: SparkService,
        schema: SchemaRef,
        metrics: RunMetrics,
        permit: Permit,
    ) -> Result<Self> {
        let columns = run.schema().unwrap_or_else(|| Arc::new(Schema::empty()));
        let fields = schema.fields().iter();
        let places = fields.map(|field| columns.index_of(field.name()));
        let places = places.collect::<Result<_, _>>()?;
        Ok(Self {
            run: Some(run),
            service,
            schema,
            places,
            metrics,
            permit: Some(permit),
            runtime: Handle::current(),
        })
    }

    /// The columns that are wanted, in their order.
    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let places = self.places.iter();
        let columns = places.map(|place| ArrayRef::clone(batch.column(*place)));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = SchemaRef::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema,
            columns.collect(),
            &options,
        )?)
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let Some(run) = &mut self.run else {
            return Poll::Ready(None);
        };
        let next = match run.poll_next_unpin(cx) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                self.metrics.wait();
                return Poll::Pending;
            }
        };
        self.metrics.go_on();
        Poll::Ready(match next {
            Some(Ok(batch)) => {
                self.service.count(batch.num_rows());
                Some(self.project(&batch))
            }
            Some(Err(error)) => {
                self.end();
                Some(Err(external(error)))
            }
            None => {
                self.end();
                None
            }
        })
    }

    fn end(&mut self) {
        if let Some(run) = self.run.take() {
            self.metrics.report(&run.summary());
        }
        self.permit = None;
    }
}

impl Stream for PartitionRun {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.poll_batch(cx));
        self.metrics.baseline.record_poll(Poll::Ready(next))
    }
}

impl Drop for PartitionRun {
    fn drop(&mut self) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        self.metrics.report(&run.summary());
        run.handle().cancel();
        let permit = self.permit.take();
        // The request that cancels the batch takes its time, and nobody waits for it.
        self.runtime.spawn(async move {
            let drained = async { while run.next().await.is_some() {} };
            drop(tokio::time::timeout(FAREWELL, drained).await);
            drop(permit);
        });
    }
}
