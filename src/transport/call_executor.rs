//! Sends the request of one generated call, and keeps its error for the caller.
//!
//! The generated client can only carry the text of an error (see [`crate::raw::executor`]). The
//! error itself waits in the [`CallContext`], where [`Transport::call`] finds it.

use std::sync::Arc;

use progenitor_client::OperationInfo;
use reqwest::Request;

use super::{CallContext, Transport};
use crate::raw::executor::{Execute, ExecuteError, ExecuteFuture};

/// Sends the request of the call that `context` is about.
pub(super) struct CallExecutor {
    pub(super) transport: Arc<Transport>,
    pub(super) context: Arc<CallContext>,
}

impl Execute for CallExecutor {
    fn execute<'a>(&'a self, request: Request, _: &'a OperationInfo) -> ExecuteFuture<'a> {
        Box::pin(async move {
            match self.transport.send(request, &self.context).await {
                Ok(response) => Ok(response.into()),
                Err(failed) => {
                    let message = failed.error.to_string();
                    self.context.store_error(failed.error);
                    Err(ExecuteError(message))
                }
            }
        })
    }
}
