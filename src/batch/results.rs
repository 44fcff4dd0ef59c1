//! The results of a batch until it is empty.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::pipeline::Pipeline;
use super::pull::Pulled;
use super::state::PipelineState;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::raw::types::{BatchStatus, ChunkResult, PipelineStatus, Status};
use crate::records::Outputs;

/// The waits between pulls that return nothing.
const WAITS: Backoff = Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(5),
};

/// A stream of the results of a batch, chunk by chunk, until the batch is empty.
///
/// Made by [`Pipeline::results`].
#[must_use = "nothing is pulled before the stream is polled"]
pub struct Results<T> {
    pipeline: Pipeline,
    until_idle: bool,
    max_chunks: Option<u32>,
    received: vec::IntoIter<ChunkResult<Outputs<T>>>,
    pull: Option<PendingPull<T>>,
    empty_pulls: u32,
    is_over: bool,
}

type PendingPull<T> = Pin<Box<dyn Future<Output = Result<Pulled<T>>> + Send>>;

impl Pipeline {
    /// Pulls the results of the batch until it is empty, and waits while they are computed.
    ///
    /// The batch may have been filled by anybody: the stream returns every result that nobody else
    /// has pulled. The batch is empty when it was closed (or has completed or failed), no results
    /// are available, and no chunks are in process. An open batch may get more chunks, so
    /// [`close`](Self::close) it when everything is pushed, or stop
    /// [when it is idle](Results::until_idle).
    ///
    /// Waits between pulls that return nothing grow from 0.1 to 5 seconds. The stream does not
    /// notice a service that makes no progress; a [run](Self::run) does.
    ///
    /// ```no_run
    /// # async fn example(spark: cspark_batches::Client) -> cspark_batches::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Volume {
    ///     volume: f64,
    /// }
    ///
    /// let mut results = spark.batches().of("the-batch-id").results::<Volume>();
    /// while let Some(chunk) = results.next().await {
    ///     let chunk = chunk?;
    ///     for record in chunk.records() {
    ///         println!("{:?} {}: {:?}", chunk.id, record.index, record.output.map(|it| it.volume));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn results<T: DeserializeOwned + Send + 'static>(&self) -> Results<T> {
        Results {
            pipeline: self.clone(),
            until_idle: false,
            max_chunks: None,
            received: Vec::new().into_iter(),
            pull: None,
            empty_pulls: 0,
            is_over: false,
        }
    }
}

impl<T> Results<T> {
    /// Also ends when the batch is open, no results are available, and no chunks are in process.
    pub fn until_idle(mut self) -> Self {
        self.until_idle = true;
        self
    }

    /// The most chunks in a pull, at least 1; 100 unless set.
    pub fn max_chunks(mut self, chunks: u32) -> Self {
        self.max_chunks = Some(chunks);
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Results<T> {
    /// Waits for the result of the next chunk. `None` means that the batch is empty.
    ///
    /// Dropping the future loses nothing: the next call continues the same pull. Dropping the
    /// stream loses the results of a pull that is in flight, and those that it has received and not
    /// returned yet.
    ///
    /// # Errors
    ///
    /// As awaiting [`Pull`](crate::Pull). An error ends the stream; a new one continues with the
    /// results that the service still has.
    pub async fn next(&mut self) -> Option<Result<ChunkResult<Outputs<T>>>> {
        StreamExt::next(self).await
    }

    fn start_pull(&self) -> PendingPull<T> {
        let pipeline = self.pipeline.clone();
        let max_chunks = self.max_chunks;
        let wait = (self.empty_pulls > 0).then(|| WAITS.delay(self.empty_pulls, fastrand::f64()));
        Box::pin(async move {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            let mut pull = pipeline.pull::<T>();
            if let Some(chunks) = max_chunks {
                pull = pull.max_chunks(chunks);
            }
            pull.await
        })
    }
}

// Results are moved out of it, never pinned in it.
impl<T> Unpin for Results<T> {}

impl<T: DeserializeOwned + Send + 'static> Stream for Results<T> {
    type Item = Result<ChunkResult<Outputs<T>>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(chunk) = this.received.next() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            let mut pull = this.pull.take().unwrap_or_else(|| this.start_pull());
            let Poll::Ready(pulled) = pull.as_mut().poll(cx) else {
                this.pull = Some(pull);
                return Poll::Pending;
            };
            let Pulled { chunks, status } = match pulled {
                Ok(pulled) => pulled,
                Err(error) => {
                    this.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if chunks.is_empty() {
                this.empty_pulls = this.empty_pulls.saturating_add(1);
                let is_closed = this.pipeline.state() != PipelineState::Open;
                this.is_over = (is_closed || this.until_idle) && is_drained(&status);
            } else {
                this.empty_pulls = 0;
                this.received = chunks.into_iter();
            }
        }
    }
}

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results")
            .field("pipeline", &self.pipeline)
            .field("until_idle", &self.until_idle)
            .field("max_chunks", &self.max_chunks)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

/// Whether a batch whose pull returned nothing has nothing left, by the status of that pull.
///
/// Fields may be absent. What is not known for certain counts as not drained, since results would
/// be lost otherwise.
fn is_drained(status: &Status) -> bool {
    if status.chunks_available.is_some_and(|chunks| chunks > 0) {
        return false;
    }
    if let Some(
        BatchStatus::Completed
        | BatchStatus::CompletedByTimeout
        | BatchStatus::Failed
        | BatchStatus::Cancelled,
    ) = status.batch_status
    {
        return true;
    }
    if let (Some(submitted), Some(completed)) = (status.chunks_submitted, status.chunks_completed) {
        return completed >= submitted;
    }
    if let (Some(bytes), Some(workers)) = (status.input_buffer_used_bytes, status.workers_in_use) {
        return bytes == 0 && workers == 0;
    }
    matches!(
        status.pipeline_status,
        Some(PipelineStatus::Idle | PipelineStatus::Closed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_drained_when_that_is_certain() {
        for (json, drained) in [
            (r#"{}"#, false),
            (r#"{"chunks_submitted": 2, "chunks_completed": 2}"#, true),
            (r#"{"chunks_submitted": 2, "chunks_completed": 1}"#, false),
            (
                r#"{"chunks_submitted": 2, "chunks_completed": 2, "chunks_available": 1}"#,
                false,
            ),
            (r#"{"chunks_submitted": 2}"#, false),
            (r#"{"batch_status": "closed"}"#, false),
            (r#"{"batch_status": "failed"}"#, true),
            (
                r#"{"batch_status": "completed", "chunks_available": 3}"#,
                false,
            ),
            (r#"{"batch_status": "completed_by_timeout"}"#, true),
            (
                r#"{"input_buffer_used_bytes": 0, "workers_in_use": 0}"#,
                true,
            ),
            (
                r#"{"input_buffer_used_bytes": 0, "workers_in_use": 1}"#,
                false,
            ),
            (r#"{"pipeline_status": "idle"}"#, true),
            (r#"{"pipeline_status": "in_progress"}"#, false),
        ] {
            let status = serde_json::from_str(json).unwrap();
            assert_eq!(is_drained(&status), drained, "{json}");
        }
    }
}
