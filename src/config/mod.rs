//! The settings of a client, from code and from the environment.

mod base_url;
mod builder;
mod environment;
pub(crate) mod headers;
mod http;
mod jwt;
mod oauth_file;
mod retry_policy;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use base_url::BaseUrl;
pub use builder::ClientBuilder;
pub(crate) use http::{BoxError, Http, HttpService};
pub use retry_policy::RetryPolicy;
pub(crate) use settings::{Limits, Settings, Timeouts};
