//! The crate's one error type.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// What went wrong, as far as a program can act on it.
///
/// New kinds may appear in minor versions, so a `match` needs a last arm for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong (base URL, credentials, environment); nothing was sent.
    Config,
    /// The caller's data can't be sent as it is (records, chunks, ids, a service URI); nothing was sent.
    Input,
    /// The pipeline's state forbids the operation (push after close, pull after cancel); nothing was sent.
    State,
    /// The credentials were not accepted (401), or no token could be obtained.
    Unauthorized,
    /// The credentials don't allow this operation (403).
    Forbidden,
    /// There is no such batch, service or tenant (404, 410).
    NotFound,
    /// Too many requests (429).
    RateLimited,
    /// The service refused the request (any other 4xx).
    Refused,
    /// The service or a gateway before it failed (5xx).
    Service,
    /// No connection could be made, so the service has not seen the request.
    Connect,
    /// The time allowed for an attempt or for the whole operation ran out.
    Timeout,
    /// The connection broke after the request had been sent, or the answer was cut short.
    Interrupted,
    /// An answer arrived that can't be read as what the API describes.
    Decode,
    /// An answer was larger than the limit in the settings.
    TooLarge,
    /// The service answered with a redirect; it was not followed, so that no credentials go elsewhere.
    Redirect,
}
