//! Access tokens from elsewhere: a vault, a broker, a single sign-on.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::bare_token;
use crate::redact::Secret;

/// What [`TokenProvider::token`] returns.
pub type TokenFuture<'a> =
    Pin<Box<dyn Future<Output = Result<AccessToken, TokenError>> + Send + 'a>>;

/// A source of access tokens, for people whose credentials live in their own vault.
///
/// The client keeps a token until shortly before it expires, asks once for all calls that run at
/// the same time, and asks once more when the service answers 401.
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
    /// The client waits for at most its request timeout, and asks again, within its retry policy,
    /// when the error is [`TokenError::unavailable`].
    fn token(&self) -> TokenFuture<'_>;
}

/// An access token and how long it is good for. `Debug` masks the token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    pub(crate) secret: Secret,
    pub(crate) expires_in: Option<Duration>,
}

impl AccessToken {
    /// A token that is used until the service refuses it. The word `Bearer` in front of it is
    /// dropped.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            secret: bare_token(&Secret::new(token.into())),
            expires_in: None,
        }
    }

    /// The time from now for which the token is good.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }
}

/// Why a [`TokenProvider`] gave no token.
#[derive(Debug)]
pub struct TokenError {
    pub(crate) is_transient: bool,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
}

impl TokenError {
    /// The credentials were refused: asking again will not help.
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            is_transient: false,
            source: source.into(),
        }
    }

    /// The source of tokens can't be reached at the moment.
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
            "no token can be had now"
        } else {
            "no token was given"
        };
        write!(f, "{what}: {}", self.source)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
