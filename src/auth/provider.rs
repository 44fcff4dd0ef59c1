//! Access tokens from a source of the user's: a vault, a broker, a single sign-on.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::bare_token;
use crate::redact::Secret;

/// The future that [`TokenProvider::token`] returns.
pub type TokenFuture<'a> =
    Pin<Box<dyn Future<Output = Result<AccessToken, TokenError>> + Send + 'a>>;

/// A source of access tokens, for credentials that are kept in a vault of your own.
///
/// The client keeps a token until shortly before it expires, requests one for all calls that run
/// at the same time, and requests another one when the service responds with 401.
///
/// ```
/// use std::time::Duration;
/// use cspark_batches::{AccessToken, TokenFuture, TokenProvider};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl TokenProvider for Vault {
///     fn token(&self) -> TokenFuture<'_> {
///         Box::pin(async {
///             let token = String::from("from the vault");
///             Ok(AccessToken::new(token).expires_in(Duration::from_secs(300)))
///         })
///     }
/// }
/// ```
pub trait TokenProvider: fmt::Debug + Send + Sync {
    /// Obtains a token.
    ///
    /// The client waits at most for its request timeout. If the error is
    /// [`TokenError::unavailable`], it tries again as its retry policy allows.
    fn token(&self) -> TokenFuture<'_>;
}

/// An access token with its lifetime. `Debug` masks the token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    pub(crate) secret: Secret,
    pub(crate) expires_in: Option<Duration>,
}

impl AccessToken {
    /// Creates a token that is used until the service rejects it. A leading word `Bearer` is
    /// dropped.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            secret: bare_token(&Secret::new(token.into())),
            expires_in: None,
        }
    }

    /// Sets the lifetime of the token, counted from now.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }
}

/// The error of a [`TokenProvider`].
#[derive(Debug)]
pub struct TokenError {
    pub(crate) is_transient: bool,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
}

impl TokenError {
    /// The credentials were rejected. The client does not try again.
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            is_transient: false,
            source: source.into(),
        }
    }

    /// The source of tokens is not available at the moment. The client tries again.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            is_transient: true,
            source: source.into(),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_transient {
            "no token is available at the moment"
        } else {
            "the credentials were rejected"
        };
        write!(f, "{what}: {}", self.source)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}
