//! The blocking client.

use std::sync::Arc;

use super::runtime::Runtime;
use super::{Batches, Services};
use crate::client::Health;
use crate::config::ClientBuilder;
use crate::error::{Error, Result};

/// The blocking counterpart of [`crate::Client`].
///
/// A client is cheap to clone and can be shared between threads.
#[derive(Clone, Debug)]
pub struct Client {
    inner: crate::client::Client,
    runtime: Arc<Runtime>,
}

impl Client {
    /// Creates a client from the `CSPARK_*` environment variables.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::from_env`]; also if no thread can be started.
    pub fn from_env() -> Result<Self> {
        Self::build(crate::client::Client::builder().fill_from_env())
    }

    /// Creates a client from settings.
    ///
    /// ```no_run
    /// use cspark_batches::{blocking, Client};
    ///
    /// # fn main() -> cspark_batches::Result<()> {
    /// let settings = Client::builder().env("us").tenant("my-tenant").api_key("my-key");
    /// let client = blocking::Client::build(settings)?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::build`]; also if no thread can be started.
    pub fn build(settings: ClientBuilder) -> Result<Self> {
        let inner = settings.build()?;
        let runtime = Runtime::start().map_err(|error| {
            Error::config("the thread for the blocking client can't be started").with_source(error)
        })?;
        Ok(Self {
            inner,
            runtime: Arc::new(runtime),
        })
    }

    /// The services of the tenant; see [`crate::Client::services`].
    #[must_use]
    pub fn services(&self) -> Services {
        Services::new(self.inner.services(), Arc::clone(&self.runtime))
    }

    /// Returns the origin and tenant that requests go to; see [`crate::Client::base_url`].
    #[must_use]
    pub fn base_url(&self) -> String {
        self.inner.base_url()
    }

    /// Returns the tenant's name.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.inner.tenant()
    }

    /// Returns the batches of the tenant.
    #[must_use]
    pub fn batches(&self) -> Batches {
        Batches::new(self.inner.batches(), Arc::clone(&self.runtime))
    }

    /// Asks the environment whether it is up; see [`crate::Client::health`].
    ///
    /// # Errors
    ///
    /// As [`crate::Client::health`].
    pub fn health(&self) -> Result<Health> {
        self.runtime.block_on(self.inner.health())
    }
}
