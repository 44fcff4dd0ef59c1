//! A run in progress, for its user.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::stream::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::checkpoint::Checkpoint;
use super::collected::{Collected, Incomplete};
use super::delivery::{Delivery, ReadOutputs};
use super::log;
use super::machine::Event;
use super::progress::Progress;
use super::shared::Shared;
use super::summary::Summary;
use crate::error::Result;

/// A run in progress: a stream of [deliveries](Delivery), and their [`Summary`].
///
/// The run works in a task of its own, whether or not somebody waits for results, as far as the
/// memory budget allows.
///
/// Dropping it stops the task at once, with all requests in flight. The batch then stays open until
/// the service closes it after 30 idle minutes, since a destructor cannot send a request that is
/// sure to arrive. To end a run early and leave nothing behind, [`cancel`](RunHandle::cancel) or
/// [`finish`](RunHandle::finish) it, and take the deliveries that remain.
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

    /// The summary so far; final when the stream has ended.
    pub fn summary(&self) -> Summary {
        let elapsed = self.shared.now();
        let state = self.shared.lock();
        Summary::new(
            &state.machine,
            &state.batches,
            state.ended_at.unwrap_or(elapsed),
        )
    }

    /// How far the run is, as a receiver that also waits for changes.
    ///
    /// Copy out what you need: while a value is borrowed from the receiver, the run waits to
    /// report, and so does whoever steers it.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// A handle that steers the run from elsewhere.
    pub fn handle(&self) -> RunHandle {
        RunHandle {
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// The id of the batch in use, if there is one yet.
    pub fn batch_id(&self) -> Option<String> {
        self.shared.lock().batches.last().cloned()
    }

    /// A checkpoint from which another process can resume the run. It counts as delivered what was
    /// taken out of the run, and nothing else.
    ///
    /// Keep the results first, then the checkpoint; write it beside the old one and rename it,
    /// since a process may die in the middle of a write.
    ///
    /// ```no_run
    /// # use cspark_batches::run::Run;
    /// # async fn example(
    /// #     mut run: Run<serde_json::Value>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(delivery) = run.next().await {
    ///     let delivery = delivery?;
    ///     // Keep the results, then:
    ///     std::fs::write("checkpoint.new", serde_json::to_vec(&run.checkpoint())?)?;
    ///     std::fs::rename("checkpoint.new", "checkpoint.json")?;
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

    /// The number of the first record that was not taken out of the run: the
    /// [`first_open_record`](Checkpoint::first_open_record) of a checkpoint, without making one.
    pub fn first_open_record(&self) -> u64 {
        self.shared.lock().machine.first_open()
    }
}

impl<O: DeserializeOwned> Run<O> {
    /// The next delivery; `None` when the run is over and everything was taken.
    ///
    /// An error comes once and last. What was delivered before stays delivered, and
    /// [`summary`](Self::summary) lists the records without a result. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// The reason for which the run ended before its work was done; see
    /// [the module](super#errors).
    pub async fn next(&mut self) -> Option<Result<Delivery<O>>> {
        std::future::poll_fn(|cx| self.poll(cx, &mut |_, _| None)).await
    }

    /// Polls for the next delivery as [`Stream::poll_next`] does, with a [function](ReadOutputs)
    /// that reads the outputs of a whole chunk, such as into the columns of a table.
    ///
    /// It is called at most once for a delivery, before this method returns.
    pub fn poll_next_with(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut ReadOutputs<'_, O>,
    ) -> Poll<Option<Result<Delivery<O>>>> {
        self.poll(cx, read)
    }

    /// Takes all deliveries, and sorts them in the order of the input.
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

    fn poll(
        &self,
        cx: &mut Context<'_>,
        read: &mut ReadOutputs<'_, O>,
    ) -> Poll<Option<Result<Delivery<O>>>> {
        let queued = {
            // Registered before looking, so that no wake-up is lost.
            self.shared.consumer.register(cx.waker());
            let mut state = self.shared.lock();
            match state.outbox.pop_front() {
                Some(queued) => queued,
                None if state.ended_at.is_some() => {
                    state.conclude();
                    return Poll::Ready(state.error.take().map(Err));
                }
                None => return Poll::Pending,
            }
        };
        let key = queued.first;
        let delivery = Delivery::decode(queued, read);
        let failed = delivery.failed_records();
        if failed.total() > 0 {
            self.shared.lock().note_failure(&delivery);
        }
        self.shared.handle(Event::Taken { key, failed });
        Poll::Ready(Some(Ok(delivery)))
    }
}

impl<O: DeserializeOwned> Stream for Run<O> {
    type Item = Result<Delivery<O>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx, &mut |_, _| None)
    }
}

impl<O> Drop for Run<O> {
    fn drop(&mut self) {
        self.task.abort();
        let mut state = self.shared.lock();
        if state.ended_at.is_some() {
            state.conclude();
        } else if state.machine.has_batch()
            && let Some(batch) = state.batches.last()
        {
            log::dropped(batch);
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

/// Steers a run from elsewhere. Cheap to clone. It does nothing once the run is over or dropped.
#[derive(Clone)]
pub struct RunHandle {
    shared: Weak<Shared>,
}

impl RunHandle {
    /// Stops reading and pushing for now. The run still pulls and delivers what the service has,
    /// and keeps the batch from being closed as idle.
    pub fn pause(&self) {
        self.handle(Event::Pause);
    }

    /// Ends a pause.
    pub fn unpause(&self) {
        self.handle(Event::Unpause);
    }

    /// Reads no more input, delivers the rest, and closes the batch as usual.
    ///
    /// It also ends a pause, since the rest may have to be pushed.
    pub fn finish(&self) {
        self.handle(Event::Unpause);
        self.handle(Event::Finish);
    }

    /// Ends the run now, and cancels the batch. Results that were pulled are still delivered; then
    /// the stream ends without an error, and the summary lists the rest as unfinished.
    pub fn cancel(&self) {
        self.handle(Event::Cancel);
    }

    fn handle(&self, event: Event) {
        if let Some(shared) = self.shared.upgrade() {
            shared.handle(event);
        }
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle").finish_non_exhaustive()
    }
}
