//! The settings of a client, validated and complete.

use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;

use super::base_url::is_loopback;
use super::{BaseUrl, RetryPolicy};
use crate::auth::Credentials;

/// The settings of a client. `Debug` shows no secret: header values are marked as sensitive, and
/// credentials mask themselves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: BaseUrl,
    pub(crate) credentials: Credentials,
    /// Where client credentials are exchanged for tokens; set if the credentials are such.
    pub(crate) token_url: Option<Url>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) retry: RetryPolicy,
    pub(crate) user_agent: Option<String>,
    pub(crate) extra_headers: HeaderMap,
    #[cfg(feature = "gzip")]
    pub(crate) compress_requests: bool,
}

impl Settings {
    /// Whether all requests go to this machine.
    pub(crate) fn is_local(&self) -> bool {
        let token_url = self.token_url.as_ref();
        self.base_url.is_loopback() && token_url.is_none_or(is_loopback)
    }
}

/// Time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// For one attempt, from its start to the last byte of the response.
    pub(crate) request: Duration,
    /// For a whole call, with its attempts and waits.
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

/// Size limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For the body of a response after decompression, in bytes.
    pub(crate) response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response_bytes: 256 * 1024 * 1024,
        }
    }
}
