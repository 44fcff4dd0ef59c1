//! The generated client that [`Client::raw`](crate::Client::raw) returns.
//!
//! Its calls go through the transport like those of the rest of the crate. All that is known of
//! such a call is its request, so the batch id is read back from the path.

use std::sync::Arc;

use http::StatusCode;
use progenitor_client::OperationInfo;
use reqwest::{Request, Url};

use super::batch_id::check_batch_id;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::raw;
use crate::raw::executor::{Execute, ExecuteError, ExecuteFuture};
use crate::raw::types::{BatchTransition, UpdateRequest};
use crate::transport::{CallContext, Transport};

/// The part of the path before a batch id, after the tenant.
const BATCH_PATH: &str = "/api/v4/batch/";

/// A generated client that may be used for any number of calls.
pub(crate) fn raw_client(transport: Arc<Transport>) -> raw::Client {
    let executor = UserCalls(Arc::clone(&transport));
    transport.raw_client(executor)
}

struct UserCalls(Arc<Transport>);

impl Execute for UserCalls {
    fn execute<'a>(&'a self, request: Request, info: &'a OperationInfo) -> ExecuteFuture<'a> {
        Box::pin(async move {
            let Self(transport) = self;
            self.check_path(request.url(), info)
                .map_err(|error| ExecuteError(error.to_string()))?;
            let context = call_context(&request, info);
            match transport.send(request, &context).await {
                Ok(response) => Ok(response.into()),
                Err(failed) => match failed.response {
                    // The generated client has an error of its own for other statuses.
                    Some(response) if is_error(response.status()) => Ok(response.into()),
                    _ => Err(ExecuteError(failed.error.to_string())),
                },
            }
        })
    }
}

impl UserCalls {
    /// Refuses batch ids that lead to another path than the operation's.
    fn check_path(&self, url: &Url, info: &OperationInfo) -> Result<()> {
        let after_id = match info.operation_id {
            "info" | "update" => None,
            "status" => Some("status"),
            "push" => Some("chunks"),
            "pull" => Some("chunkresults"),
            _ => return Ok(()),
        };
        let tenant = self.0.settings().base_url.tenant();
        let start = format!("/{tenant}{BATCH_PATH}");
        let rest = url.path().strip_prefix(&start).unwrap_or_default();
        let mut segments = rest.split('/');
        check_batch_id(segments.next().unwrap_or_default())?;
        match (segments.next() == after_id, segments.next()) {
            (true, None) => Ok(()),
            _ => Err(Error::input("a batch id must not hold a path")),
        }
    }
}

fn is_error(status: StatusCode) -> bool {
    !status.is_success() && !status.is_redirection()
}

/// What the call is about, as far as retries and error messages need it.
fn call_context(request: &Request, info: &OperationInfo) -> CallContext {
    let operation = match info.operation_id {
        "describe" => Operation::Describe,
        "create" => Operation::Create,
        "info" => Operation::Info,
        "status" => Operation::Status,
        "pull" => Operation::Pull,
        "service_schema" | "version_schema" => Operation::Schema,
        "service_swagger" | "version_swagger" => Operation::Swagger,
        "service_versions" => Operation::Versions,
        "update" => update(request),
        // Nothing is repeated that is not known to be safe.
        _ => Operation::Push,
    };
    let context = CallContext::new(operation);
    let rest = request.url().path().split(BATCH_PATH).nth(1);
    let id = rest.and_then(|rest| rest.split('/').next());
    match id.filter(|_| operation != Operation::Describe) {
        Some(id) => context.with_batch(id),
        None => context,
    }
}

/// Which of the two operations an update is, by its body, which the transport has not compressed
/// yet.
fn update(request: &Request) -> Operation {
    let body = request.body().and_then(reqwest::Body::as_bytes);
    match serde_json::from_slice(body.unwrap_or_default()) {
        Ok(UpdateRequest {
            batch_status: BatchTransition::Cancelled,
        }) => Operation::Cancel,
        _ => Operation::Close,
    }
}
