//! One attempt: sends a request, reads its response to the end under the size limit, and tells
//! success from failure.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Response, StatusCode};
use reqwest::{Request, ResponseBuilderExt as _, Url};
use serde::de::IgnoredAny;

use super::http_client::HttpClient;
use super::retry::Cause;
use super::retry_after::retry_after;
use crate::config::BoxError;

/// How much of an error's body is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;
/// The most that is allocated because of a Content-Length, in bytes.
const TRUSTED_LENGTH: usize = 16 * 1024 * 1024;

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct AttemptFailure {
    pub(super) cause: Cause,
    /// One sentence without a full stop, with nothing masked.
    pub(super) message: String,
    /// The response, if there is one: the start of its body, with nothing masked.
    pub(super) response: Option<Response<Bytes>>,
    pub(super) source: Option<BoxError>,
}

impl AttemptFailure {
    fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            response: None,
            source: None,
        }
    }

    pub(super) fn status(&self) -> Option<StatusCode> {
        self.response.as_ref().map(Response::status)
    }
}

/// The limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptLimits {
    pub(super) timeout: Duration,
    /// The largest body of a response, in bytes.
    pub(super) max_bytes: usize,
    /// Whether the body of a 2xx response has to be JSON.
    pub(super) expects_json: bool,
}

/// Sends `request` once. Returns the response if it is whole and its status is 2xx.
pub(super) async fn attempt(
    client: &HttpClient,
    request: Request,
    limits: AttemptLimits,
) -> Result<Response<Bytes>, AttemptFailure> {
    match tokio::time::timeout(limits.timeout, exchange(client, request, limits)).await {
        Ok(result) => result,
        Err(_) => {
            let limit = limits.timeout.as_secs_f64();
            let message = format!("no complete response within {limit} s");
            Err(AttemptFailure::new(Cause::TimedOut, message))
        }
    }
}

async fn exchange(
    client: &HttpClient,
    request: Request,
    limits: AttemptLimits,
) -> Result<Response<Bytes>, AttemptFailure> {
    let url = request.url().clone();
    let mut response = match &client.service {
        Some(service) => {
            let response = service.execute(request).await;
            response.map_err(|error| failed_in_service(error, &url))?
        }
        None => {
            let response = client.client.execute(request).await;
            response.map_err(|error| failed_to_send(error, &url, client.proxy_for(&url)))?
        }
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let with_body = |body| collected(url.clone(), status, headers.clone(), body);

    if response.url() != &url {
        let message = format!(
            "the HTTP client set with `http_client` or `http_service` followed a redirect to {}; build it with \
             `redirect::Policy::none()`, because credentials may be sent along",
            origin(response.url())
        );
        return Err(AttemptFailure {
            response: Some(with_body(Bytes::new())),
            ..AttemptFailure::new(Cause::Redirected, message)
        });
    }
    if !status.is_success() {
        let body = read_start(&mut response, ERROR_BODY.min(limits.max_bytes)).await;
        let cause = Cause::Status(status, retry_after(&headers, SystemTime::now()));
        return Err(AttemptFailure {
            response: Some(with_body(body)),
            ..AttemptFailure::new(cause, status_message(status, &headers, &url))
        });
    }

    let body = match read_whole(&mut response, limits.max_bytes).await {
        Ok(body) => body,
        Err(failure) => {
            return Err(AttemptFailure {
                response: Some(with_body(Bytes::new())),
                ..failure
            });
        }
    };
    if limits.expects_json && serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(AttemptFailure {
            cause: Cause::Malformed,
            message: not_json_message(status, &headers, &body),
            response: Some(with_body(body)),
            source: None,
        });
    }
    Ok(with_body(body))
}

/// A response that has been read. The generated client finds the URL in its extensions.
fn collected(url: Url, status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Bytes> {
    let builder = Response::builder().url(url).status(status);
    let mut response = builder.body(body).unwrap_or_default();
    *response.headers_mut() = headers;
    response
}

fn not_json_message(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    match content_type {
        _ if body.is_empty() => format!("{status} with an empty body instead of JSON"),
        Some(content_type) => format!("{status} with a body that is not JSON (`{content_type}`)"),
        None => format!("{status} with a body that is not JSON"),
    }
}

fn status_message(status: StatusCode, headers: &HeaderMap, asked: &Url) -> String {
    let mut message = status.as_str().to_owned();
    if let Some(reason) = status.canonical_reason() {
        let _ = write!(message, " {reason}");
    }
    if status.is_redirection() {
        // Only the origin: the rest of such addresses often holds tokens.
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        match target.and_then(|target| asked.join(target).ok()) {
            Some(target) => {
                let _ = write!(
                    message,
                    ", a redirect to {} that was not followed",
                    origin(&target)
                );
            }
            None => message.push_str(", a redirect that was not followed"),
        }
    }
    message
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

async fn read_whole(response: &mut reqwest::Response, max: usize) -> Result<Bytes, AttemptFailure> {
    let too_large = || {
        AttemptFailure::new(
            Cause::TooLarge,
            format!("the response is larger than the limit of {max} bytes"),
        )
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > max as u64 {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    let mut first = None;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if body.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len() > max {
                    return Err(too_large());
                }
                // A body that arrives in one piece is not copied.
                if first.is_none() && body.is_empty() {
                    first = Some(chunk);
                    continue;
                }
                if let Some(first) = first.take() {
                    let announced = usize::try_from(announced).unwrap_or(0).min(TRUSTED_LENGTH);
                    body.reserve(announced.max(first.len() + chunk.len()));
                    body.extend_from_slice(&first);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(first.unwrap_or_else(|| body.freeze())),
            Err(error) => return Err(failed_to_read(error)),
        }
    }
}

/// The start of an error's body, up to where it can be read.
async fn read_start(response: &mut reqwest::Response, max: usize) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(max - body.len())]);
        if body.len() == max {
            break;
        }
    }
    body.freeze()
}

/// `proxy` says which proxy the request goes through, if any.
fn failed_to_send(error: reqwest::Error, asked: &Url, proxy: Option<String>) -> AttemptFailure {
    let error = error.without_url();
    let root = root_cause(&error);
    let (cause, message) = if error.is_builder() {
        (Cause::NotSent, format!("the request can't be sent: {root}"))
    } else if error.is_redirect() {
        (
            Cause::Redirected,
            format!("a redirect was not followed: {root}"),
        )
    } else if error.is_connect() {
        let through = proxy.map_or_else(String::new, |proxy| format!(" through {proxy}"));
        (
            Cause::Connect,
            format!("could not connect to {}{through}: {root}", origin(asked)),
        )
    } else if error.is_timeout() {
        // The user's own HTTP client may have time limits.
        (
            Cause::TimedOut,
            String::from("no response within the HTTP client's own time limit"),
        )
    } else {
        (
            Cause::Interrupted,
            format!("the connection broke before the response: {root}"),
        )
    };
    AttemptFailure {
        source: Some(error.into()),
        ..AttemptFailure::new(cause, message)
    }
}

/// The user's own stack failed. Of its own errors nothing is known, so the service may have
/// processed the request.
fn failed_in_service(error: BoxError, asked: &Url) -> AttemptFailure {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => failed_to_send(*error, asked, None),
        Err(error) => {
            let message = format!("the HTTP service failed: {}", root_cause(&*error));
            AttemptFailure {
                source: Some(error),
                ..AttemptFailure::new(Cause::Interrupted, message)
            }
        }
    }
}

fn failed_to_read(error: reqwest::Error) -> AttemptFailure {
    let error = error.without_url();
    let root = root_cause(&error);
    let (cause, message) = if error.is_timeout() {
        (
            Cause::TimedOut,
            String::from("no complete response within the HTTP client's own time limit"),
        )
    } else {
        (
            Cause::Interrupted,
            format!("the response was cut short: {root}"),
        )
    };
    AttemptFailure {
        source: Some(error.into()),
        ..AttemptFailure::new(cause, message)
    }
}

/// The last error in the chain of sources, which is the one that names the cause.
fn root_cause(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
