//! One batch: push, pull, status, close, cancel.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use super::calls::Calls;
use super::pull::Pulled;
use super::push::{Push, Pushed};
use super::state::{Ledger, PipelineState, Reservation, Stats};
use crate::chunk::push_body;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;
use crate::raw::types::{Batch, BatchStatus, BatchTransition, Status};

/// A batch.
///
/// A pipeline is cheap to clone. Clones share state and statistics, and may be used from many tasks
/// at a time. [`Batches::create`](crate::Batches::create) and [`Batches::of`](crate::Batches::of)
/// return pipelines.
#[derive(Clone)]
pub struct Pipeline {
    shared: Arc<Shared>,
}

struct Shared {
    calls: Calls,
    id: String,
    created: Option<Batch>,
    ledger: Mutex<Ledger>,
}

impl Pipeline {
    pub(crate) fn new(calls: Calls, id: String, created: Option<Batch>) -> Self {
        let ledger = Mutex::default();
        Self {
            shared: Arc::new(Shared {
                calls,
                id,
                created,
                ledger,
            }),
        }
    }

    /// Returns the batch's id. Another process can use the batch with it: see
    /// [`Batches::of`](crate::Batches::of).
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Returns the service's response to the creation of the batch; `None` for a pipeline from
    /// [`Batches::of`](crate::Batches::of).
    pub fn created(&self) -> Option<&Batch> {
        self.shared.created.as_ref()
    }

    /// Returns the state of the batch, as far as this pipeline knows.
    pub fn state(&self) -> PipelineState {
        self.ledger().state()
    }

    /// Returns the chunks that the service accepted from this pipeline, with their numbers of
    /// records.
    pub fn stats(&self) -> Stats {
        self.ledger().stats()
    }

    /// Reads the details of the batch: totals, configuration, creator.
    ///
    /// # Errors
    ///
    /// If the request fails after retries.
    #[doc(alias = "getInfo")]
    #[doc(alias = "get_info")]
    pub async fn info(&self) -> Result<Batch> {
        let batch = self.shared.calls.info(self.id()).await?;
        self.learn(batch.status());
        Ok(batch)
    }

    /// Reads the status of the batch: its counters and the fill level of its buffers.
    ///
    /// # Errors
    ///
    /// If the request fails after retries.
    #[doc(alias = "getStatus")]
    #[doc(alias = "get_status")]
    pub async fn status(&self) -> Result<Status> {
        let status = self.shared.calls.status(self.id()).await?;
        self.learn(status.batch_status.as_ref());
        Ok(status)
    }

    /// Adds chunks to the input buffer in one request: all of them or none.
    ///
    /// If the push fails, ids and statistics are as before. Push the same
    /// [`Chunk`](crate::Chunk)s again, so that they keep their ids.
    ///
    /// ```no_run
    /// # async fn example(pipeline: cspark_batches::Pipeline) -> cspark_batches::Result<()> {
    /// use cspark_batches::Push;
    /// use serde_json::json;
    ///
    /// let records = [json!({"value": 42}), json!({"value": 43})];
    /// let pushed = pipeline.push(Push::records(&records).chunk_size(2)).await?;
    /// println!("{} chunks, {:?} records in all", pushed.chunks.len(), pushed.status.submitted());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Before any request: [`ErrorKind::State`] if the batch is closed or cancelled,
    /// [`ErrorKind::Input`] if the records can't be encoded, or an id is empty or was used before.
    ///
    /// Otherwise, if the request fails. The service refuses a push that does not fit into the input
    /// buffer as a whole. A push is repeated only if the service did not process it, because chunks
    /// that are pushed twice may be computed twice. If
    /// [`may_have_been_processed`](Error::may_have_been_processed) is true, the service may have
    /// the chunks.
    pub async fn push(&self, push: impl Into<Push<'_>> + Send) -> Result<Pushed> {
        let operation = Operation::Push;
        self.ledger()
            .state()
            .allows(operation)
            .map_err(|why| self.forbidden(operation, why))?;
        let here = |error: Error| error.with_operation(operation).with_batch(self.id());
        let (chunks, duplicates) = push.into().into_parts().map_err(here)?;
        let reservation =
            Reservation::new(&self.shared.ledger, chunks, duplicates).map_err(here)?;
        if reservation.chunks().is_empty() {
            let (chunks, skipped) = reservation.accept();
            return Ok(Pushed {
                status: Status::default(),
                chunks,
                skipped,
            });
        }
        let body = push_body(reservation.chunks().iter().map(|(chunk, _)| chunk)).map_err(here)?;
        let status = self.shared.calls.push(self.id(), body).await?;
        self.learn(status.batch_status.as_ref());
        let (chunks, skipped) = reservation.accept();
        Ok(Pushed {
            status,
            chunks,
            skipped,
        })
    }

    /// Removes results from the output buffer and returns them: those of up to 100 chunks unless
    /// set, in any order. Nothing happens until the result is awaited.
    ///
    /// The outputs of one record are decoded as a `T`; see [`Outputs`](crate::Outputs).
    ///
    /// ```no_run
    /// # async fn example(pipeline: cspark_batches::Pipeline) -> cspark_batches::Result<()> {
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Volume {
    ///     volume: f64,
    /// }
    ///
    /// let pulled = pipeline.pull::<Volume>().max_chunks(2).await?;
    /// for chunk in &pulled.chunks {
    ///     for record in chunk.records() {
    ///         println!("{:?} {}: {:?} {:?}", chunk.id, record.index, record.output, record.error);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pull<T: DeserializeOwned>(&self) -> Pull<'_, T> {
        Pull {
            pipeline: self,
            max_chunks: None,
            output: PhantomData,
        }
    }

    /// Closes the batch: it accepts no more chunks. Pending ones are still computed, and can be
    /// pulled.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] before any request if the batch is already closed or cancelled.
    /// Otherwise, if the request fails after retries; the pipeline then stays open.
    pub async fn close(&self) -> Result<Batch> {
        self.update(Operation::Close, BatchTransition::Closed).await
    }

    /// Cancels the batch: it stops at once, and drops the content of its buffers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] before any request if the batch is already cancelled. Otherwise, if the
    /// request fails after retries; the state of the pipeline then stays as it was.
    pub async fn cancel(&self) -> Result<Batch> {
        self.update(Operation::Cancel, BatchTransition::Cancelled)
            .await
    }

    async fn update(&self, operation: Operation, batch_status: BatchTransition) -> Result<Batch> {
        self.ledger()
            .state()
            .allows(operation)
            .map_err(|why| self.forbidden(operation, why))?;
        let updated = self.shared.calls.update(self.id(), batch_status).await;
        let batch = match updated {
            Ok(batch) => batch,
            Err(error) => self.after_all(operation, error).await?,
        };
        self.learn(Some(&match batch_status {
            BatchTransition::Closed => BatchStatus::Closed,
            BatchTransition::Cancelled => BatchStatus::Cancelled,
        }));
        self.learn(batch.status());
        Ok(batch)
    }

    /// The service may refuse a repeated request because the first one worked and only its response
    /// was lost. So this asks the service for the state before it returns the error.
    async fn after_all(&self, operation: Operation, error: Error) -> Result<Batch> {
        if !(error.may_have_been_processed() && error.kind() == ErrorKind::Refused) {
            return Err(error);
        }
        match self.info().await {
            Ok(batch) if self.state().allows(operation).is_err() => Ok(batch),
            _ => Err(error),
        }
    }

    pub(crate) fn learn(&self, status: Option<&BatchStatus>) {
        if let Some(state) = self.ledger().learn(status) {
            state_changed(self.id(), state);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    /// # Errors
    ///
    /// When the batch takes no more chunks.
    pub(crate) fn check_open(&self) -> Result<()> {
        let allowed = self.ledger().state().allows(Operation::Push);
        allowed.map_err(|why| self.forbidden(Operation::Push, why))
    }

    fn forbidden(&self, operation: Operation, why: &'static str) -> Error {
        Error::state(why)
            .with_operation(operation)
            .with_batch(self.id())
    }
}

/// Logs that a batch was closed or cancelled, by the caller or according to a response.
fn state_changed(batch_id: &str, state: PipelineState) {
    tracing::info!(
        target: "cspark_batches",
        { cspark.batch.id = batch_id, cspark.batch.state = ?state },
        "the batch changed its state"
    );
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("id", &self.shared.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A builder for a pull: set the number of chunks if needed, then `.await` it.
#[must_use = "nothing is pulled before it is awaited"]
pub struct Pull<'a, T> {
    pipeline: &'a Pipeline,
    max_chunks: Option<u32>,
    output: PhantomData<fn() -> T>,
}

impl<T> Pull<'_, T> {
    /// Sets the maximum number of chunks, at least 1. 100 unless set.
    pub fn max_chunks(mut self, chunks: u32) -> Self {
        self.max_chunks = Some(chunks);
        self
    }
}

impl<'a, T: DeserializeOwned + Send + 'a> IntoFuture for Pull<'a, T> {
    type Output = Result<Pulled<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Pulled<T>>> + Send + 'a>>;

    /// Pulls.
    ///
    /// # Errors
    ///
    /// Before any request: [`ErrorKind::State`] if the batch is cancelled, [`ErrorKind::Input`] if
    /// the maximum number of chunks is 0.
    ///
    /// Otherwise, if the request fails. It is repeated only if the service did not process it. If
    /// [`may_have_been_processed`](Error::may_have_been_processed) is true, the results in the lost
    /// response are gone, and their chunks have to be pushed again.
    ///
    /// [`ErrorKind::Decode`] if the results can't be decoded as `T`. The service no longer has
    /// them, so [`Error::response_body`] returns the whole response, and [`Pulled::parse`] decodes
    /// it as another type.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let pipeline = self.pipeline;
            let operation = Operation::Pull;
            pipeline
                .state()
                .allows(operation)
                .map_err(|why| pipeline.forbidden(operation, why))?;
            let max = match self.max_chunks.map(NonZeroU32::new) {
                Some(None) => {
                    let error = Error::input("max_chunks is 0; it has to be at least 1");
                    return Err(error.with_operation(operation).with_batch(pipeline.id()));
                }
                max => max.flatten(),
            };
            let received = pipeline.calls().pull(pipeline.id(), max).await?;
            let pulled = Pulled::read(&received)?;
            pipeline.learn(pulled.status.batch_status.as_ref());
            Ok(pulled)
        })
    }
}

impl<T> fmt::Debug for Pull<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull")
            .field("pipeline", self.pipeline)
            .field("max_chunks", &self.max_chunks)
            .finish()
    }
}
