//! The environment variables, which have the names that the official SDKs use.

use std::env::VarError;

use crate::error::{Error, Result};

pub(crate) const BASE_URL: &str = "CSPARK_BASE_URL";
pub(crate) const API_KEY: &str = "CSPARK_API_KEY";
pub(crate) const BEARER_TOKEN: &str = "CSPARK_BEARER_TOKEN";
pub(crate) const CLIENT_ID: &str = "CSPARK_CLIENT_ID";
pub(crate) const CLIENT_SECRET: &str = "CSPARK_CLIENT_SECRET";
pub(crate) const OAUTH_PATH: &str = "CSPARK_OAUTH_PATH";

/// Returns the value of a variable. An empty variable counts as not set.
pub(crate) fn read(
    lookup: &dyn Fn(&str) -> Result<String, VarError>,
    name: &str,
) -> Result<Option<String>> {
    match lookup(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::config(format!("{name} is not valid UTF-8"))),
    }
}
