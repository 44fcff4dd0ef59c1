//! Where the generated calls meet the transport: their requests are completed here, sent by the
//! engine, and answered with what it brings.

use std::fmt;
use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};
use reqwest::{Request, Response, ResponseBuilderExt, Url};

use super::batch_id::check_batch_id;
use super::call::{Call, CallLog};
use super::engine::Stopped;
use super::headers::JSON;
use super::{Answer, Transport};
use crate::raw::types::{BatchTransition, UpdateRequest};
use crate::{Error, Operation, Result, raw};

/// What progenitor adds and nobody asked for.
const API_VERSION: &str = "api-version";

/// The state of a generated client.
#[derive(Clone)]
pub struct Hooks {
    transport: Arc<Transport>,
    /// The one call that this generated client was made for; without it, it was handed out to the
    /// user, who may make many.
    call: Option<Arc<TypedCall>>,
}

/// A call of the layers above, which learn of failures through the log.
#[derive(Debug)]
pub(super) struct TypedCall {
    pub(super) call: Call,
    pub(super) log: CallLog,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// Rides on the answer that stands for a failure without one.
#[derive(Clone)]
struct Reason(String);

impl Hooks {
    pub(super) fn for_user(transport: Arc<Transport>) -> Self {
        Self {
            transport,
            call: None,
        }
    }

    pub(super) fn for_call(transport: Arc<Transport>, call: Arc<TypedCall>) -> Self {
        Self {
            transport,
            call: Some(call),
        }
    }

    /// Completes the headers.
    fn prepare(&self, request: &mut Request, info: &OperationInfo) -> Result<()> {
        if self.call.is_none() {
            self.check_path(request.url(), info)?;
        }
        let headers = request.headers_mut();
        headers.remove(API_VERSION);
        headers.remove(ACCEPT);
        if headers.contains_key(CONTENT_TYPE) {
            // The generated code takes bulk bodies for any bytes; they are JSON all the same.
            headers.insert(CONTENT_TYPE, JSON);
        }
        self.transport.add_headers(headers);
        #[cfg(feature = "gzip")]
        if self.transport.settings.compress_requests {
            super::compress::compress(request);
        }
        Ok(())
    }

    /// A user's batch id is only seen as part of the path that it has led to.
    fn check_path(&self, url: &Url, info: &OperationInfo) -> Result<()> {
        let after_id = match info.operation_id {
            "info" | "update" => None,
            "status" => Some("status"),
            "push" => Some("chunks"),
            "pull" => Some("chunkresults"),
            _ => return Ok(()),
        };
        let start = format!(
            "/{}/api/v4/batch/",
            self.transport.settings.base_url.tenant()
        );
        let mut segments = url
            .path()
            .strip_prefix(&start)
            .unwrap_or_default()
            .split('/');
        check_batch_id(segments.next().unwrap_or_default())?;
        match (segments.next() == after_id, segments.next()) {
            (true, None) => Ok(()),
            _ => Err(Error::input("a batch id must not hold a path")),
        }
    }

    async fn send(&self, request: Request, info: &OperationInfo) -> Response {
        let url = request.url().clone();
        if let Some(typed) = &self.call {
            return match self.run(request, &typed.call, &typed.log).await {
                Ok(answer) => response(url, answer.status, answer.headers, answer.body, None),
                Err(stopped) => {
                    typed.log.leave(stopped.error);
                    no_answer(url, None)
                }
            };
        }
        let call = user_call(&request, info);
        match self.run(request, &call, &CallLog::new()).await {
            Ok(answer) => response(url, answer.status, answer.headers, answer.body, None),
            Err(stopped) => match stopped.answer {
                Some((status, headers, body))
                    if !status.is_success() && !status.is_redirection() =>
                {
                    response(url, status, headers, body, None)
                }
                _ => no_answer(url, Some(Reason(stopped.error.to_string()))),
            },
        }
    }

    async fn run(
        &self,
        request: Request,
        call: &Call,
        log: &CallLog,
    ) -> Result<Answer, Box<Stopped>> {
        self.transport
            .engine
            .run(request, call, &self.transport.auth, log)
            .await
    }
}

/// What a user's call is about, as far as rules and messages need it.
fn user_call(request: &Request, info: &OperationInfo) -> Call {
    let operation = match info.operation_id {
        "describe" => Operation::Describe,
        "create" => Operation::Create,
        "info" => Operation::Info,
        "status" => Operation::Status,
        "pull" => Operation::Pull,
        "update" => update(request),
        // Nothing is repeated that is not known to be safe.
        _ => Operation::Push,
    };
    let call = Call::new(operation);
    let id = request
        .url()
        .path()
        .split("/api/v4/batch/")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    match id.filter(|_| operation != Operation::Describe) {
        Some(id) => call.batch(id),
        None => call,
    }
}

/// What an update is to bring about. Its body is too small to have been compressed.
fn update(request: &Request) -> Operation {
    let body = request.body().and_then(reqwest::Body::as_bytes);
    match serde_json::from_slice(body.unwrap_or_default()) {
        Ok(UpdateRequest {
            batch_status: BatchTransition::Cancelled,
        }) => Operation::Cancel,
        _ => Operation::Close,
    }
}

fn response(
    url: Url,
    status: StatusCode,
    headers: HeaderMap,
    body: bytes::Bytes,
    reason: Option<Reason>,
) -> Response {
    let built = http::Response::builder().url(url).status(status).body(body);
    let mut response = built.unwrap_or_default();
    *response.headers_mut() = headers;
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response.into()
}

/// The generated code wants a response where there is none; this one stops it.
fn no_answer(url: Url, reason: Option<Reason>) -> Response {
    response(
        url,
        StatusCode::INTERNAL_SERVER_ERROR,
        HeaderMap::new(),
        bytes::Bytes::new(),
        reason,
    )
}

impl ClientHooks<Hooks> for raw::Client {
    async fn pre<E>(
        &self,
        request: &mut Request,
        info: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        let hooks = self.inner();
        hooks.prepare(request, info).map_err(|error| {
            let message = error.to_string();
            if let Some(typed) = &hooks.call {
                typed.log.leave(error);
            }
            progenitor_client::Error::Custom(message)
        })
    }

    async fn exec(&self, request: Request, info: &OperationInfo) -> reqwest::Result<Response> {
        Ok(self.inner().send(request, info).await)
    }

    async fn post<E>(
        &self,
        result: &reqwest::Result<Response>,
        _: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        let reason = result
            .as_ref()
            .ok()
            .and_then(|response| response.extensions().get::<Reason>());
        match reason {
            Some(Reason(message)) => Err(progenitor_client::Error::Custom(message.clone())),
            None => Ok(()),
        }
    }
}
