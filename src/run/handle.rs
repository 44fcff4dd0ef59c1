//! A run that is under way, for its user.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::stream::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::machine::Event;
use super::shared::Shared;
use super::{Checkpoint, Collected, Delivery, Incomplete, Progress, Summary};
use crate::error::Result;

/// A run that is under way: a stream of [deliveries](Delivery), and the account of them.
///
/// Work goes on in a task of its own, whether or not somebody waits for results, as far as the memory budget allows.
///
/// Dropping the run stops that task at once, with all requests that it has in flight. The batch stays open then, and closes
/// by itself when it was idle for 30 minutes: nothing can be sent from a destructor that would surely arrive. To end a run
/// early and leave nothing behind, [`cancel`](RunHandle::cancel) or [`finish`](RunHandle::finish) it and take what
/// it still gives.
#[must_use = "a run stops when it is dropped"]
pub struct Run<O> {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    output: PhantomData<fn() -> O>,
}

impl<O> Run<O> {
    pub(super) fn new(shared: Arc<Shared>, task: JoinHandle<()>) -> Self {
        Self {
            shared,
            task,
            output: PhantomData,
        }
    }

    /// The account so far; final when the stream has ended.
    pub fn summary(&self) -> Summary {
        let elapsed = self.shared.now();
        let state = self.shared.lock();
        Summary::new(
            state.machine.account(),
            &state.batches,
            state.ended_at.unwrap_or(elapsed),
        )
    }

    /// How far the run is, and a way to wait for changes of that.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// A way to steer the run from elsewhere.
    pub fn handle(&self) -> RunHandle {
        RunHandle {
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// The batch that the run works with now, if there is one yet.
    pub fn batch_id(&self) -> Option<String> {
        self.shared.lock().batches.last().cloned()
    }

    /// Where the run stands: what was taken out of it counts as delivered, and nothing else.
    ///
    /// ```no_run
    /// # use cspark_batches::run::Run;
    /// # async fn example(mut run: Run<serde_json::Value>) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(delivery) = run.next().await {
    ///     let delivery = delivery?;
    ///     // Keep the results, then:
    ///     let checkpoint = serde_json::to_vec(&run.checkpoint())?;
    ///     std::fs::write("checkpoint.json", checkpoint)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn checkpoint(&self) -> Checkpoint {
        let state = self.shared.lock();
        let batch = state
            .batches
            .last()
            .filter(|_| state.machine.has_batch())
            .cloned();
        Checkpoint::new(self.shared.service.clone(), batch, state.machine.position())
    }
}

impl<O: DeserializeOwned> Run<O> {
    /// The next delivery; nothing when the run is over and everything was taken.
    ///
    /// An error comes once and last: what was delivered before stays delivered, and [`summary`](Self::summary) lists
    /// what came to no result. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// Why the run ended before its work was done; see [the module](super#errors).
    pub async fn next(&mut self) -> Option<Result<Delivery<O>>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Takes all deliveries and brings them into the order of the input.
    ///
    /// # Errors
    ///
    /// The run's error, together with all that was delivered before.
    pub async fn collect(mut self) -> Result<Collected<O>, Incomplete<O>> {
        let mut deliveries = Vec::new();
        let mut error = None;
        while let Some(delivery) = self.next().await {
            match delivery {
                Ok(delivery) => deliveries.push(delivery),
                Err(last) => error = Some(last),
            }
        }
        let collected = Collected::new(deliveries, self.summary());
        match error {
            None => Ok(collected),
            Some(error) => Err(Incomplete::new(error, collected)),
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery<O>>>> {
        let waiting = {
            let mut state = self.shared.lock();
            match state.outbox.pop_front() {
                Some(waiting) => waiting,
                None if state.over => return Poll::Ready(state.error.take().map(Err)),
                None => {
                    state.consumer_waits(cx.waker());
                    return Poll::Pending;
                }
            }
        };
        let key = waiting.key;
        let delivery = Delivery::read(waiting.chunk_id, key, waiting.records, waiting.result);
        self.shared.tell(Event::Taken {
            key,
            failed: delivery.failed(),
        });
        Poll::Ready(Some(Ok(delivery)))
    }
}

impl<O: DeserializeOwned> Stream for Run<O> {
    type Item = Result<Delivery<O>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl<O> Drop for Run<O> {
    fn drop(&mut self) {
        self.task.abort();
        let state = self.shared.lock();
        if !state.over && state.machine.has_batch() {
            let batch = state.batches.last().map(String::as_str);
            tracing::warn!(
                cspark.batch.id = batch,
                "run dropped before its end; the batch stays open until it is idle for too long"
            );
        }
    }
}

impl<O> fmt::Debug for Run<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("progress", &*self.shared.progress.borrow())
            .finish_non_exhaustive()
    }
}

/// Steers a run from elsewhere. Cheap to clone; does nothing once the run is over or dropped.
#[derive(Clone)]
pub struct RunHandle {
    shared: Weak<Shared>,
}

impl RunHandle {
    /// Reads and pushes nothing more for now. What the service has is still pulled and delivered, and the batch is kept
    /// from being closed as idle.
    pub fn pause(&self) {
        self.tell(Event::Pause);
    }

    /// Goes on after a pause.
    pub fn unpause(&self) {
        self.tell(Event::Resume);
    }

    /// Reads no more input, and delivers the rest; then the batch is closed as usual.
    ///
    /// It also ends a pause, since the rest may have to be pushed.
    pub fn finish(&self) {
        self.tell(Event::Resume);
        self.tell(Event::Finish);
    }

    /// Ends the run now and cancels the batch. Results that have come are still delivered; the stream then ends without an
    /// error, and the summary lists the rest as unfinished.
    pub fn cancel(&self) {
        self.tell(Event::Cancel);
    }

    fn tell(&self, event: Event) {
        if let Some(shared) = self.shared.upgrade() {
            shared.tell(event);
        }
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle").finish_non_exhaustive()
    }
}
