//! The batches of a tenant.

use std::sync::Arc;

use serde_json::Value;

use super::runtime::Runtime;
use super::source::on_threads;
use super::{Pipeline, RunBuilder};
use crate::batch::ServiceUri;
use crate::error::{Error, Result};
use crate::raw::timestamp::Timestamp;
use crate::raw::types::DescribeResponse;
use crate::run::IntoSource;
use crate::service::Service;

/// The blocking counterpart of [`crate::Batches`].
#[derive(Clone, Debug)]
pub struct Batches {
    inner: crate::batch::Batches,
    runtime: Arc<Runtime>,
}

impl Batches {
    pub(super) fn new(inner: crate::batch::Batches, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// Lists recent batches; see [`crate::Batches::describe`].
    ///
    /// # Errors
    ///
    /// As [`crate::Batches::describe`].
    pub fn describe(&self) -> Result<DescribeResponse> {
        self.runtime.block_on(self.inner.describe())
    }

    /// Creates a batch when it is sent; see [`crate::Batches::create`].
    pub fn create<U>(&self, service: U) -> Create
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        Create {
            inner: self.inner.create(service),
            runtime: Arc::clone(&self.runtime),
        }
    }

    /// Runs records through a batch that is created for them; see [`crate::Batches::run`].
    pub fn run<I: 'static, O>(
        &self,
        service: impl TryInto<ServiceUri, Error: Into<Error>>,
        records: impl IntoSource<I>,
    ) -> RunBuilder<I, O> {
        let run = self.inner.run(service, on_threads(records.into_source()));
        RunBuilder::new(run, Arc::clone(&self.runtime))
    }

    /// Runs records of a generated service through it; see [`crate::Batches::run_service`].
    pub fn run_service<S: Service>(
        &self,
        records: impl IntoSource<S::Input>,
    ) -> RunBuilder<S::Input, S::Output> {
        self.run(S::LOCATOR, records)
    }

    /// Returns a pipeline for a batch that exists; see [`crate::Batches::of`].
    pub fn of(&self, id: impl Into<String>) -> Pipeline {
        Pipeline::new(self.inner.of(id), Arc::clone(&self.runtime))
    }
}

/// A builder for a batch: set options, then [`send`](Self::send) it.
#[derive(Debug)]
#[must_use = "nothing is created until it is sent"]
pub struct Create {
    inner: crate::batch::Create,
    runtime: Arc<Runtime>,
}

impl Create {
    options! { "Create":
        active_since(moment: impl Into<Timestamp>);
        source_system(name: impl Into<String>);
        correlation_id(id: impl Into<String>);
        call_purpose(purpose: impl Into<String>);
        selected_outputs<S: AsRef<str>>(names: impl IntoIterator<Item = S>);
        subservices<S: AsRef<str>>(names: impl IntoIterator<Item = S>);
        input_key<S: AsRef<str>>(names: impl IntoIterator<Item = S>);
        min_runners(runners: u32);
        max_runners(runners: u32);
        chunks_per_vm(chunks: u32);
        runners_per_vm(runners: u32);
        max_input_size(megabytes: u32);
        max_output_size(megabytes: u32);
        accuracy(share: f64);
        extra(name: impl Into<String>, value: impl Into<Value>);
    }

    /// Creates the batch.
    ///
    /// # Errors
    ///
    /// As awaiting [`crate::Create`].
    pub fn send(self) -> Result<Pipeline> {
        let pipeline = self.runtime.block_on(self.inner.into_future())?;
        Ok(Pipeline::new(pipeline, self.runtime))
    }
}
