//! Where the runs of a service are, and with which client.

use std::sync::Arc;
#[cfg(feature = "codec")]
use std::sync::OnceLock;

use cspark_batches::Client;
use cspark_batches_arrow::Inner;
use datafusion::error::Result;

#[cfg(feature = "codec")]
use crate::service::external;

pub(crate) type SetOptions = dyn Fn(Inner) -> Inner + Send + Sync;

#[derive(Clone)]
pub(crate) enum Connection {
    /// All runs are in this process.
    Process(Client),
    /// The runs are in the executors of a cluster, and this is one of them or the scheduler.
    #[cfg(feature = "codec")]
    Cluster(Arc<Executor>),
}

impl Connection {
    pub(crate) fn client(&self) -> Result<Client> {
        match self {
            Self::Process(client) => Ok(client.clone()),
            #[cfg(feature = "codec")]
            Self::Cluster(executor) => executor.client(),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        match self {
            Self::Process(_) => false,
            #[cfg(feature = "codec")]
            Self::Cluster(_) => true,
        }
    }

    /// Options that the executor has for all runs.
    pub(crate) fn options(&self) -> Option<Arc<SetOptions>> {
        match self {
            Self::Process(_) => None,
            #[cfg(feature = "codec")]
            Self::Cluster(executor) => executor.options.clone(),
        }
    }
}

/// What the executor has for services, and the plan does not.
#[cfg(feature = "codec")]
#[derive(Clone, Default)]
pub(crate) struct Executor {
    /// Created when a run needs it, since the scheduler has no credentials and needs none.
    pub(crate) client: OnceLock<Client>,
    pub(crate) options: Option<Arc<SetOptions>>,
}

#[cfg(feature = "codec")]
impl Executor {
    fn client(&self) -> Result<Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = Client::from_env().map_err(external)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}
