//! Sends the requests of one generated call, and keeps the error for the caller.
//!
//! The generated client can only carry the text of an error (see [`crate::raw::executor`]), so the
//! error itself waits in the call's log, where [`Transport::call`] finds it.

use std::sync::Arc;

use progenitor_client::OperationInfo;
use reqwest::{Request, Response, ResponseBuilderExt as _, Url};

use super::attempt::Answer;
use super::call::{Call, CallLog};
use super::{CallError, Transport};
use crate::raw::executor::{Execute, ExecuteError, ExecuteFuture};

/// A call of the layers above, which learn of failures through the log.
#[derive(Debug)]
pub(super) struct TypedCall {
    pub(super) call: Call,
    pub(super) log: CallLog,
}

/// Sends the request of a [`TypedCall`].
pub(super) struct CallExecutor {
    pub(super) transport: Arc<Transport>,
    pub(super) call: Arc<TypedCall>,
}

impl Execute for CallExecutor {
    fn execute<'a>(&'a self, request: Request, _: &'a OperationInfo) -> ExecuteFuture<'a> {
        Box::pin(async move {
            let TypedCall { call, log } = &*self.call;
            let sent = self.transport.send(request, call, log).await;
            sent.map_err(|CallError { error, .. }| {
                let message = error.to_string();
                log.leave(error);
                ExecuteError(message)
            })
        })
    }
}

/// The response as the generated client reads it.
pub(super) fn response(url: Url, answer: Answer) -> Response {
    let builder = http::Response::builder().url(url).status(answer.status);
    let mut response = builder.body(answer.body).unwrap_or_default();
    *response.headers_mut() = answer.headers;
    response.into()
}
