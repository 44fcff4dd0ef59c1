//! Builds the HTTP client so that it neither retries nor follows redirects by itself.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::{HttpService, Settings};
use crate::error::{Error, Result};

/// Gateways close idle connections after a minute or more, so the client closes them earlier.
const IDLE: Duration = Duration::from_secs(50);

/// The HTTP client, and what is known of the way that its requests take.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    pub(super) client: reqwest::Client,
    /// What sends the requests in place of the client, which then only builds them.
    pub(super) service: Option<HttpService>,
    route: Route,
}

/// The way that requests take. reqwest does not tell which proxy it uses.
#[derive(Clone, Debug)]
enum Route {
    /// Without a proxy, or unknown because the client is the user's own.
    Direct,
    /// Through the proxy in the settings.
    Proxy,
    /// Through the proxy that the environment names for an address, if any.
    Environment(Arc<Matcher>),
}

impl HttpClient {
    /// A client with the settings of this crate.
    pub(super) fn new(settings: &Settings, proxy: Option<reqwest::Proxy>) -> Result<Self> {
        let route = match proxy {
            Some(_) => Route::Proxy,
            None if settings.is_local() => Route::Direct,
            None => Route::Environment(Arc::new(Matcher::from_env())),
        };
        let client = build(settings, proxy)?;
        Ok(Self {
            client,
            service: None,
            route,
        })
    }

    /// A client of the user's own.
    pub(super) fn own(client: reqwest::Client) -> Self {
        Self {
            client,
            service: None,
            route: Route::Direct,
        }
    }

    /// A stack of the user's own. The client only builds requests, and needs no certificates.
    pub(super) fn service(service: HttpService) -> Result<Self> {
        check_provider()?;
        let client = without_certificates(reqwest::Client::builder()).no_proxy();
        Ok(Self {
            service: Some(service),
            ..Self::own(client.build().map_err(not_built)?)
        })
    }

    /// The proxy that a request to this address goes through, for people.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<String> {
        match &self.route {
            Route::Direct => None,
            Route::Proxy => Some(String::from("the proxy in the settings")),
            Route::Environment(matcher) => {
                let proxy = matcher.intercept(&url.as_str().parse().ok()?)?;
                let authority = proxy.uri().authority()?;
                // A password in front of the host is not for people.
                let host = authority.as_str().rsplit('@').next()?;
                Some(format!("the proxy {host} of the environment"))
            }
        }
    }
}

fn build(settings: &Settings, proxy: Option<reqwest::Proxy>) -> Result<reqwest::Client> {
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
    let builder = match proxy.is_none() && !needs_tls(settings) {
        true => without_certificates(builder),
        false => builder,
    };
    let builder = match proxy {
        Some(proxy) => builder.proxy(proxy),
        // A proxy elsewhere does not reach this machine.
        None if settings.is_local() => builder.no_proxy(),
        None => builder,
    };
    builder.build().map_err(not_built)
}

fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(any(
        feature = "rustls",
        feature = "rustls-no-provider",
        feature = "native-tls"
    ))]
    let builder = builder.tls_certs_only([]);
    builder
}

fn not_built(error: reqwest::Error) -> Error {
    Error::config("the HTTP client can't be built").with_source(error)
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
    check_provider()
}

/// Without a provider, reqwest would panic.
fn check_provider() -> Result<()> {
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
    use super::*;
    use crate::client::Client;

    #[test]
    fn the_proxy_of_an_address_is_named_without_its_password() {
        let proxies = Matcher::builder()
            .https("http://me:pw@proxy.example:3128")
            .no("inside.example");
        let client = HttpClient {
            client: reqwest::Client::new(),
            service: None,
            route: Route::Environment(Arc::new(proxies.build())),
        };
        let proxy_for = |url: &str| client.proxy_for(&url.parse().unwrap());
        assert_eq!(
            proxy_for("https://outside.example/t").as_deref(),
            Some("the proxy proxy.example:3128 of the environment")
        );
        assert_eq!(proxy_for("https://inside.example/t"), None);
        assert_eq!(proxy_for("http://outside.example/t"), None);
    }

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
