//! The builder of a client.

use std::env::VarError;
use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_service::Service;

use super::base_url::{BaseUrl, parse_token_url};
use super::environment as names;
use super::headers::is_own_header;
use super::http::{Http, HttpService};
use super::jwt::Claims;
use super::{Limits, RetryPolicy, Settings, Timeouts, oauth_file};
use crate::auth::{Credentials, TokenProvider, bare_token};
use crate::error::{Error, Result};
use crate::redact::Secret;

/// A builder for a [`Client`](crate::Client).
///
/// Settings made here take precedence over the environment, which is only read if
/// [`fill_from_env`](Self::fill_from_env) is called. [`build`](Self::build) reports mistakes.
/// `Debug` masks every secret.
///
/// ```no_run
/// use cspark_batches::Client;
///
/// let client = Client::builder()
///     .env("uat.us")
///     .tenant("my-tenant")
///     .api_key("my-key")
///     .build()?;
/// # let _ = client;
/// # Ok::<(), cspark_batches::Error>(())
/// ```
///
/// # Credentials
///
/// One kind is used. In the order of precedence: a [`token_provider`](Self::token_provider), OAuth
/// client credentials ([`oauth`](Self::oauth), [`oauth_file`](Self::oauth_file)), an
/// [`api_key`](Self::api_key), a [`bearer_token`](Self::bearer_token). If any of them is set in
/// code, those of the environment are ignored. With the value `open` as key or token no
/// credentials are sent.
///
/// # Retries
///
/// | failure | describe, info, status, health, close, cancel | create, push, pull |
/// | --- | --- | --- |
/// | no connection, 429, 503 with Retry-After | repeated | repeated |
/// | 408, 500, 502, 503, 504, connection lost, time-out, malformed response | repeated | not repeated |
/// | anything else | not repeated | not repeated |
///
/// Where the last column says no, the service may have processed the request: the batch may exist,
/// the chunks may be computed, the results may be gone. The error says so with
/// [`may_have_been_processed`](crate::Error::may_have_been_processed). After a 401 there is one
/// more attempt with a new token if tokens can be fetched (OAuth, provider), even with zero
/// retries.
#[derive(Clone, Default)]
pub struct ClientBuilder {
    base_url: Option<String>,
    env: Option<String>,
    tenant: Option<String>,
    credentials: Given,
    token_url: Option<String>,
    read_environment: bool,
    allow_insecure_http: bool,
    timeouts: Timeouts,
    limits: Limits,
    retry: RetryPolicy,
    user_agent: Option<String>,
    headers: Vec<(String, Secret)>,
    #[cfg(feature = "gzip")]
    compress_requests: bool,
    pub(crate) proxy: Option<reqwest::Proxy>,
    pub(crate) http: Option<Http>,
}

/// All credentials that are set, before one of them is chosen.
#[derive(Clone, Debug, Default)]
struct Given {
    provider: Option<Arc<dyn TokenProvider>>,
    oauth: Option<(String, Secret)>,
    oauth_file: Option<PathBuf>,
    api_key: Option<Secret>,
    token: Option<Secret>,
}

impl Given {
    fn from_env(lookup: &dyn Fn(&str) -> Result<String, VarError>) -> Result<Self> {
        let read = |name| names::read(lookup, name);
        let oauth = match (read(names::CLIENT_ID)?, read(names::CLIENT_SECRET)?) {
            (Some(id), Some(secret)) => Some((id, Secret::new(secret))),
            (None, None) => None,
            (id, _) => {
                let (set, missing) = match id {
                    Some(_) => (names::CLIENT_ID, names::CLIENT_SECRET),
                    None => (names::CLIENT_SECRET, names::CLIENT_ID),
                };
                return Err(Error::config(format!("{set} is set without {missing}")));
            }
        };
        Ok(Self {
            provider: None,
            oauth,
            oauth_file: read(names::OAUTH_PATH)?.map(|path| PathBuf::from(path.trim())),
            api_key: read(names::API_KEY)?.map(Secret::new),
            token: read(names::BEARER_TOKEN)?.map(Secret::new),
        })
    }

    /// Returns the credentials with the highest precedence.
    fn choose(&self) -> Option<Result<Credentials>> {
        if let Some(provider) = &self.provider {
            Some(Ok(Credentials::Provider(Arc::clone(provider))))
        } else if let Some((id, secret)) = &self.oauth {
            Some(Credentials::oauth(id, secret))
        } else if let Some(path) = &self.oauth_file {
            Some(oauth_file::read(path))
        } else if let Some(key) = &self.api_key {
            Some(Credentials::api_key(key))
        } else {
            self.token.as_ref().map(Credentials::token)
        }
    }
}

impl ClientBuilder {
    /// Creates a builder without a base URL or credentials, and with defaults for the rest.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes base URL and credentials from the environment unless they are set here:
    /// `CSPARK_BASE_URL`, `CSPARK_CLIENT_ID` with `CSPARK_CLIENT_SECRET`, `CSPARK_OAUTH_PATH`,
    /// `CSPARK_API_KEY` and `CSPARK_BEARER_TOKEN`. An empty variable counts as not set.
    #[must_use]
    pub fn fill_from_env(mut self) -> Self {
        self.read_environment = true;
        self
    }

    /// Sets the URL of the service with the tenant:
    /// `https://excel.uat.us.coherent.global/my-tenant`.
    ///
    /// Letter case and trailing slashes don't matter. The address of the web interface
    /// (`https://spark.uat.us...`) is accepted, too. The tenant can be set
    /// [separately](Self::tenant).
    #[must_use]
    #[doc(alias = "baseUrl")]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the environment (`us`, `uat.us`), from which the base URL follows together with the
    /// [`tenant`](Self::tenant).
    #[must_use]
    pub fn env(mut self, env: impl Into<String>) -> Self {
        self.env = Some(env.into());
        self
    }

    /// Sets the tenant, if it is not part of the base URL.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets an API key (synthetic key).
    #[must_use]
    #[doc(alias = "apiKey")]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.credentials.api_key = Some(Secret::new(key.into()));
        self
    }

    /// Sets a bearer token, with or without the word `Bearer`.
    ///
    /// If no base URL is set, it is derived from the token. The token is not renewed: when it has
    /// expired, calls fail as [`Unauthorized`](crate::ErrorKind::Unauthorized).
    #[must_use]
    #[doc(alias = "token")]
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.credentials.token = Some(Secret::new(token.into()));
        self
    }

    /// Sets OAuth 2.0 client credentials, which are exchanged for tokens as needed.
    #[must_use]
    pub fn oauth(mut self, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        self.credentials.oauth = Some((client_id.into(), Secret::new(client_secret.into())));
        self
    }

    /// Sets a JSON file with OAuth 2.0 client credentials, spelt `client_id` and `client_secret` or
    /// `clientId` and `clientSecret`. [`build`](Self::build) reads it, once.
    #[must_use]
    pub fn oauth_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.credentials.oauth_file = Some(path.into());
        self
    }

    /// Sets a source of access tokens of your own.
    #[must_use]
    pub fn token_provider(mut self, provider: impl TokenProvider + 'static) -> Self {
        self.credentials.provider = Some(Arc::new(provider));
        self
    }

    /// Sets the URL where client credentials are exchanged for tokens. It follows from the base URL
    /// (`https://keycloak.{env}.coherent.global/auth/realms/{tenant}/...`) unless set.
    #[must_use]
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Allows plain http to machines other than this one. Credentials and data are then sent
    /// unencrypted.
    #[must_use]
    pub fn allow_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    /// Sets the time limit for a connection. 10 seconds unless set.
    ///
    /// It does not apply to an HTTP client of your own ([`http_client`](Self::http_client)).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets the time limit for one attempt, from its start to the last byte of the response. 60
    /// seconds unless set.
    #[must_use]
    #[doc(alias = "timeout")]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.request = timeout;
        self
    }

    /// Sets the time limit for a whole call with all its attempts and waits. There is none unless
    /// set.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.operation = Some(timeout);
        self
    }

    /// Sets how failed requests are repeated.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the size limit for a response, in bytes after decompression. 256 MiB unless set.
    ///
    /// A larger response fails as [`TooLarge`](crate::ErrorKind::TooLarge). If it is that of a
    /// pull, its results are lost, so rather pull fewer chunks at a time than lower this limit.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.limits.response_bytes = bytes;
        self
    }

    /// Sets whether request bodies of a kilobyte or more are compressed with gzip. They are not
    /// unless set.
    ///
    /// The platform does not document that it accepts them, so try it before you rely on it.
    #[cfg(feature = "gzip")]
    #[must_use]
    pub fn compress_requests(mut self, compress: bool) -> Self {
        self.compress_requests = compress;
        self
    }

    /// Sets the `User-Agent`, which this crate's name and version are appended to.
    #[must_use]
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// Adds a header to every request to the service, but not to token requests.
    ///
    /// Headers that the client sets itself (`authorization`, `x-request-id`, ...) are rejected. The
    /// value is treated as a secret.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value.into())));
        self
    }

    /// Sets a proxy. Unless set, the proxy comes from the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`), and a service on this machine is reached without.
    ///
    /// It is an error to set [`http_client`](Self::http_client) as well.
    #[must_use]
    pub fn proxy(mut self, proxy: reqwest::Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets an HTTP client of your own, with its own pool, TLS and proxy settings. It is one of
    /// [reqwest](crate::reqwest) 0.13.
    ///
    /// Build it with `redirect(reqwest::redirect::Policy::none())`. This crate can't see that
    /// policy: if the client follows a redirect, the call fails as
    /// [`Redirect`](crate::ErrorKind::Redirect), but by then the credentials may have been sent to
    /// another host. [`connect_timeout`](Self::connect_timeout) has no effect on it.
    #[must_use]
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Some(Http::Client(client));
        self
    }

    /// Sets a stack of your own between this crate and the network: anything that is a
    /// [tower service](tower_service::Service) of [reqwest](crate::reqwest) 0.13's requests, such
    /// as reqwest's client in layers of tower, or the client of reqwest-middleware. It replaces
    /// [`http_client`](Self::http_client).
    ///
    /// It sees each attempt with its headers, the credentials included, and the requests for
    /// tokens. It must not follow redirects, as with `http_client`. It should not repeat requests:
    /// this crate does so, knows which ones may be repeated, and gives each attempt an id of its
    /// own.
    ///
    /// An error of the service that is a boxed [`reqwest::Error`] is understood as such. Any other
    /// counts as a connection that broke: the service may have processed the request.
    ///
    /// ```
    /// # use cspark_batches::{Client, reqwest};
    /// use tower::limit::ConcurrencyLimitLayer;
    ///
    /// # fn main() -> cspark_batches::Result<()> {
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    /// let stack = tower::ServiceBuilder::new()
    ///     .layer(ConcurrencyLimitLayer::new(16))
    ///     .service(client.build().expect("a client"));
    /// let spark = Client::builder()
    ///     .base_url("http://localhost:8080/my-tenant")
    ///     .bearer_token("open")
    ///     .http_service(stack)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn http_service<S>(mut self, service: S) -> Self
    where
        S: Service<reqwest::Request, Response = reqwest::Response> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        S::Future: Send,
    {
        self.http = Some(Http::Service(HttpService::new(service)));
        self
    }

    /// Validates the settings and completes them from the environment, in which `lookup` finds a
    /// variable.
    pub(crate) fn settings(
        &self,
        lookup: &dyn Fn(&str) -> Result<String, VarError>,
    ) -> Result<Settings> {
        let (env_url, from_env) = if self.read_environment {
            (
                names::read(lookup, names::BASE_URL)?,
                Given::from_env(lookup)?,
            )
        } else {
            (None, Given::default())
        };
        if self.http.is_some() && self.proxy.is_some() {
            return Err(Error::config(
                "both an HTTP client (`http_client`, `http_service`) and `proxy` are set; set the proxy on \
                 the HTTP client instead",
            ));
        }
        let credentials = self.credentials.choose().or_else(|| from_env.choose());
        let credentials = credentials.transpose()?;
        let token = self.credentials.token.as_ref().or(from_env.token.as_ref());
        let base_url = self.choose_base_url(env_url.as_deref(), token)?;
        let (base_url, credentials) = match (base_url, credentials) {
            (Some(base_url), Some(credentials)) => (base_url, credentials),
            (base_url, credentials) => {
                return Err(self.missing(base_url.is_none(), credentials.is_none()));
            }
        };
        let token_url = match &credentials {
            Credentials::OAuth(_) => {
                let url = self.token_url.clone().or_else(|| base_url.token_endpoint());
                let url = url.ok_or_else(|| {
                    Error::config(
                        "the token endpoint can't be derived from this base URL; set `token_url`",
                    )
                })?;
                Some(parse_token_url(&url, self.allow_insecure_http)?)
            }
            _ => None,
        };
        Ok(Settings {
            base_url,
            credentials,
            token_url,
            timeouts: checked_timeouts(self.timeouts)?,
            limits: self.limits,
            retry: self.retry.clone(),
            user_agent: self.user_agent.clone(),
            extra_headers: extra_headers(&self.headers)?,
            #[cfg(feature = "gzip")]
            compress_requests: self.compress_requests,
        })
    }

    /// The error that names everything that is missing, and what this program can do about it.
    fn missing(&self, no_base_url: bool, no_credentials: bool) -> Error {
        let (set_url, set_credentials) = match self.read_environment {
            true => (
                "set CSPARK_BASE_URL",
                "set CSPARK_API_KEY, CSPARK_BEARER_TOKEN, CSPARK_OAUTH_PATH, or CSPARK_CLIENT_ID \
                 and CSPARK_CLIENT_SECRET",
            ),
            false => (
                "call `base_url`, or `env` and `tenant`",
                "call `api_key`, `bearer_token`, `oauth`, `oauth_file` or `token_provider` (the \
                 key `open` sends none)",
            ),
        };
        let base_url = format!("there is no base URL: {set_url}");
        let credentials = format!("there are no credentials: {set_credentials}");
        Error::config(match (no_base_url, no_credentials) {
            (true, false) => base_url,
            (false, _) => credentials,
            (true, true) => format!("{base_url}; and {credentials}"),
        })
    }

    /// The base URL, if the settings have one.
    fn choose_base_url(
        &self,
        env_url: Option<&str>,
        token: Option<&Secret>,
    ) -> Result<Option<BaseUrl>> {
        let tenant = self.tenant.as_deref();
        let base_url = match (&self.base_url, &self.env, env_url, token) {
            (Some(_), Some(_), ..) => Err(Error::config(
                "both `base_url` and `env` are set; set only one of them",
            )),
            (Some(url), ..) => BaseUrl::parse(url, tenant, self.allow_insecure_http),
            (None, Some(env), ..) => match tenant {
                Some(tenant) => BaseUrl::from_parts(env, tenant),
                None => Err(Error::config("`env` is set without `tenant`")),
            },
            (None, None, Some(url), _) => BaseUrl::parse(url, tenant, self.allow_insecure_http),
            (None, None, None, Some(token)) => {
                let base_url = BaseUrl::from_claims(&Claims::read(&bare_token(token))?)?;
                match tenant.map(|tenant| tenant.trim().trim_matches('/').to_ascii_lowercase()) {
                    Some(tenant) if tenant != base_url.tenant() => Err(Error::config(format!(
                        "the bearer token is for the tenant `{}`, but `tenant` is set to `{tenant}`",
                        base_url.tenant()
                    ))),
                    _ => Ok(base_url),
                }
            }
            (None, None, None, None) => return Ok(None),
        };
        base_url.map(Some)
    }
}

fn checked_timeouts(timeouts: Timeouts) -> Result<Timeouts> {
    for (name, value) in [
        ("connect_timeout", Some(timeouts.connect)),
        ("request_timeout", Some(timeouts.request)),
        ("operation_timeout", timeouts.operation),
    ] {
        if value.is_some_and(|value| value.is_zero()) {
            return Err(Error::config(format!(
                "`{name}` is zero, so every call would fail"
            )));
        }
    }
    Ok(timeouts)
}

fn extra_headers(given: &[(String, Secret)]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let shown = name.escape_default();
        let name: HeaderName = name
            .parse()
            .map_err(|_| Error::config(format!("`{shown}` is not the name of a header")))?;
        if is_own_header(&name) {
            return Err(Error::config(format!(
                "the header `{shown}` is set by the client itself and can't be replaced"
            )));
        }
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
            Error::config(format!(
                "the value of the header `{shown}` can't be sent in a header"
            ))
        })?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL that is not checked yet may hold a password.
        let origin = |url: &String| match reqwest::Url::parse(url) {
            Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            Err(_) => String::from("(not a URL)"),
        };
        f.debug_struct("ClientBuilder")
            .field("base_url", &self.base_url.as_ref().map(origin))
            .field("env", &self.env)
            .field("tenant", &self.tenant)
            .field("credentials", &self.credentials)
            .field("token_url", &self.token_url.as_ref().map(origin))
            .field("read_environment", &self.read_environment)
            .field("allow_insecure_http", &self.allow_insecure_http)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .field("user_agent", &self.user_agent)
            .field("headers", &self.headers)
            .field("proxy", &self.proxy.is_some())
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}
