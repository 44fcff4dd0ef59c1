//! Authentication: credentials, token providers and the cache of issued tokens.
//!
//! Nothing here sends a request; the transport fetches tokens.

mod credentials;
mod provider;
mod token_cache;

pub(crate) use credentials::{ClientSecret, Credentials, bare_token};
pub use provider::{AccessToken, TokenError, TokenFuture, TokenProvider};
pub(crate) use token_cache::{Issued, TokenCache};
