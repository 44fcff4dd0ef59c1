//! The claims of a bearer token that tell which tenant it is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::redact::Secret;

/// The claims that the base URL is derived from.
///
/// The signature is not verified: the token is the user's own, and the claims only decide where
/// that token is sent. The issuer therefore has to be a host of the platform; see
/// [`BaseUrl::from_claims`](super::BaseUrl::from_claims).
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) realm: Option<String>,
}

impl Claims {
    pub(super) fn read(token: &Secret) -> Result<Self> {
        Self::decode(token.expose()).ok_or_else(|| {
            Error::config(
                "there is no base URL, and it can't be derived from the bearer token, which is not a \
                 JWT; set CSPARK_BASE_URL or `base_url`, or `env` and `tenant`",
            )
        })
    }

    fn decode(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok()
    }
}
