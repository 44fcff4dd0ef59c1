//! The header that authenticates a request.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use crate::config::headers::API_KEY;
use crate::error::{Error, ErrorKind, Result};
use crate::redact::Secret;

/// The header that authenticates a request.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    name: HeaderName,
    value: HeaderValue,
    secret: Secret,
    /// The number of the fetch that returned it; 0 for credentials that never change.
    serial: u64,
}

impl Credential {
    pub(super) fn api_key(key: Secret) -> Result<Self> {
        let value = sensitive(key.expose())?;
        Ok(Self {
            name: API_KEY,
            value,
            secret: key,
            serial: 0,
        })
    }

    pub(super) fn bearer(token: Secret, serial: u64) -> Result<Self> {
        let value = sensitive(&format!("Bearer {}", token.expose()))?;
        Ok(Self {
            name: AUTHORIZATION,
            value,
            secret: token,
            serial,
        })
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.name == API_KEY {
            true => "an API key",
            false => "a bearer token",
        }
    }

    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
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
