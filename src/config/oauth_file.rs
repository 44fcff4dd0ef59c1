//! OAuth client credentials in a JSON file.

use std::path::Path;

use serde::Deserialize;

use crate::auth::Credentials;
use crate::error::{Error, Result};
use crate::redact::Secret;

/// The content of the file, in both spellings that the official SDKs accept.
#[derive(Deserialize)]
struct OAuthFile {
    #[serde(alias = "clientId")]
    client_id: String,
    #[serde(alias = "clientSecret")]
    client_secret: String,
}

pub(super) fn read(path: &Path) -> Result<Credentials> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::config(format!("the OAuth file `{shown}` can't be read: {error}")).with_cause(error)
    })?;
    // serde's message repeats a wrong value, which may be the secret, so only the line is reported.
    let file: OAuthFile =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            Error::config(format!(
                "the OAuth file `{shown}` is not a JSON object with the strings `client_id` and \
             `client_secret` (or `clientId` and `clientSecret`): see line {}",
                error.line().max(1)
            ))
        })?;
    Credentials::oauth(&file.client_id, &Secret::new(file.client_secret))
        .map_err(|error| Error::config(format!("the OAuth file `{shown}`: {error}")))
}
