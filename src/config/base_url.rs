//! The base URL of the service, from a URL, from an environment and a tenant, or from a token.

use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::jwt::Claims;
use crate::error::{Error, Result};

const PLATFORM: &str = "coherent.global";
const EXAMPLE: &str = "https://excel.my-env.coherent.global/my-tenant";

/// The origin and the tenant of the service, validated and normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// The origin without anything after it: `https://excel.uat.us.coherent.global`.
    origin: String,
    tenant: String,
    /// `uat.us`; `None` when the host is not one of the platform.
    env: Option<String>,
}

impl BaseUrl {
    /// Parses a full URL, which may leave out the tenant if `tenant` is given.
    pub(crate) fn parse(text: &str, tenant: Option<&str>, insecure: bool) -> Result<Self> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| {
            // The text may contain a password, so the error does not repeat it.
            Error::config(format!(
                "the base URL is not a URL ({error}); it should look like `{EXAMPLE}`"
            ))
        })?;
        check_scheme(&url, "base URL", insecure)?;
        if url.query().is_some() {
            return Err(Error::config(
                "the base URL has a query; remove everything from the `?` on",
            ));
        }
        if url.fragment().is_some() {
            return Err(Error::config(
                "the base URL has a fragment; remove everything from the `#` on",
            ));
        }

        let host = url.host_str().unwrap_or_default();
        let (origin, env) = match platform_env(host) {
            // People also paste the address of the web interface, `https://spark.{env}...`.
            Some((_, env)) => (engine_origin(&url, env), Some(env.to_owned())),
            None => (url.origin().ascii_serialization(), None),
        };
        let is_web_page = platform_env(host).is_some_and(|(service, _)| service == "spark");

        let mut segments = url.path().split('/').filter(|segment| !segment.is_empty());
        let in_path = segments.next();
        if segments.next().is_some() && !is_web_page {
            return Err(Error::config(format!(
                "the base URL's path `{}` is longer than the tenant; it should look like `{EXAMPLE}`",
                url.path()
            )));
        }
        let normal = |tenant: &str| check_tenant(tenant, env.is_some());
        let tenant = match (in_path, tenant) {
            (Some(in_path), Some(apart)) => {
                let (in_path, apart) = (normal(in_path)?, normal(apart)?);
                if in_path != apart {
                    return Err(Error::config(format!(
                        "the base URL is for the tenant `{in_path}`, but `tenant` is set to `{apart}`; \
                         set only one of them"
                    )));
                }
                apart
            }
            (Some(tenant), None) | (None, Some(tenant)) => normal(tenant)?,
            (None, None) => {
                return Err(Error::config(format!(
                    "the base URL has no tenant; it should look like `{EXAMPLE}`"
                )));
            }
        };
        Ok(Self {
            origin,
            tenant,
            env,
        })
    }

    /// Builds the URL from an environment (`uat.us`) and a tenant.
    pub(crate) fn from_parts(env: &str, tenant: &str) -> Result<Self> {
        let env = env.trim().to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // The URL parser is not strict enough: a stray `/` or `@` would change the host.
        let origin = format!("https://excel.{env}.{PLATFORM}");
        let is_host = || Url::parse(&origin).is_ok();
        if !env.split('.').all(label) || env.split('.').count() > 2 || !is_host() {
            return Err(Error::config(format!(
                "`{env}` is not the name of an environment; it should look like `us` or `uat.us`"
            )));
        }
        Ok(Self {
            origin,
            tenant: check_tenant(tenant, true)?,
            env: Some(env),
        })
    }

    /// Builds the URL from the issuer and the realm of a bearer token.
    pub(super) fn from_claims(claims: &Claims) -> Result<Self> {
        let issuer = claims.iss.as_deref().unwrap_or_default();
        let wrong = || {
            Error::config(
                "there is no base URL, and it can't be derived from the bearer token, whose issuer \
                 (`iss`) is not `https://keycloak.{env}.coherent.global/auth/realms/{tenant}`; set \
                 CSPARK_BASE_URL or `base_url`, or `env` and `tenant`",
            )
        };
        let url = Url::parse(issuer).map_err(|_| wrong())?;
        let host = url.host_str().unwrap_or_default();
        let (service, env) = platform_env(host).ok_or_else(wrong)?;
        if url.scheme() != "https" || service != "keycloak" || url.port().is_some() {
            return Err(wrong());
        }
        let in_path = url
            .path()
            .trim_end_matches('/')
            .strip_prefix("/auth/realms/");
        let tenant = claims.realm.as_deref().or(in_path).ok_or_else(wrong)?;
        Self::from_parts(env, tenant)
    }

    /// Returns the tenant's name.
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns origin and tenant, without a slash at the end.
    pub(crate) fn as_string(&self) -> String {
        format!("{}/{}", self.origin, self.tenant)
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        Url::parse(&self.origin).is_ok_and(|url| is_loopback(&url))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Returns the URL of the health check.
    pub(crate) fn health(&self) -> String {
        format!("{}/health", self.origin)
    }

    /// Returns the platform's token endpoint; `None` if the host is not one of the platform.
    pub(crate) fn token_endpoint(&self) -> Option<String> {
        let env = self.env.as_deref()?;
        let tenant = &self.tenant;
        Some(format!(
            "https://keycloak.{env}.{PLATFORM}/auth/realms/{tenant}/protocol/openid-connect/token"
        ))
    }
}

/// Parses the URL of a token endpoint that the user has set.
pub(crate) fn parse_token_url(text: &str, insecure: bool) -> Result<Url> {
    let url = Url::parse(text.trim())
        .map_err(|error| Error::config(format!("the token URL is not a URL ({error})")))?;
    check_scheme(&url, "token URL", insecure)?;
    if url.fragment().is_some() {
        return Err(Error::config(
            "the token URL has a fragment; remove everything from the `#` on",
        ));
    }
    Ok(url)
}

/// Rejects URLs that would send credentials unencrypted, and URLs that contain credentials.
fn check_scheme(url: &Url, what: &str, insecure: bool) -> Result<()> {
    match url.scheme() {
        "https" => {}
        "http" if insecure || is_loopback(url) => {}
        "http" => {
            return Err(Error::config(format!(
                "the {what} is plain http, which sends the credentials unencrypted; use https, or \
                 allow it with `allow_insecure_http`"
            )));
        }
        other => {
            return Err(Error::config(format!(
                "the {what} has the scheme `{other}`; it has to be https (or http for this machine)"
            )));
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::config(format!(
            "the {what} contains a user name or password; remove it, and set the credentials \
             separately"
        )));
    }
    Ok(())
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Splits a host of the platform: `excel.uat.us.coherent.global` is `("excel", "uat.us")`.
fn platform_env(host: &str) -> Option<(&str, &str)> {
    let (service, env) = host
        .strip_suffix(PLATFORM)?
        .strip_suffix('.')?
        .split_once('.')?;
    let labels = env.split('.').count();
    (!service.is_empty() && !env.is_empty() && labels <= 2).then_some((service, env))
}

fn engine_origin(url: &Url, env: &str) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}://excel.{env}.{PLATFORM}{port}", url.scheme())
}

/// Validates a tenant, which becomes part of paths and headers. The platform's are in lower case.
fn check_tenant(tenant: &str, lower: bool) -> Result<String> {
    let tenant = tenant.trim().trim_matches('/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    if tenant.is_empty() {
        return Err(Error::config("the tenant is empty"));
    }
    if matches!(tenant, "." | "..") || !tenant.bytes().all(allowed) {
        return Err(Error::config(format!(
            "`{}` is not the name of a tenant; only letters, digits, `-`, `_`, `.` and `~` are allowed",
            tenant.escape_default()
        )));
    }
    Ok(if lower {
        tenant.to_ascii_lowercase()
    } else {
        tenant.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood() {
        let platform = "https://excel.uat.us.coherent.global/my-tenant";
        for (given, expected) in [
            (platform, platform),
            (
                "  https://EXCEL.UAT.us.Coherent.Global/My-Tenant// ",
                platform,
            ),
            ("https://spark.uat.us.coherent.global/my-tenant", platform),
            (
                "https://spark.uat.us.coherent.global/my-tenant/apps/list",
                platform,
            ),
            (
                "https://keycloak.uat.us.coherent.global/my-tenant/",
                platform,
            ),
            (
                "https://excel.us.coherent.global/t",
                "https://excel.us.coherent.global/t",
            ),
            (
                "http://localhost:1234/My-Tenant",
                "http://localhost:1234/My-Tenant",
            ),
            ("http://127.0.0.1:80/t/", "http://127.0.0.1/t"),
            ("http://[::1]:8080/t", "http://[::1]:8080/t"),
            (
                "https://spark.example.com:8443/t",
                "https://spark.example.com:8443/t",
            ),
        ] {
            assert_eq!(
                BaseUrl::parse(given, None, false).unwrap().as_string(),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn a_tenant_given_apart() {
        let url = "https://excel.us.coherent.global";
        for given in [url.to_owned(), format!("{url}/"), format!("{url}/T")] {
            let base = BaseUrl::parse(&given, Some(" t/ "), false).unwrap();
            assert_eq!(base.as_string(), format!("{url}/t"), "{given}");
        }
        let parts = BaseUrl::from_parts(" UAT.us ", "My-Tenant").unwrap();
        assert_eq!(
            parts.as_string(),
            "https://excel.uat.us.coherent.global/my-tenant"
        );
        assert_eq!(parts.tenant(), "my-tenant");
        assert_eq!(
            parts.health(),
            "https://excel.uat.us.coherent.global/health"
        );
        assert_eq!(
            parts.token_endpoint().unwrap(),
            "https://keycloak.uat.us.coherent.global/auth/realms/my-tenant/protocol/openid-connect/token"
        );
        let local = BaseUrl::parse("http://localhost/t", None, false).unwrap();
        assert_eq!(local.token_endpoint(), None);
    }

    #[test]
    fn each_refusal_has_its_own_message() {
        for (given, expected) in [
            ("excel.us.coherent.global/t", "not a URL"),
            ("", "not a URL"),
            ("ftp://excel.us.coherent.global/t", "scheme `ftp`"),
            ("http://excel.us.coherent.global/t", "plain http"),
            ("http://localhost.example.com/t", "plain http"),
            (
                "https://me:pw@excel.us.coherent.global/t",
                "user name or password",
            ),
            (
                "https://me@excel.us.coherent.global/t",
                "user name or password",
            ),
            ("https://excel.us.coherent.global/t?x=pw", "has a query"),
            ("https://excel.us.coherent.global/t?", "has a query"),
            ("https://excel.us.coherent.global/t#x", "has a fragment"),
            ("https://excel.us.coherent.global", "has no tenant"),
            (
                "https://excel.us.coherent.global/t/api/v4",
                "longer than the tenant",
            ),
            (
                "https://excel.us.coherent.global/a%2Fb",
                "not the name of a tenant",
            ),
        ] {
            let error = BaseUrl::parse(given, None, false).unwrap_err();
            assert!(error.to_string().contains(expected), "{given}: {error}");
            assert!(!error.to_string().contains("pw"), "{given}: {error}");
        }
        let other = BaseUrl::parse("https://excel.us.coherent.global/a", Some("b"), false);
        assert!(other.unwrap_err().to_string().contains("`a`"));
    }

    #[test]
    fn plain_http_can_be_allowed() {
        assert!(BaseUrl::parse("http://10.0.0.1/t", None, true).is_ok());
        assert!(parse_token_url("http://10.0.0.1/token", false).is_err());
        assert!(parse_token_url("http://10.0.0.1/token", true).is_ok());
        assert!(parse_token_url("http://localhost/token", false).is_ok());
    }

    #[test]
    fn an_environment_cannot_move_the_host() {
        for env in [
            "",
            ".",
            "us.",
            "evil.com/",
            "us@evil",
            "a.b.c",
            "-us",
            "us evil",
            "u\u{e4}s",
            // A label that begins with `xn--` has to be a valid international name.
            "xn--qat",
        ] {
            assert!(BaseUrl::from_parts(env, "t").is_err(), "{env}");
        }
        for tenant in ["", "/", "..", "a/b", "a\\b", "a b", "a\nb", "a?b"] {
            assert!(BaseUrl::from_parts("us", tenant).is_err(), "{tenant}");
        }
    }

    fn claims(iss: &str, realm: Option<&str>) -> Result<BaseUrl> {
        BaseUrl::from_claims(&Claims {
            iss: Some(iss.into()),
            realm: realm.map(Into::into),
        })
    }

    #[test]
    fn a_token_knows_its_place() {
        let issuer = "https://keycloak.uat.us.coherent.global/auth/realms/my-tenant";
        let expected = "https://excel.uat.us.coherent.global/my-tenant";
        assert_eq!(
            claims(issuer, Some("my-tenant")).unwrap().as_string(),
            expected
        );
        assert_eq!(claims(issuer, None).unwrap().as_string(), expected);
        for issuer in [
            "",
            "https://keycloak.us.example.com/auth/realms/t",
            "http://keycloak.us.coherent.global/auth/realms/t",
            "https://excel.us.coherent.global/auth/realms/t",
            "https://keycloak.us.coherent.global:8443/auth/realms/t",
            "https://keycloak.us.coherent.global.evil.com/auth/realms/t",
        ] {
            assert!(claims(issuer, Some("t")).is_err(), "{issuer}");
        }
    }
}
