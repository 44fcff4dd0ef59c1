//! Requests and answers: credentials, ids, retries, limits. Knows nothing of batches.

mod attempt;
mod batch_id;
mod call;
#[cfg(feature = "gzip")]
mod compress;
mod engine;
mod headers;
mod http_client;
mod retry;
mod retry_after;
mod trace;

pub(crate) use batch_id::check_batch_id;
pub(crate) use call::{Call, CallLog};
pub(crate) use engine::Engine;
pub(crate) use headers::{API_KEY, is_own_header};
pub use retry::RetryPolicy;
pub(crate) use retry::{Decision, Failed, Outcome, Repeat, decide};

use http::{HeaderMap, Method};
use reqwest::{Request, Url};
use serde::Deserialize;

use crate::auth::{Auth, ClientCredentials, Credential, Credentials, Redactor, Secret, Source};
use crate::config::Settings;
use crate::{Error, Operation, Result};

/// Everything that a call needs, once per client.
#[derive(Debug)]
pub(crate) struct Transport {
    engine: Engine,
    auth: Auth,
    headers: HeaderMap,
    settings: Settings,
}

impl Transport {
    pub(crate) fn new(
        settings: Settings,
        proxy: Option<reqwest::Proxy>,
        http_client: Option<reqwest::Client>,
    ) -> Result<Self> {
        let client = match http_client {
            Some(client) => client,
            None => http_client::build(&settings, proxy)?,
        };
        let engine = Engine::new(client, &settings, redactor(&settings));
        Ok(Self {
            auth: auth(&settings, &engine)?,
            headers: headers::common(&settings)?,
            engine,
            settings,
        })
    }

    /// Asks whether the environment is up. Without credentials, since there is no tenant in it.
    pub(crate) async fn health(&self) -> Result<bool> {
        #[derive(Deserialize)]
        struct Health {
            status: String,
        }
        let call = Call::new(Operation::Health);
        let log = CallLog::new();
        let url: Url = self
            .settings
            .base_url
            .health()
            .parse()
            .map_err(|_| Error::config("the base URL leads to no health check"))?;
        let mut request = Request::new(Method::GET, url);
        *request.headers_mut() = self.headers.clone();
        let answer = self
            .engine
            .run(request, &call, &Auth::Open, &log)
            .await
            .map_err(|stopped| stopped.error)?;
        let health: Health = decode(&answer.body)
            .map_err(|error| log.undecodable(self.masked(error, &log), &call))?;
        Ok(health.status.eq_ignore_ascii_case("up"))
    }
}
