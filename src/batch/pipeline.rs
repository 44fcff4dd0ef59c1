//! One batch: push, pull, watch, close, cancel.

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

/// A batch, by its id. Cheap to clone; clones share state and statistics, and may be used from
/// many tasks at a time.
///
/// Made by [`Batches::create`](crate::Batches::create) and [`Batches::of`](crate::Batches::of).
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

    /// The batch's id. Keep it: it is what the batch can be taken up with again.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// What the service said when this batch was created; nothing for one taken up by its id.
    pub fn created(&self) -> Option<&Batch> {
        self.shared.created.as_ref()
    }

    /// What can be done with the batch, as far as this pipeline knows.
    pub fn state(&self) -> PipelineState {
        self.ledger().state()
    }

    /// The chunks that the service accepted from this pipeline, with their numbers of records.
    pub fn stats(&self) -> Stats {
        self.ledger().stats()
    }

    /// Gets the details of the batch: totals, configuration, who created it.
    ///
    /// # Errors
    ///
    /// Whatever keeps an answer from coming, after retries.
    #[doc(alias = "getInfo")]
    #[doc(alias = "get_info")]
    pub async fn info(&self) -> Result<Batch> {
        let batch = self.shared.calls.info(self.id()).await?;
        self.learn(batch.status());
        Ok(batch)
    }

    /// Gets the status of the batch: its counters and the fill of its buffers.
    ///
    /// # Errors
    ///
    /// Whatever keeps an answer from coming, after retries.
    #[doc(alias = "getStatus")]
    #[doc(alias = "get_status")]
    pub async fn status(&self) -> Result<Status> {
        let status = self.shared.calls.status(self.id()).await?;
        self.learn(status.batch_status.as_ref());
        Ok(status)
    }

    /// Adds chunks to the input buffer, in one request: all of them or none.
    ///
    /// A chunk counts as sent once the service has accepted it. If the push fails, ids and
    /// statistics are as before; pushing the same [`Chunk`](crate::Chunk)s again keeps their ids.
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
    /// [`ErrorKind::Input`] if the records can't be encoded or an id is empty or taken.
    /// Otherwise whatever the service answers; a push that does not fit into the input buffer is
    /// refused as a whole. It is repeated only where the service surely did not take it, since
    /// chunks that come twice may be computed twice;
    /// [`may_have_been_processed`](Error::may_have_been_processed) tells the doubtful cases.
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

    /// Takes results out of the output buffer: up to 100 chunks, in any order, unless told
    /// otherwise. Nothing happens before the result is awaited.
    ///
    /// `T` is what the outputs of one record are read into; see [`Outputs`](crate::Outputs).
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

    /// Closes the batch: no more chunks; pending ones are still computed, and can be pulled.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] before any request if it is closed or cancelled already. Otherwise
    /// whatever keeps an answer from coming, after retries; the pipeline stays open then.
    pub async fn close(&self) -> Result<Batch> {
        self.update(Operation::Close, BatchTransition::Closed).await
    }

    /// Cancels the batch: it stops at once, and drops all that is in its buffers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] before any request if it is cancelled already. Otherwise whatever keeps
    /// an answer from coming, after retries; the pipeline stays as it was then.
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

    /// A request whose answer was lost may have done its work, and its repetition be refused for
    /// just that reason: asks the service before telling the caller that it failed.
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
        "the batch takes another state"
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

/// Results that are to be pulled: set the most chunks if wanted, then `.await` it.
#[must_use = "nothing is pulled before it is awaited"]
pub struct Pull<'a, T> {
    pipeline: &'a Pipeline,
    max_chunks: Option<u32>,
    output: PhantomData<fn() -> T>,
}

impl<T> Pull<'_, T> {
    /// The most chunks to take, at least 1; 100 unless set.
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
    /// the most chunks are 0. Otherwise whatever keeps an answer from coming. The pull is repeated
    /// only where the service surely has not handed anything out; if
    /// [`may_have_been_processed`](Error::may_have_been_processed) says that it may have, the
    /// results in the lost answer are gone, and their chunks have to be pushed again.
    ///
    /// [`ErrorKind::Decode`] if the results are not what `T` expects. They exist nowhere else then,
    /// so [`Error::response_body`] has the whole answer, and [`Pulled::parse`] reads it with
    /// another type.
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
