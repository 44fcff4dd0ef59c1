//! What sends the requests, where the user chooses it.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Request, Response};
use tower_service::Service;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

type Sending = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

/// What sends the requests in place of this crate's own HTTP client.
#[derive(Clone, Debug)]
pub(crate) enum Http {
    Client(reqwest::Client),
    Service(HttpService),
}

/// A tower service whose type is erased. Each request gets a clone of the service.
#[derive(Clone)]
pub(crate) struct HttpService(Arc<dyn Fn(Request) -> Sending + Send + Sync>);

impl HttpService {
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                let ready = poll_fn(|context| service.poll_ready(context)).await;
                ready.map_err(Into::into)?;
                service.call(request).await.map_err(Into::into)
            })
        }))
    }

    pub(crate) async fn execute(&self, request: Request) -> Result<Response, BoxError> {
        (self.0)(request).await
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").finish_non_exhaustive()
    }
}
