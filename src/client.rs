//! The way in.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::batch::{Batches, Calls, raw_client};
use crate::config::{ClientBuilder, Settings};
use crate::error::Result;
use crate::raw;
use crate::service::Services;
use crate::transport::Transport;

/// A connection to one tenant of Spark. Cheap to clone, and shared freely between tasks.
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
    /// Settings to choose from; nothing is read from the environment.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A client from the `CSPARK_*` variables; see
    /// [`fill_from_env`](ClientBuilder::fill_from_env).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one is missing or wrong.
    pub fn from_env() -> Result<Self> {
        Self::builder().fill_from_env().build()
    }

    fn new(
        settings: Settings,
        proxy: Option<reqwest::Proxy>,
        http_client: Option<reqwest::Client>,
    ) -> Result<Self> {
        let transport = Transport::new(settings, proxy, http_client)?;
        Ok(Self {
            transport: Arc::new(transport),
        })
    }

    /// Origin and tenant that requests go to: `https://excel.uat.us.coherent.global/my-tenant`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.transport.settings().base_url.as_string()
    }

    /// The tenant's name.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.transport.settings().base_url.tenant()
    }

    /// The generated calls, for what the rest of this crate lacks, with credentials, request ids,
    /// limits and retries in place.
    ///
    /// An answer with another status than 2xx arrives as
    /// `UnexpectedResponse`, whole and with nothing masked; other failures as `Custom`, with the
    /// text of what would be an [`Error`](crate::Error).
    #[must_use]
    pub fn raw(&self) -> raw::Client {
        raw_client(Arc::clone(&self.transport))
    }

    /// Asks the environment whether it is up. Needs no credentials.
    ///
    /// # Errors
    ///
    /// Whatever keeps an answer from coming, after retries; an environment that answers with an
    /// error status is a [`Service`](crate::ErrorKind::Service) failure.
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

    /// The batches of the tenant.
    #[must_use]
    pub fn batches(&self) -> Batches {
        Batches::new(Calls::new(Arc::clone(&self.transport)))
    }
}

impl ClientBuilder {
    /// Checks the settings and makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a setting is missing or wrong; the
    /// message names it and says what would be right.
    pub fn build(self) -> Result<Client> {
        let settings = self.settings(&|name| std::env::var(name))?;
        Client::new(settings, self.proxy, self.http_client)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", self.transport.settings())
            .finish_non_exhaustive()
    }
}

/// What an environment says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// The word that it answered, `UP` if all is well.
    pub status: String,
}

impl Health {
    /// Whether the word is `UP`, in any case.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.status.eq_ignore_ascii_case("up")
    }
}
