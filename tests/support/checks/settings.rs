use std::sync::OnceLock;

use cspark_batches::{Client, ErrorKind, Result};
use reqwest::Url;

/// Checks the client that a base URL, a tenant, an environment and a token give. Each is a line of
/// the input, left out if it is empty. A fifth line `insecure` allows plain http.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next().filter(|line| !line.is_empty());
    let (url, tenant, env, token) = (line(), line(), line(), line());
    let insecure = line() == Some("insecure");

    let client = match build(url, tenant, env, token, insecure) {
        Ok(client) => client,
        Err(error) => {
            super::refused(&error, ErrorKind::Config);
            let password = url.and_then(|url| Url::parse(url.trim()).ok());
            let password = password.as_ref().and_then(Url::password);
            // A short password may be part of the message by chance.
            if let Some(password) =
                password.filter(|it| it.len() > 8 && text.matches(it).count() == 1)
            {
                assert!(!format!("{error} {error:?}").contains(password), "{error}");
            }
            return;
        }
    };
    let base = client.base_url();
    let parsed = Url::parse(&base).expect("a base URL is a URL");
    assert_eq!(parsed.path(), format!("/{}", client.tenant()), "{base}");
    assert!(!client.tenant().is_empty() && !client.tenant().contains('/'));
    assert!(
        parsed.username().is_empty() && parsed.password().is_none(),
        "{base}"
    );
    assert!(
        parsed.query().is_none() && parsed.fragment().is_none(),
        "{base}"
    );
    let host = parsed.host_str().expect("a base URL has a host");
    match parsed.scheme() {
        "https" => {}
        "http" => assert!(insecure || is_this_machine(host), "{base}"),
        other => panic!("{other}"),
    }
    if url.is_none() {
        assert!(base.starts_with("https://excel."), "{base}");
        assert!(host.ends_with(".coherent.global"), "{base}");
    }
    let again = build(Some(&base), None, None, None, insecure).expect("what is shown can be given");
    assert_eq!(again.base_url(), base);
}

fn build(
    url: Option<&str>,
    tenant: Option<&str>,
    env: Option<&str>,
    token: Option<&str>,
    insecure: bool,
) -> Result<Client> {
    // Shared, since setting one up takes longer than the check.
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    let mut builder = Client::builder()
        .http_client(HTTP.get_or_init(reqwest::Client::new).clone())
        .bearer_token(token.unwrap_or("open"))
        .allow_insecure_http(insecure);
    if let Some(url) = url {
        builder = builder.base_url(url);
    }
    if let Some(tenant) = tenant {
        builder = builder.tenant(tenant);
    }
    if let Some(env) = env {
        builder = builder.env(env);
    }
    builder.build()
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.starts_with("127.")
        || host == "[::1]"
}
