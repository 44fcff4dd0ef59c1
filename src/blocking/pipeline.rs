//! One batch.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::RunBuilder;
use super::runtime::Runtime;
use super::source::on_threads;
use crate::batch::{PipelineState, Pulled, Push, Pushed, Stats};
use crate::error::Result;
use crate::raw::types::{Batch, ChunkResult, Status};
use crate::records::Outputs;
use crate::run::IntoSource;

/// The blocking counterpart of [`crate::Pipeline`].
#[derive(Clone, Debug)]
pub struct Pipeline {
    inner: crate::batch::Pipeline,
    runtime: Arc<Runtime>,
}

impl Pipeline {
    pub(super) fn new(inner: crate::batch::Pipeline, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// Returns the batch's id; see [`crate::Pipeline::id`].
    #[must_use]
    pub fn id(&self) -> &str {
        self.inner.id()
    }

    /// Returns the service's response to the creation; see [`crate::Pipeline::created`].
    #[must_use]
    pub fn created(&self) -> Option<&Batch> {
        self.inner.created()
    }

    /// Returns the state of the batch; see [`crate::Pipeline::state`].
    #[must_use]
    pub fn state(&self) -> PipelineState {
        self.inner.state()
    }

    /// Returns the chunks that the service accepted; see [`crate::Pipeline::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// Reads the details of the batch; see [`crate::Pipeline::info`].
    ///
    /// # Errors
    ///
    /// As [`crate::Pipeline::info`].
    pub fn info(&self) -> Result<Batch> {
        self.runtime.block_on(self.inner.info())
    }

    /// Reads the status of the batch; see [`crate::Pipeline::status`].
    ///
    /// # Errors
    ///
    /// As [`crate::Pipeline::status`].
    pub fn status(&self) -> Result<Status> {
        self.runtime.block_on(self.inner.status())
    }

    /// Adds chunks to the input buffer; see [`crate::Pipeline::push`].
    ///
    /// # Errors
    ///
    /// As [`crate::Pipeline::push`].
    pub fn push<'a>(&self, push: impl Into<Push<'a>> + Send) -> Result<Pushed> {
        self.runtime.block_on(self.inner.push(push))
    }

    /// Pulls results when it is sent; see [`crate::Pipeline::pull`].
    pub fn pull<T: DeserializeOwned>(&self) -> Pull<'_, T> {
        Pull {
            inner: self.inner.pull(),
            runtime: &self.runtime,
        }
    }

    /// Pulls the results of the batch until it is empty; see [`crate::Pipeline::results`].
    pub fn results<T: DeserializeOwned + Send + 'static>(&self) -> Results<T> {
        Results {
            inner: self.inner.results(),
            runtime: Arc::clone(&self.runtime),
        }
    }

    /// Closes the batch; see [`crate::Pipeline::close`].
    ///
    /// # Errors
    ///
    /// As [`crate::Pipeline::close`].
    pub fn close(&self) -> Result<Batch> {
        self.runtime.block_on(self.inner.close())
    }

    /// Cancels the batch; see [`crate::Pipeline::cancel`].
    ///
    /// # Errors
    ///
    /// As [`crate::Pipeline::cancel`].
    pub fn cancel(&self) -> Result<Batch> {
        self.runtime.block_on(self.inner.cancel())
    }

    /// Runs records through this batch, and closes it at the end; see [`crate::Pipeline::run`].
    pub fn run<I: 'static, O>(&self, records: impl IntoSource<I>) -> RunBuilder<I, O> {
        let run = self.inner.run(on_threads(records.into_source()));
        RunBuilder::new(run, Arc::clone(&self.runtime))
    }
}

/// A builder for a pull: set the number of chunks if needed, then [`send`](Self::send) it.
#[derive(Debug)]
#[must_use = "nothing is pulled until it is sent"]
pub struct Pull<'a, T> {
    inner: crate::batch::Pull<'a, T>,
    runtime: &'a Runtime,
}

impl<T: DeserializeOwned + Send> Pull<'_, T> {
    /// Sets the maximum number of chunks; see [`crate::Pull::max_chunks`].
    pub fn max_chunks(mut self, chunks: u32) -> Self {
        self.inner = self.inner.max_chunks(chunks);
        self
    }

    /// Pulls.
    ///
    /// # Errors
    ///
    /// As awaiting [`crate::Pull`].
    pub fn send(self) -> Result<Pulled<T>> {
        self.runtime.block_on(self.inner.into_future())
    }
}

/// The blocking counterpart of [`crate::Results`]: an iterator over the results of a batch, chunk
/// by chunk, until the batch is empty.
#[must_use = "nothing is pulled before the iterator is advanced"]
pub struct Results<T> {
    inner: crate::batch::Results<T>,
    runtime: Arc<Runtime>,
}

impl<T> Results<T> {
    options! { "Results":
        until_idle();
        max_chunks(chunks: u32);
    }
}

impl<T: DeserializeOwned + Send + 'static> Iterator for Results<T> {
    type Item = Result<ChunkResult<Outputs<T>>>;

    /// Waits for the result of the next chunk; see [`crate::Results::next`].
    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.inner.next())
    }
}

impl<T: DeserializeOwned + Send + 'static> FusedIterator for Results<T> {}

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
