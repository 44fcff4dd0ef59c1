//! The credentials that a client is configured with.

use std::sync::Arc;

use http::HeaderValue;

use super::TokenProvider;
use crate::error::{Error, Result};
use crate::redact::Secret;

/// The credentials of a client.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// No credentials, because the user asked for none.
    Open,
    ApiKey(Secret),
    /// A bearer token, without the word `Bearer`.
    Token(Secret),
    OAuth(ClientSecret),
    Provider(Arc<dyn TokenProvider>),
}

/// The two values of the OAuth 2.0 client credentials grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientSecret {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

/// A key or token with this value means that no credentials are sent.
const OPEN: &str = "open";

impl Credentials {
    pub(crate) fn api_key(key: &Secret) -> Result<Self> {
        Ok(match checked(key, "API key")? {
            key if key.expose() == OPEN => Self::Open,
            key => Self::ApiKey(key),
        })
    }

    /// Accepts a token with or without the word `Bearer`, in any case.
    pub(crate) fn token(token: &Secret) -> Result<Self> {
        let token = bare_token(token);
        Ok(match checked(&token, "bearer token")? {
            token if token.expose() == OPEN => Self::Open,
            token => Self::Token(token),
        })
    }

    pub(crate) fn oauth(id: &str, secret: &Secret) -> Result<Self> {
        let (id, secret) = (id.trim(), secret.expose().trim());
        if id.is_empty() || secret.is_empty() {
            let what = if id.is_empty() {
                "client id"
            } else {
                "client secret"
            };
            return Err(Error::config(format!("the OAuth {what} is empty")));
        }
        let (id, secret) = (id.to_owned(), Secret::new(secret));
        Ok(Self::OAuth(ClientSecret { id, secret }))
    }
}

/// Strips surrounding space and the word `Bearer`.
pub(crate) fn bare_token(token: &Secret) -> Secret {
    let text = token.expose().trim();
    let bare = match text.split_at_checked("bearer".len()) {
        Some((word, rest))
            if word.eq_ignore_ascii_case("bearer")
                && (rest.is_empty() || rest.starts_with(char::is_whitespace)) =>
        {
            rest.trim_start()
        }
        _ => text,
    };
    Secret::new(bare)
}

/// Rejects text that can't be the value of a header. The error does not repeat it.
fn checked(secret: &Secret, what: &str) -> Result<Secret> {
    let text = secret.expose().trim();
    if text.is_empty() {
        return Err(Error::config(format!("the {what} is empty")));
    }
    if HeaderValue::from_str(text).is_err() || text.contains(char::is_whitespace) {
        return Err(Error::config(format!(
            "the {what} contains a space or another character that can't be sent in a header; was it \
             pasted with a line break?"
        )));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Credentials> {
        Credentials::token(&Secret::new(text))
    }

    #[test]
    fn tokens_are_accepted_as_people_paste_them() {
        for text in [
            "abc.def",
            " Bearer abc.def\n",
            "bearer\tabc.def",
            "BEARER   abc.def",
        ] {
            match token(text).unwrap() {
                Credentials::Token(token) => assert_eq!(token.expose(), "abc.def", "{text:?}"),
                other => panic!("{other:?}"),
            }
        }
        for text in ["open", "Bearer open"] {
            assert!(
                matches!(token(text).unwrap(), Credentials::Open),
                "{text:?}"
            );
        }
        let key = Credentials::api_key(&Secret::new("open")).unwrap();
        assert!(matches!(key, Credentials::Open));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_being_shown() {
        for text in ["", "Bearer", "abc\ndef", "abc def", "abc\u{1}def"] {
            let error = token(text).unwrap_err().to_string();
            assert!(
                error.contains("bearer token") && !error.contains("abc"),
                "{error}"
            );
        }
        let empty = Credentials::oauth(" ", &Secret::new("s")).unwrap_err();
        assert_eq!(empty.to_string(), "the OAuth client id is empty");
    }
}
