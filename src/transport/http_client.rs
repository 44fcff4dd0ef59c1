//! Builds the HTTP client so that it neither retries nor follows redirects by itself.

use std::time::Duration;

use crate::config::Settings;
use crate::error::{Error, Result};

/// Gateways close idle connections after a minute or more, so the client closes them earlier.
const IDLE: Duration = Duration::from_secs(50);

pub(super) fn build(settings: &Settings, proxy: Option<reqwest::Proxy>) -> Result<reqwest::Client> {
    check_tls(settings)?;
    let builder = reqwest::Client::builder()
        // Following a redirect would send the credentials to another host.
        .redirect(reqwest::redirect::Policy::none())
        // The transport retries by itself: each attempt has a request id of its own and is counted.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(settings.timeouts.connect.min(settings.timeouts.request))
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true);
    // Loading the system's certificates takes a while, and plain http does not need them.
    #[cfg(any(
        feature = "rustls",
        feature = "rustls-no-provider",
        feature = "native-tls"
    ))]
    let builder = match proxy.is_none() && !needs_tls(settings) {
        true => builder.tls_certs_only([]),
        false => builder,
    };
    let builder = match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    };
    builder
        .build()
        .map_err(|error| Error::config("the HTTP client can't be built").with_source(error))
}

fn needs_tls(settings: &Settings) -> bool {
    let token_url = settings.token_url.as_ref();
    settings.base_url.is_https() || token_url.is_some_and(|url| url.scheme() == "https")
}

/// Reports https that can't work when the client is built, rather than at the first call.
fn check_tls(settings: &Settings) -> Result<()> {
    let has_tls = cfg!(any(
        feature = "rustls",
        feature = "rustls-no-provider",
        feature = "native-tls"
    ));
    if needs_tls(settings) && !has_tls {
        return Err(Error::config(
            "https needs one of this crate's features `rustls`, `rustls-no-provider` and \
             `native-tls`, but none of them is enabled",
        ));
    }
    #[cfg(all(
        feature = "rustls-no-provider",
        not(feature = "rustls"),
        not(feature = "native-tls")
    ))]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(Error::config(
            "the feature `rustls-no-provider` needs a provider: call \
             `CryptoProvider::install_default` of rustls first, or use the feature `rustls`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::client::Client;
    use crate::error::Result;

    fn build(url: &str) -> Result<Client> {
        Client::builder().base_url(url).api_key("k").build()
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn https_works_with_a_feature() {
        build("https://excel.us.coherent.global/t").unwrap();
    }

    #[cfg(not(any(
        feature = "rustls",
        feature = "native-tls",
        feature = "rustls-no-provider"
    )))]
    #[test]
    fn https_without_a_feature_is_reported_at_once() {
        let error = build("https://excel.us.coherent.global/t").unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Config);
        assert!(error.to_string().contains("`rustls`"), "{error}");
        build("http://localhost:1/t").unwrap();
        // The token endpoint counts as well.
        let builder = Client::builder()
            .base_url("http://localhost:1/t")
            .oauth("i", "s");
        assert!(
            builder
                .token_url("https://localhost:2/token")
                .build()
                .is_err()
        );
    }

    #[cfg(all(
        feature = "rustls-no-provider",
        not(feature = "rustls"),
        not(feature = "native-tls")
    ))]
    #[test]
    fn a_missing_provider_is_an_error_rather_than_a_panic() {
        let error = build("https://excel.us.coherent.global/t").unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Config);
        assert!(error.to_string().contains("install_default"), "{error}");
    }
}
