//! How the generated client sends its requests.
//!
//! The generated code leaves sending to [`ClientHooks`], whose `exec` can only fail with a
//! [`reqwest::Error`]. Nobody but reqwest can make one of those, and there is none for a failure
//! such as a missing token. So [`exec`](ClientHooks::exec) turns a failure into a placeholder
//! response that carries the message, and [`post`](ClientHooks::post), which runs next, turns the
//! placeholder into an error of the generated client. The placeholder goes no further.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::{Request, Response};

use super::Client;

/// What [`Execute::execute`] returns.
pub(crate) type ExecuteFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response, ExecuteError>> + Send + 'a>>;

/// Sends the requests of a generated client.
pub(crate) trait Execute: Send + Sync {
    /// Sends `request`, which is as the generated code made it: with path, query and body, without
    /// credentials.
    fn execute<'a>(&'a self, request: Request, operation: &'a OperationInfo) -> ExecuteFuture<'a>;
}

/// Why there is no response, as the text of the generated client's error.
#[derive(Clone, Debug)]
pub(crate) struct ExecuteError(pub(crate) String);

/// The inner state of the generated client: what it sends its requests with.
#[derive(Clone)]
pub struct Executor(Arc<dyn Execute>);

impl Executor {
    pub(crate) fn new(execute: impl Execute + 'static) -> Self {
        Self(Arc::new(execute))
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

impl ClientHooks<Executor> for Client {
    async fn exec(&self, request: Request, info: &OperationInfo) -> reqwest::Result<Response> {
        match self.inner().0.execute(request, info).await {
            Ok(response) => Ok(response),
            Err(error) => Ok(placeholder(error)),
        }
    }

    async fn post<E>(
        &self,
        result: &reqwest::Result<Response>,
        _: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let response = result.as_ref().ok();
        match response.and_then(|response| response.extensions().get::<ExecuteError>()) {
            Some(ExecuteError(message)) => Err(Error::Custom(message.clone())),
            None => Ok(()),
        }
    }
}

fn placeholder(error: ExecuteError) -> Response {
    let mut response = http::Response::new(Vec::new());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(error);
    response.into()
}
