//! The settings after everything is decided and checked.

use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;

use super::{BaseUrl, RetryPolicy};
use crate::auth::Credentials;

/// What the transport is made of. `Debug` shows no secret: header values are marked as sensitive
/// and credentials mask themselves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: BaseUrl,
    pub(crate) credentials: Credentials,
    /// Where client credentials are exchanged for tokens; set if `credentials` need it.
    pub(crate) token_url: Option<Url>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) retry: RetryPolicy,
    pub(crate) user_agent: Option<String>,
    pub(crate) extra_headers: HeaderMap,
    #[cfg(feature = "gzip")]
    pub(crate) compress_requests: bool,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// One attempt, from its start to the last byte of the answer.
    pub(crate) request: Duration,
    /// A whole call with its attempts and waits.
    pub(crate) operation: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            operation: None,
        }
    }
}

/// How large things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The decoded body of an answer, in bytes.
    pub(crate) response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response_bytes: 256 * 1024 * 1024,
        }
    }
}
