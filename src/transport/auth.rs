//! The credentials of a request, from settings or from a source of tokens.

use std::sync::Arc;
use std::time::Duration;

use super::credential::Credential;
use super::oauth::ClientCredentials;
use super::retry::{Cause, Idempotency, RetryDecision, RetryState, decide};
use super::sender::Authenticate;
use crate::auth::{AccessToken, Issued, TokenCache, TokenProvider};
use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;

/// The source of the credentials of a request.
#[derive(Debug)]
pub(super) enum Auth {
    Open,
    Fixed(Credential),
    Tokens(Box<Tokens>),
}

/// A source of tokens and the last token from it.
#[derive(Debug)]
pub(super) struct Tokens {
    cache: TokenCache,
    source: TokenSource,
}

/// A source of tokens.
#[derive(Debug)]
pub(super) enum TokenSource {
    OAuth(Box<ClientCredentials>),
    Provider {
        provider: Arc<dyn TokenProvider>,
        policy: RetryPolicy,
        /// The time limit for one attempt.
        timeout: Duration,
    },
}

impl Auth {
    pub(super) fn tokens(source: TokenSource) -> Self {
        Self::Tokens(Box::new(Tokens {
            cache: TokenCache::default(),
            source,
        }))
    }
}

impl Authenticate for Auth {
    async fn credential(&self) -> Result<Option<Credential>> {
        match self {
            Self::Open => Ok(None),
            Self::Fixed(credential) => Ok(Some(credential.clone())),
            Self::Tokens(tokens) => {
                let fetched = tokens.cache.get(|| tokens.source.fetch()).await;
                let Issued { secret, serial } = fetched?;
                Credential::bearer(secret, serial).map(Some)
            }
        }
    }

    fn can_renew(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }

    async fn discard(&self, credential: &Credential) {
        if let Self::Tokens(tokens) = self {
            tokens.cache.discard(credential.serial()).await;
        }
    }
}

impl TokenSource {
    /// Fetches a token that is not empty, in a bounded number of attempts.
    async fn fetch(&self) -> Result<AccessToken> {
        let token = match self {
            Self::OAuth(oauth) => oauth.fetch().await?,
            Self::Provider {
                provider,
                policy,
                timeout,
            } => ask(&**provider, policy, *timeout).await?,
        };
        if token.secret.expose().is_empty() {
            let error = Error::new(
                ErrorKind::Unauthorized,
                "the token that was issued is empty",
            );
            return Err(error.with_operation(Operation::Token));
        }
        Ok(token)
    }
}

/// Asks a provider for a token, as often as the retry policy allows.
async fn ask(
    provider: &dyn TokenProvider,
    policy: &RetryPolicy,
    timeout: Duration,
) -> Result<AccessToken> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match tokio::time::timeout(timeout, provider.token()).await {
            Ok(Ok(token)) => return Ok(token),
            Ok(Err(error)) => {
                let kind = match error.is_transient {
                    true => ErrorKind::Service,
                    false => ErrorKind::Unauthorized,
                };
                Error::new(kind, format!("the token provider failed: {}", error.source))
                    .with_transient(error.is_transient)
                    .with_cause(error.source)
            }
            Err(_) => {
                let message = format!(
                    "the token provider returned no token within {} s",
                    timeout.as_secs_f64()
                );
                Error::new(ErrorKind::Timeout, message).with_transient(true)
            }
        };
        let state = RetryState {
            idempotency: Idempotency::Idempotent,
            cause: if error.is_transient() {
                Cause::Connect
            } else {
                Cause::NotSent
            },
            attempts,
            time_left: None,
        };
        match decide(policy, state, fastrand::f64()) {
            RetryDecision::RetryAfter(wait) => tokio::time::sleep(wait).await,
            RetryDecision::Stop => return Err(error.with_operation(Operation::Token)),
        }
    }
}
