//! The credentials of a request, from settings or from a source of tokens.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::oauth::ClientCredentials;
use super::retry::{Cause, Idempotency, RetryDecision, RetryState, decide};
use super::sender::Sender;
use crate::auth::{AccessToken, Issued, TokenCache, TokenProvider};
use crate::config::headers::API_KEY;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;
use crate::redact::Secret;

/// The source of the credentials of a request.
#[derive(Debug)]
pub(crate) enum Auth {
    Open,
    Fixed(Credential),
    Tokens(Box<Tokens>),
}

/// A source of tokens and the last token from it.
#[derive(Debug)]
pub(crate) struct Tokens {
    cache: TokenCache,
    source: Source,
}

/// A source of tokens.
#[derive(Debug)]
pub(crate) enum Source {
    OAuth(ClientCredentials),
    Provider {
        provider: Arc<dyn TokenProvider>,
        sender: Sender,
    },
}

/// The header that authenticates a request.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    name: HeaderName,
    value: HeaderValue,
    secret: Secret,
    /// The number of the fetch that returned it; 0 for credentials that never change.
    serial: u64,
}

impl Credential {
    pub(crate) fn api_key(key: Secret) -> Result<Self> {
        let value = sensitive(key.expose())?;
        Ok(Self {
            name: API_KEY,
            value,
            secret: key,
            serial: 0,
        })
    }

    pub(crate) fn bearer(token: Secret, serial: u64) -> Result<Self> {
        let value = sensitive(&format!("Bearer {}", token.expose()))?;
        Ok(Self {
            name: AUTHORIZATION,
            value,
            secret: token,
            serial,
        })
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(
            ErrorKind::Unauthorized,
            "the credentials contain a character that can't be sent in a header",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Auth {
    pub(crate) fn tokens(source: Source) -> Self {
        Self::Tokens(Box::new(Tokens {
            cache: TokenCache::default(),
            source,
        }))
    }

    /// Returns the credentials for one attempt; `None` only if the user asked for none.
    pub(crate) async fn credential(&self) -> Result<Option<Credential>> {
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

    /// Whether another credential can be fetched.
    pub(crate) fn can_renew(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }

    /// Drops a credential that the service rejected.
    pub(crate) async fn discard(&self, credential: &Credential) {
        if let Self::Tokens(tokens) = self {
            tokens.cache.discard(credential.serial).await;
        }
    }
}

impl Source {
    /// Fetches a token that is not empty, in a bounded number of attempts.
    async fn fetch(&self) -> Result<AccessToken> {
        let token = match self {
            Self::OAuth(oauth) => oauth.fetch().await?,
            Self::Provider { provider, sender } => ask(&**provider, sender).await?,
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

async fn ask(provider: &dyn TokenProvider, sender: &Sender) -> Result<AccessToken> {
    let limit = sender.timeouts().request;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match tokio::time::timeout(limit, provider.token()).await {
            Ok(Ok(token)) => return Ok(token),
            Ok(Err(error)) => {
                let kind = match error.is_transient {
                    true => ErrorKind::Service,
                    false => ErrorKind::Unauthorized,
                };
                Error::new(kind, format!("the token provider failed: {}", error.source))
                    .with_transient(error.is_transient)
                    .with_source(error.source)
            }
            Err(_) => {
                let message = format!(
                    "the token provider returned no token within {} s",
                    limit.as_secs_f64()
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
        match decide(sender.policy(), state, fastrand::f64()) {
            RetryDecision::RetryAfter(wait) => tokio::time::sleep(wait).await,
            RetryDecision::Stop => return Err(error.with_operation(Operation::Token)),
        }
    }
}
