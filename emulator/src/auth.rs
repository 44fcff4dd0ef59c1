//! Credentials: API keys, bearer tokens, and tokens issued for client credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// The accepted credentials. If there are none, everybody may call.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) api_keys: Vec<String>,
    pub(crate) bearer_tokens: Vec<String>,
    /// Client ids and secrets.
    pub(crate) clients: Vec<(String, String)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("api_keys", &self.api_keys.len())
            .field("bearer_tokens", &self.bearer_tokens.len())
            .field("clients", &self.clients.len())
            .finish()
    }
}

impl Credentials {
    fn is_open(&self) -> bool {
        self.api_keys.is_empty() && self.bearer_tokens.is_empty() && self.clients.is_empty()
    }
}

/// The tokens that were issued, with the time (unscaled) at which they expire.
#[derive(Default)]
pub(crate) struct Tokens {
    issued: BTreeMap<String, Duration>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("issued", &self.issued.len())
            .finish()
    }
}

impl Tokens {
    /// Issues a token that is valid until this time.
    pub(crate) fn issue(&mut self, now: Duration, until: Duration) -> String {
        self.issued.retain(|_, expires| *expires > now);
        let token = format!(
            "emulated-{}",
            uuid::Uuid::from_u128(fastrand::u128(..)).simple()
        );
        self.issued.insert(token.clone(), until);
        token
    }

    pub(crate) fn revoke_all(&mut self) {
        self.issued.clear();
    }

    fn is_valid(&self, token: &str, now: Duration) -> bool {
        self.issued.get(token).is_some_and(|expires| *expires > now)
    }
}

/// Checks the credentials of a request.
///
/// # Errors
///
/// If credentials are missing or wrong. The message does not repeat them.
pub(crate) fn check(
    accepted: &Credentials,
    tokens: &Tokens,
    headers: &HeaderMap,
    now: Duration,
) -> Result<(), &'static str> {
    if accepted.is_open() {
        return Ok(());
    }
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(authorization) = text(AUTHORIZATION.as_str()) {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err("the authorization header must be of the form: Bearer TOKEN");
        }
        if accepted.bearer_tokens.iter().any(|known| known == token) || tokens.is_valid(token, now)
        {
            return Ok(());
        }
        return Err("the bearer token is unknown, expired or revoked");
    }
    match text("x-synthetic-key") {
        Some(key) if accepted.api_keys.iter().any(|known| known == key) => Ok(()),
        Some(_) => Err("the API key in x-synthetic-key is unknown"),
        None => Err(
            "credentials are missing: send x-synthetic-key, or authorization with a bearer token",
        ),
    }
}
