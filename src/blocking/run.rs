//! The managed run.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::runtime::Runtime;
use crate::batch::Create;
use crate::chunk::Chunker;
use crate::error::Result;
use crate::raw::types::SummaryRequest;
use crate::run::{
    AfterError, Checkpoint, Collected, Delivery, Incomplete, Progress, RunHandle, Summary,
};
use crate::service::{Columns, Service};

/// The blocking counterpart of [`crate::run::RunBuilder`]: set options, then [`start`](Self::start)
/// it to iterate over the results, or [`collect`](Self::collect) them all at once.
///
/// The source is read on a thread of its own, so it may block, as an iterator over a channel, a
/// database or another run does. [`RunHandle::finish`] waits for the chunk that is being read.
/// Cancelling or dropping the run does not wait; the source is then dropped as soon as it returns.
#[must_use = "nothing runs until it is started or collected"]
pub struct RunBuilder<I, O> {
    inner: crate::run::RunBuilder<I, O>,
    runtime: Arc<Runtime>,
}

impl<I, O> RunBuilder<I, O> {
    pub(super) fn new(inner: crate::run::RunBuilder<I, O>, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// Compares the columns of a generated service with those that the service has.
    ///
    /// # Errors
    ///
    /// As [`crate::run::RunBuilder::check_schema`].
    pub fn check_schema<S: Service>(self) -> Result<Self> {
        self.check_columns(&S::columns())
    }

    /// Compares the columns that the program uses with those that the service has.
    ///
    /// # Errors
    ///
    /// As [`crate::run::RunBuilder::check_columns`].
    pub fn check_columns(self, used: &Columns) -> Result<Self> {
        let Self { inner, runtime } = self;
        let inner = runtime.block_on(inner.check_columns(used))?;
        Ok(Self { inner, runtime })
    }

    options! { "run::RunBuilder":
        chunk_size(records: usize);
        chunk_bytes(bytes: usize);
        parameters(parameters: &(impl ?Sized + Serialize));
        chunk_summary(summary: SummaryRequest);
        chunker(chunker: Chunker);
        batch_options(set: impl FnOnce(Create) -> Create);
        memory(bytes: usize);
        chunks_in_flight(chunks: usize);
        in_input_order();
        keep_inputs();
        keep_outputs();
        deliver_bad_records();
        failure_limit(records: u64);
        allow_unreadable_outputs();
        pushes_in_flight(pushes: usize);
        pulls_in_flight(pulls: usize);
        max_push_bytes(bytes: usize);
        max_push_chunks(chunks: usize);
        max_pull_chunks(chunks: u32);
        min_poll_interval(interval: Duration);
        max_poll_interval(interval: Duration);
        initial_backoff(wait: Duration);
        max_backoff(wait: Duration);
        keep_alive(time: Duration);
        outage_limit(time: Duration);
        first_response_limit(time: Duration);
        stall_limit(time: Duration);
        resubmissions(times: u32);
        settle_time(time: Duration);
        confirm_time(time: Duration);
        reopen(reopen: bool);
        split_large_chunks(split: bool);
        skip_refused_chunks(skip: bool);
        after_error(what: AfterError);
        expect_records(records: u64);
        resume(checkpoint: Checkpoint);
        resume_at(checkpoint: Checkpoint);
    }
}

impl<I, O: DeserializeOwned> RunBuilder<I, O> {
    /// Starts the run in the background; see [`crate::run::RunBuilder::start`].
    ///
    /// # Errors
    ///
    /// As [`crate::run::RunBuilder::start`].
    pub fn start(self) -> Result<Run<O>> {
        let inner = self.runtime.block_on(async { self.inner.start() })?;
        Ok(Run {
            inner,
            runtime: self.runtime,
        })
    }
}

impl<I, O> RunBuilder<I, O>
where
    I: 'static,
    O: DeserializeOwned + Send + 'static,
{
    /// Runs to the end and returns all outcomes in the order of the input. They are all held in
    /// memory, in addition to the budget.
    ///
    /// # Errors
    ///
    /// As awaiting [`crate::run::RunBuilder`]: if the run can't start or ends early. The error has
    /// everything that was delivered until then.
    pub fn collect(self) -> Result<Collected<O>, Incomplete<O>> {
        // Also started in here, because a run works in the runtime that it is started in.
        self.runtime.block_on(async { self.inner.await })
    }
}

impl<I, O> fmt::Debug for RunBuilder<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The blocking counterpart of [`crate::run::Run`]: an iterator over the [deliveries](Delivery),
/// and the account of them.
///
/// The run works in the background, even if nobody iterates, as far as the memory budget allows.
/// Dropping the run stops it at once, and leaves the batch open; see [`crate::run::Run`]. So
/// iterate over `&mut run` to ask for the [`summary`](Self::summary) afterwards.
#[must_use = "a run stops when it is dropped"]
pub struct Run<O> {
    inner: crate::run::Run<O>,
    runtime: Arc<Runtime>,
}

impl<O> Run<O> {
    /// Returns the account so far. It is final when the iterator has ended.
    pub fn summary(&self) -> Summary {
        self.inner.summary()
    }

    /// Returns the progress of the run.
    pub fn progress(&self) -> Progress {
        self.inner.progress().borrow().clone()
    }

    /// Returns a handle to control the run, from another thread for example.
    pub fn handle(&self) -> RunHandle {
        self.inner.handle()
    }

    /// Returns the id of the batch that the run works with, if there is one.
    pub fn batch_id(&self) -> Option<String> {
        self.inner.batch_id()
    }

    /// Returns a checkpoint, with which another process can resume the run; see
    /// [`crate::run::Run::checkpoint`].
    pub fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint()
    }
}

impl<O: DeserializeOwned> Iterator for Run<O> {
    type Item = Result<Delivery<O>>;

    /// Waits for the next delivery. Returns `None` when the run has ended and everything has been
    /// delivered.
    ///
    /// An error comes once, as the last item; see [`crate::run::Run::next`].
    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.inner.next())
    }
}

impl<O: DeserializeOwned> FusedIterator for Run<O> {}

impl<O> fmt::Debug for Run<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
