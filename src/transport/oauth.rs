//! The OAuth 2.0 client credentials grant (RFC 6749, section 4.4).
//!
//! It is implemented here because it is one form and one response. The `oauth2` crate would bring
//! second versions of rand, thiserror and base64, and chrono and sha2, for the grants that need a
//! browser.

use std::time::Duration;

use http::HeaderValue;
use http::header::{ACCEPT, USER_AGENT};
use reqwest::{Request, Url};
use serde::Deserialize;

use super::call::CallContext;
use super::sender::{Anonymous, Sender};
use crate::auth::{AccessToken, ClientSecret};
use crate::error::{Error, Result};
use crate::operation::Operation;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Exchanges client id and secret for tokens.
#[derive(Debug)]
pub(super) struct ClientCredentials {
    pub(super) client: ClientSecret,
    pub(super) url: Url,
    pub(super) sender: Sender,
    pub(super) user_agent: HeaderValue,
}

/// The fields of the response that are used.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// The lifetime in seconds. Some servers send it as a string, or leave it out.
    #[serde(default)]
    expires_in: Option<Lifetime>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Lifetime {
    Number(f64),
    Text(String),
}

impl Lifetime {
    fn duration(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => *seconds,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl ClientCredentials {
    pub(super) async fn fetch(&self) -> Result<AccessToken> {
        let context = CallContext::new(Operation::Token);
        let request = self.request()?;
        let sent = self.sender.send(request, &context, &Anonymous).await;
        let response = sent.map_err(|failed| failed.error)?;
        // The error repeats neither serde's message nor the body: both may hold the token.
        let granted: Granted = serde_json::from_slice(response.body()).map_err(|_| {
            context.complete(Error::decode("access_token", "there is no such string"))
        })?;
        let token = AccessToken::new(granted.access_token);
        Ok(
            match granted.expires_in.and_then(|lifetime| lifetime.duration()) {
                Some(lifetime) => token.expires_in(lifetime),
                None => token,
            },
        )
    }

    fn request(&self) -> Result<Request> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client.id),
            ("client_secret", self.client.secret.expose()),
        ];
        let request = self.sender.client().post(self.url.clone()).form(&form);
        request
            .header(ACCEPT, JSON)
            .header(USER_AGENT, self.user_agent.clone())
            .build()
            .map_err(|error| {
                Error::config("the token request can't be built")
                    .with_operation(Operation::Token)
                    .with_source(error.without_url())
            })
    }
}
