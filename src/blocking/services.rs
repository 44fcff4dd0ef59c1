//! Questions to a service about itself.

use std::sync::Arc;

use super::runtime::Runtime;
use crate::batch::ServiceUri;
use crate::error::{Error, Result};
use crate::raw::types::{ServiceSchema, ServiceVersion};
use crate::service::{Columns, Differences, Document, Service};

/// The blocking counterpart of [`crate::service::Services`].
#[derive(Clone, Debug)]
pub struct Services {
    inner: crate::service::Services,
    runtime: Arc<Runtime>,
}

impl Services {
    pub(super) fn new(inner: crate::service::Services, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// The schema of a service.
    ///
    /// # Errors
    ///
    /// As [`crate::service::Services::schema`].
    pub fn schema<U>(&self, service: U) -> Result<Document<ServiceSchema>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        self.runtime.block_on(self.inner.schema(service))
    }

    /// The Swagger 2 document of a service.
    ///
    /// # Errors
    ///
    /// As [`crate::service::Services::swagger`].
    pub fn swagger<U>(&self, service: U) -> Result<Document<serde_json::Value>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        self.runtime.block_on(self.inner.swagger(service))
    }

    /// The versions of a service.
    ///
    /// # Errors
    ///
    /// As [`crate::service::Services::versions`].
    pub fn versions<U>(&self, service: U) -> Result<Vec<ServiceVersion>>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        self.runtime.block_on(self.inner.versions(service))
    }

    /// Compares the columns of a generated service with those that the service has now.
    ///
    /// # Errors
    ///
    /// As [`crate::service::Services::compare`].
    pub fn compare<S: Service>(&self) -> Result<Differences> {
        self.runtime.block_on(self.inner.compare::<S>())
    }

    /// Compares the columns that a program uses with those that a service has.
    ///
    /// # Errors
    ///
    /// As [`crate::service::Services::compare_columns`].
    pub fn compare_columns<U>(&self, service: U, used: &Columns) -> Result<Differences>
    where
        U: TryInto<ServiceUri>,
        Error: From<U::Error>,
    {
        self.runtime
            .block_on(self.inner.compare_columns(service, used))
    }
}
