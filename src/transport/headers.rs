//! The headers that every request carries.

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use crate::config::Settings;
use crate::config::headers::{SPARK_UA, TENANT};
use crate::error::{Error, Result};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The headers of every request, apart from credentials and request id.
pub(super) fn common(settings: &Settings) -> Result<HeaderMap> {
    let mut headers = settings.extra_headers.clone();
    headers.insert(USER_AGENT, user_agent(settings.user_agent.as_deref())?);
    headers.insert(SPARK_UA, spark_ua());
    headers.insert(ACCEPT, JSON);
    let tenant = HeaderValue::from_str(settings.base_url.tenant()).map_err(|_| {
        Error::config("the tenant contains a character that can't be sent in a header")
    })?;
    headers.insert(TENANT, tenant);
    Ok(headers)
}

pub(super) fn user_agent(own: Option<&str>) -> Result<HeaderValue> {
    match own.map(str::trim).filter(|own| !own.is_empty()) {
        None => Ok(HeaderValue::from_static(AGENT)),
        Some(own) => HeaderValue::from_str(&format!("{own} {AGENT}")).map_err(|_| {
            Error::config("the `user_agent` contains a character that can't be sent in a header")
        }),
    }
}

/// The value of the platform's own header for the calling library and its system.
fn spark_ua() -> HeaderValue {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    HeaderValue::from_str(&format!("agent={AGENT}; env={os}/{arch}"))
        .unwrap_or_else(|_| HeaderValue::from_static(AGENT))
}
