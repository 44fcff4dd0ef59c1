//! One request, one answer: sent, read to its end under the size limit, and judged.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use reqwest::{Request, Response, Url};
use serde::de::IgnoredAny;

use super::retry::Outcome;
use super::retry_after::retry_after;

/// How much of an error's body is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;
/// How much is allocated on the word of a Content-Length, in bytes.
const TRUSTED_LENGTH: usize = 16 * 1024 * 1024;

/// A whole 2xx answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no such answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    /// One sentence without a full stop; not yet masked.
    pub(crate) message: String,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    /// The start of the body; not yet masked.
    pub(crate) body: Bytes,
    pub(crate) source: Option<reqwest::Error>,
}

impl Failure {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: message.into(),
            status: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            source: None,
        }
    }

    fn with_answer(mut self, status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        (self.status, self.headers, self.body) = (Some(status), headers, body);
        self
    }
}

/// What an answer is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
    pub(super) wants_json: bool,
}

pub(super) async fn attempt(
    client: &reqwest::Client,
    request: Request,
    terms: Terms,
) -> Result<Answer, Failure> {
    match tokio::time::timeout(terms.timeout, exchange(client, request, terms)).await {
        Ok(result) => result,
        Err(_) => {
            let limit = terms.timeout.as_secs_f64();
            Err(Failure::new(
                Outcome::TimedOut,
                format!("no complete answer within {limit} s"),
            ))
        }
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: Request,
    terms: Terms,
) -> Result<Answer, Failure> {
    let asked = request.url().clone();
    let mut response = client
        .execute(request)
        .await
        .map_err(|error| failed_to_send(error, &asked))?;
    let (status, headers) = (response.status(), response.headers().clone());

    if response.url() != &asked {
        let message = format!(
            "the HTTP client that was handed in followed a redirect to {}; build it with \
             `redirect::Policy::none()`, since credentials may be sent along",
            origin(response.url())
        );
        return Err(Failure::new(Outcome::Redirected, message).with_answer(
            status,
            headers,
            Bytes::new(),
        ));
    }
    if !status.is_success() {
        let body = read_start(&mut response, ERROR_BODY.min(terms.max_bytes)).await;
        let outcome = Outcome::Status(status, retry_after(&headers, SystemTime::now()));
        let message = status_message(status, &headers, &asked);
        return Err(Failure::new(outcome, message).with_answer(status, headers, body));
    }

    let body = match read_whole(&mut response, terms.max_bytes).await {
        Ok(body) => body,
        Err(failure) => return Err(failure.with_answer(status, headers, Bytes::new())),
    };
    if terms.wants_json && serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let message = match content_type {
            _ if body.is_empty() => format!("{status} with an empty answer instead of JSON"),
            Some(kind) => format!("{status} with an answer that is not JSON (`{kind}`)"),
            None => format!("{status} with an answer that is not JSON"),
        };
        return Err(Failure::new(Outcome::Malformed, message).with_answer(status, headers, body));
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
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

async fn read_whole(response: &mut Response, max: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(
            Outcome::TooLarge,
            format!("the answer is larger than the limit of {max} bytes"),
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
                // An answer that comes in one piece is handed on without a copy.
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

/// As much of an error's body as can be had; that there is no more is not worth another error.
async fn read_start(response: &mut Response, max: usize) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(max - body.len())]);
        if body.len() == max {
            break;
        }
    }
    body.freeze()
}

fn failed_to_send(error: reqwest::Error, asked: &Url) -> Failure {
    let error = error.without_url();
    let root = root_cause(&error);
    let (outcome, message) = if error.is_builder() {
        (
            Outcome::NotSent,
            format!("the request can't be sent: {root}"),
        )
    } else if error.is_redirect() {
        (
            Outcome::Redirected,
            format!("a redirect was not followed: {root}"),
        )
    } else if error.is_connect() {
        (
            Outcome::Connect,
            format!("no connection to {}: {root}", origin(asked)),
        )
    } else if error.is_timeout() {
        // A client that was handed in may have time limits of its own.
        (
            Outcome::TimedOut,
            String::from("no answer within the HTTP client's own time limit"),
        )
    } else {
        (
            Outcome::Interrupted,
            format!("the connection broke before there was an answer: {root}"),
        )
    };
    Failure {
        source: Some(error),
        ..Failure::new(outcome, message)
    }
}

fn failed_to_read(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let root = root_cause(&error);
    let (outcome, message) = if error.is_timeout() {
        (
            Outcome::TimedOut,
            String::from("no whole answer within the HTTP client's own time limit"),
        )
    } else {
        (
            Outcome::Interrupted,
            format!("the answer was cut short: {root}"),
        )
    };
    Failure {
        source: Some(error),
        ..Failure::new(outcome, message)
    }
}

/// The last in the chain of sources, which names what people can look for.
fn root_cause(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
