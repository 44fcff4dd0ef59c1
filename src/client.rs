//! The client.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::batch::{Batches, Calls, raw_client};
use crate::config::{ClientBuilder, Http, Settings};
use crate::error::Result;
use crate::raw;
use crate::service::Services;
use crate::transport::Transport;

/// A client for one tenant of Spark.
///
/// A client is cheap to clone. Clones share their connections and tokens.
///
/// ```no_run
/// # async fn example() -> cspark_batches::Result<()> {
/// use cspark_batches::Client;
///
/// let client = Client::from_env()?;
/// assert!(client.health().await?.is_up());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "Spark")]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// Returns a builder, which reads nothing from the environment unless told to.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Creates a client from the `CSPARK_*` environment variables; see
    /// [`fill_from_env`](ClientBuilder::fill_from_env).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one is missing or wrong.
    pub fn from_env() -> Result<Self> {
        Self::builder().fill_from_env().build()
    }

    fn new(settings: Settings, proxy: Option<reqwest::Proxy>, http: Option<Http>) -> Result<Self> {
        let transport = Transport::new(settings, proxy, http)?;
        Ok(Self {
            transport: Arc::new(transport),
        })
    }

    /// Returns the origin and tenant that requests go to:
    /// `https://excel.uat.us.coherent.global/my-tenant`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.transport.settings().base_url.as_string()
    }

    /// Returns the tenant's name.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.transport.settings().base_url.tenant()
    }

    /// Returns the generated client, for calls that the rest of this crate lacks. Its requests have
    /// the credentials, request ids, limits and retries of this client.
    ///
    /// A response with an error status is an `UnexpectedResponse`, whole and with nothing masked.
    /// Other failures are `Custom`, with the text of the [`Error`](crate::Error).
    #[must_use]
    pub fn raw(&self) -> raw::Client {
        raw_client(Arc::clone(&self.transport))
    }

    /// Asks the environment whether it is up. This sends no credentials.
    ///
    /// # Errors
    ///
    /// If the request fails after retries. An environment that responds with a 5xx status is a
    /// [`Service`](crate::ErrorKind::Service) error.
    pub async fn health(&self) -> Result<Health> {
        self.transport.health().await
    }

    /// The services of the tenant, which describe their own inputs and outputs.
    #[must_use]
    pub fn services(&self) -> Services {
        Services::new(Calls::new(Arc::clone(&self.transport)))
    }

    #[cfg(test)]
    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// Returns the batches of the tenant.
    #[must_use]
    pub fn batches(&self) -> Batches {
        Batches::new(Calls::new(Arc::clone(&self.transport)))
    }
}

impl ClientBuilder {
    /// Validates the settings and creates the client, without sending anything.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a setting is missing or wrong. The
    /// message names the setting and says what would be right.
    pub fn build(self) -> Result<Client> {
        let settings = self.settings(&|name| std::env::var(name))?;
        Client::new(settings, self.proxy, self.http)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", self.transport.settings())
            .finish_non_exhaustive()
    }
}

/// The health of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// The status that the environment reports: `UP` if it is well.
    pub status: String,
}

impl Health {
    /// Returns whether the status is `UP`, in any case.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.status.eq_ignore_ascii_case("up")
    }
}
